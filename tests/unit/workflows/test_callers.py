"""hunter.yml and tracker.yml: what users copy, unchanged."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ...support.workflow_reading import AGENTS, CALLERS, MAIA, jobs, text, uses, workflow

every_caller = pytest.mark.parametrize("name", CALLERS)


def job(name: str) -> dict[str, Any]:
    (found,) = jobs(name).values()
    return found


def called(part: str) -> dict[str, Any]:
    found: dict[str, Any] = workflow(MAIA)["on"]["workflow_call"][part]
    return found


@every_caller
def test_it_calls_the_released_workflow_and_uses_nothing_else(name: str) -> None:
    assert [what for what, _ in uses(name)] == ["pleiades/maia/.github/workflows/maia.yml@v1"]
    assert job(name)["with"]["agent"] == name.removesuffix(".yml")


@every_caller
def test_it_passes_every_secret_by_name(name: str) -> None:
    assert job(name)["secrets"] == {secret: f"${{{{ secrets.{secret} }}}}" for secret in called("secrets")}


@every_caller
def test_what_it_passes_is_known(name: str) -> None:
    given = set(job(name)["with"])
    assert given <= set(called("inputs"))
    hunters = {"queries", "queries-file"}
    assert set(called("inputs")) - given == ({"source"} if name == "hunter.yml" else {"source", *hunters})


@every_caller
def test_nothing_in_it_has_to_be_edited(name: str) -> None:
    """What differs between repositories is a variable, a secret, or asked for when it is started by hand."""
    constant = {key for key, value in job(name)["with"].items() if "${{" not in value}
    assert constant == {"agent"}


@every_caller
def test_numbers_arrive_as_numbers(name: str) -> None:
    for key, value in job(name)["with"].items():
        if called("inputs")[key]["type"] == "number":
            assert value.startswith("${{ fromJSON("), key


@every_caller
def test_its_defaults_are_those_of_the_workflow_it_calls(name: str) -> None:
    for key, given in called("inputs").items():
        value = job(name)["with"].get(key, "")
        last = re.search(r"\|\| ('?)([^'|]*)\1\)? }}$", value)
        if last and not last[2].startswith("vars."):
            assert last[2] == given["default"], key


@every_caller
def test_started_by_hand_it_asks_for_inputs_that_it_passes_on(name: str) -> None:
    asked = workflow(name)["on"]["workflow_dispatch"]["inputs"]
    assert set(asked) == set(re.findall(r"\binputs\.([\w-]+)", text(name)))
    for given in asked.values():
        assert given["description"]
        assert given["type"] in {"string", "number", "boolean"}


@every_caller
def test_it_starts_at_an_odd_minute(name: str) -> None:
    (schedule,) = workflow(name)["on"]["schedule"]
    minute = int(schedule["cron"].split()[0])
    assert minute % 5, "GitHub delays and drops what starts when everything starts"


def test_the_agents_do_not_start_together() -> None:
    minutes = {workflow(name)["on"]["schedule"][0]["cron"].split()[0] for name in CALLERS}
    assert len(minutes) == len(CALLERS)


@every_caller
def test_it_rests_in_the_projects_own_repository(name: str) -> None:
    assert job(name)["if"] == "${{ github.repository != 'pleiades/maia' || vars.MAIA_ENABLED == 'true' }}"


@every_caller
def test_it_may_read_files_and_nothing_else(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    assert job(name)["permissions"] == {"contents": "read"}


@every_caller
def test_it_has_no_concurrency_of_its_own(name: str) -> None:
    """That of the workflow it calls would wait for it."""
    assert "concurrency" not in text(name)


def test_the_callers_are_alike() -> None:
    def plain(agent: str) -> set[str]:
        written = text(f"{agent}.yml").replace(agent, "agent").replace(agent.capitalize(), "Agent")
        return {line.strip() for line in written.splitlines() if not line.strip().startswith(("#", "- cron:"))}

    hunter, tracker = (plain(agent) for agent in AGENTS)
    assert {line for line in hunter - tracker if "uer" not in line} == set()
    assert {line for line in tracker - hunter if "Videos" not in line} == set()
