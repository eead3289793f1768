"""maia.yml: what holds for every run, whatever its jobs do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from atlas.config import Settings

from ...support.documents import CHECKOUT
from ...support.workflow_reading import AGENTS, MAIA, jobs, step_of_maia, text, uses, workflow

LEGS = {"shards": "plan", "wave-2": "gate"}
"""The jobs that run shards, each with the job that says how many."""
ACTION_ONLY = {"MIGRATE_DATABASE_URL"}
"""Secrets that the action reads and no setting of Maia is."""


def call() -> dict[str, Any]:
    found: dict[str, Any] = workflow(MAIA)["on"]["workflow_call"]
    return found


def action(part: str) -> dict[str, Any]:
    path = CHECKOUT / "action.yml"
    if not path.exists():
        pytest.skip("there is no action.yml beside these tests")
    found: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)[part]
    return found


# ── jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_jobs_are_a_plan_its_shards_one_gate_with_a_further_wave_and_the_verdict() -> None:
    needs = {name: job.get("needs", []) for name, job in jobs(MAIA).items()}
    assert needs == {
        "plan": [],
        "shards": "plan",
        "gate": ["plan", "shards"],
        "wave-2": ["plan", "gate"],
        "verdict": ["plan", "shards", "gate", "wave-2"],
    }
    assert len(text(MAIA).splitlines()) < 260


def test_a_further_wave_does_what_the_first_one_does() -> None:
    first, second = jobs(MAIA)["shards"], jobs(MAIA)["wave-2"]
    own = {"name", "needs", "if", "strategy"}
    assert {key: value for key, value in first.items() if key not in own} == {
        key: value for key, value in second.items() if key not in own
    }
    assert step_of_maia(first)["with"]["wave"] == "${{ matrix.wave }}"
    assert [job["strategy"]["matrix"]["wave"] for job in (first, second)] == [["1"], ["2"]]
    assert step_of_maia(jobs(MAIA)["gate"])["with"]["wave"] == "2"


def test_the_gate_plans_with_what_the_plan_has() -> None:
    """Its count of what is due must be that of a first wave: the same batch, the same most shards."""
    plan, gate = (step_of_maia(jobs(MAIA)[name])["with"] for name in ("plan", "gate"))
    first_wave_only = {"queries", "queries-file", "migrate", "auto-migrate", "resume-keys"}
    assert {**plan, "wave": "2", "run": gate["run"]} == {**gate, **{name: plan[name] for name in first_wave_only}}


def test_the_wave_goes_on_with_what_churned_also_beside_a_failed_leg_but_not_when_cancelled() -> None:
    gate, wave = jobs(MAIA)["gate"], jobs(MAIA)["wave-2"]
    assert gate["if"].startswith("${{ !cancelled() && (needs.shards.outputs.churned == '+' || ")
    assert wave["if"].startswith("${{ !cancelled() && needs.gate.result == 'success' && ")
    for leg in LEGS:
        # no word: an output that holds a masked value is dropped, and a key that is too short may be a letter
        assert jobs(MAIA)[leg]["outputs"]["churned"] == "${{ steps.maia.outputs.churned == 'true' && '+' || '' }}"


@pytest.mark.parametrize(("leg", "source"), LEGS.items())
def test_no_matrix_is_made_of_an_empty_list(leg: str, source: str) -> None:
    job = jobs(MAIA)[leg]
    for empty in ("", "[]"):
        assert f"needs.{source}.outputs.shards != '{empty}'" in job["if"]
    # act asks for the matrix of a skipped job too, and gives it the expression of an output that was never made
    assert job["strategy"]["matrix"]["shard"] == (
        f"${{{{ fromJSON(needs.{source}.result == 'success' && needs.{source}.outputs.shards || '[]') }}}}"
    )


@pytest.mark.parametrize("leg", LEGS)
def test_a_red_leg_does_not_stop_the_others(leg: str) -> None:
    assert jobs(MAIA)[leg]["strategy"]["fail-fast"] == "false"


def test_the_verdict_hears_of_every_job() -> None:
    verdict = jobs(MAIA)["verdict"]
    assert set(verdict["needs"]) == set(jobs(MAIA)) - {"verdict"}
    assert verdict["if"] == "${{ !cancelled() && needs.plan.outputs.shards != '[]' }}"
    assert step_of_maia(verdict)["with"]["needs"] == "${{ toJSON(needs) }}"
    assert tuple(LEGS) == pytest.importorskip("action.needs").WAVES


def test_every_job_ends_by_itself() -> None:
    for job in jobs(MAIA).values():
        assert job["timeout-minutes"] == "${{ inputs.timeout-minutes }}"
    inputs = call()["inputs"]
    assert float(inputs["timeout-minutes"]["default"]) > float(inputs["max-minutes"]["default"])


def test_runs_of_one_agent_take_turns_and_none_is_stopped_at_work() -> None:
    concurrency = workflow(MAIA)["concurrency"]
    assert concurrency["cancel-in-progress"] == "false"
    assert "${{ inputs.agent }}" in concurrency["group"]


# ── what it may and what it uses ────────────────────────────────────────────────────────────────────────────────────


def test_it_may_read_the_callers_files_and_nothing_else() -> None:
    assert workflow(MAIA)["permissions"] == {}
    for job in jobs(MAIA).values():
        assert job["permissions"] == {"contents": "read"}


def test_every_checkout_is_conditional_and_leaves_no_token_behind() -> None:
    for name, job in jobs(MAIA).items():
        (checkout,) = (step for step in job["steps"] if step["uses"].startswith("actions/checkout@"))
        assert checkout["with"]["persist-credentials"] == "false"
        assert "inputs.source != ''" in checkout["if"]
        assert ("inputs.queries-file != ''" in checkout["if"]) == (name == "plan")


def test_it_uses_nothing_foreign_but_one_checkout_pinned_by_its_commit() -> None:
    foreign = {what + rest for what, rest in uses(MAIA) if not what.startswith("pleiades/maia@")}
    (checkout,) = foreign
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40} # v\d+\.\d+\.\d+", checkout)
    assert {what for what, _ in uses(MAIA) if what.startswith("pleiades/maia@")} == {"pleiades/maia@v1"}


def test_it_holds_no_shell() -> None:
    for job in jobs(MAIA).values():
        for step in job["steps"]:
            assert "run" not in step


def test_secrets_go_only_where_they_are_needed() -> None:
    database, keys = "DATABASE_URL", "YOUTUBE_API_KEY_POOL_JSON"
    agents = {database, keys, "HF_TOKEN", "NOTIFY_URLS", "PREFECT_API_KEY"}
    expected = {"plan": {database, keys, "MIGRATE_DATABASE_URL", "NOTIFY_URLS"}, "verdict": {database}}
    expected["gate"] = {database, keys, "NOTIFY_URLS"}
    expected |= dict.fromkeys(LEGS, agents)
    given = {name: set(step_of_maia(job)["env"]) for name, job in jobs(MAIA).items()}
    assert given == expected
    for job in jobs(MAIA).values():
        assert "env" not in job
        for name, value in step_of_maia(job)["env"].items():
            only = "inputs.migrate && " if name == "MIGRATE_DATABASE_URL" else ""
            assert value == f"${{{{ {only}secrets.{name}{' || ' + repr('') if only else ''} }}}}"
    assert "env" not in workflow(MAIA)
    assert set(re.findall(r"\bsecrets\.(\w+)", text(MAIA))) == set(call()["secrets"])


def test_every_secret_is_a_setting_or_the_actions_own() -> None:
    assert {name.lower() for name in set(call()["secrets"]) - ACTION_ONLY} <= set(Settings.model_fields)


# ── its inputs, and the action's ────────────────────────────────────────────────────────────────────────────────────


def test_every_input_and_secret_is_described_and_used() -> None:
    for name, given in call()["inputs"].items():
        assert given["description"]
        assert ("default" in given) != (name == "agent")
        assert re.search(rf"inputs\.{name}\b", text(MAIA)), name
    assert all(secret["description"] for secret in call()["secrets"].values())


def test_the_action_has_every_input_and_output_that_is_used() -> None:
    inputs, outputs = action("inputs"), action("outputs")
    for job in jobs(MAIA).values():
        assert set(step_of_maia(job)["with"]) <= set(inputs)
    assert set(re.findall(r"steps\.maia\.outputs\.([\w-]+)", text(MAIA))) <= set(outputs)


def test_every_job_tells_the_action_how_to_run() -> None:
    how = {"settings", "image", "network", "source"}
    for name, job in jobs(MAIA).items():
        given = step_of_maia(job)["with"]
        assert {key: given[key] for key in how} == {key: f"${{{{ inputs.{key} }}}}" for key in how}
        assert ("run" in given) == (name != "plan")
        agent = given["command" if name in LEGS else "agent"]
        assert agent == "${{ inputs.agent }}"
    assert {*AGENTS} == set(re.findall(r"\w+", call()["inputs"]["agent"]["description"])) - {"or"}
