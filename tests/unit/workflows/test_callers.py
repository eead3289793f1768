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
    """It passes every secret by name, may read files alone, and rests in the project's own repository."""
    assert [what for what, _ in uses(name)] == ["pleiades/maia/.github/workflows/maia.yml@v1"]
    found = job(name)
    assert found["with"]["agent"] == name.removesuffix(".yml")
    assert found["secrets"] == {secret: f"${{{{ secrets.{secret} }}}}" for secret in called("secrets")}
    assert (workflow(name)["permissions"], found["permissions"]) == ({}, {"contents": "read"})
    assert found["if"] == "${{ github.repository != 'pleiades/maia' || vars.MAIA_ENABLED == 'true' }}"
    assert "concurrency" not in text(name), "that of the workflow it calls would wait for it"


@every_caller
def test_what_it_passes_is_known_and_need_not_be_edited(name: str) -> None:
    """What differs between repositories is a variable, a secret, or asked for when it is started by hand."""
    given = job(name)["with"]
    not_given = {"source"} if name == "hunter.yml" else {"source", "queries", "queries-file"}
    assert set(called("inputs")) - set(given) == not_given
    assert set(given) <= set(called("inputs"))
    assert {key for key, value in given.items() if "${{" not in value} == {"agent"}
    for key, value in given.items():
        if called("inputs")[key]["type"] == "number":
            assert value.startswith("${{ fromJSON("), key
        last = re.search(r"\|\| ('?)([^'|]*)\1\)? }}$", value)
        if last and not last[2].startswith("vars."):
            assert last[2] == called("inputs")[key]["default"], key
    asked = workflow(name)["on"]["workflow_dispatch"]["inputs"]
    assert set(asked) == set(re.findall(r"\binputs\.([\w-]+)", text(name)))
    assert all(one["description"] for one in asked.values())
    assert {one["type"] for one in asked.values()} <= {"string", "number", "boolean"}


def test_each_starts_at_an_odd_minute_of_its_own() -> None:
    """GitHub delays and drops what starts when everything starts."""
    minutes = {int(workflow(name)["on"]["schedule"][0]["cron"].split()[0]) for name in CALLERS}
    assert len(minutes) == len(CALLERS)
    assert all(minute % 5 for minute in minutes)


def test_the_callers_are_alike() -> None:
    def shared_lines(agent: str) -> set[str]:
        written = text(f"{agent}.yml").replace(agent, "agent").replace(agent.capitalize(), "Agent")
        return {line.strip() for line in written.splitlines() if not line.strip().startswith(("#", "- cron:"))}

    hunter, tracker = (shared_lines(agent) for agent in AGENTS)
    assert {line for line in hunter - tracker if "uer" not in line} == set()
    assert {line for line in tracker - hunter if "Videos" not in line} == set()
