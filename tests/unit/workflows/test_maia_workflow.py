"""maia.yml: what every run has in common, whatever its jobs do."""

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


def given(job: str) -> dict[str, str]:
    """The inputs that a job gives the action."""
    found: dict[str, str] = step_of_maia(jobs(MAIA)[job])["with"]
    return found


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
    verdict = jobs(MAIA)["verdict"]
    assert verdict["if"] == "${{ !cancelled() && needs.plan.outputs.shards != '[]' }}"
    assert given("verdict")["needs"] == "${{ toJSON(needs) }}"
    assert tuple(LEGS) == pytest.importorskip("action.needs").WAVES


def test_a_further_wave_does_what_the_first_one_does_and_the_gate_plans_with_what_the_plan_has() -> None:
    first, second = jobs(MAIA)["shards"], jobs(MAIA)["wave-2"]
    own = {"name", "needs", "if", "strategy"}
    common = [{key: value for key, value in job.items() if key not in own} for job in (first, second)]
    assert common[0] == common[1]
    assert given("shards")["wave"] == "${{ matrix.wave }}"
    assert [job["strategy"]["matrix"]["wave"] for job in (first, second)] == [["1"], ["2"]]
    # the gate's count of what is due must be that of a first wave: the same batch, the same most shards
    plan, gate = given("plan"), given("gate")
    first_wave_only = ("queries", "queries-file", "migrate", "auto-migrate", "resume-keys")
    assert {**plan, "wave": "2", "run": gate["run"]} == {**gate, **{name: plan[name] for name in first_wave_only}}


def test_the_wave_goes_on_with_what_churned_also_beside_a_failed_leg_but_not_when_cancelled() -> None:
    assert jobs(MAIA)["gate"]["if"].startswith("${{ !cancelled() && (needs.shards.outputs.churned == '+' || ")
    assert jobs(MAIA)["wave-2"]["if"].startswith("${{ !cancelled() && needs.gate.result == 'success' && ")
    for leg, source in LEGS.items():
        job = jobs(MAIA)[leg]
        # no word: an output that holds a masked value is dropped, and a key that is too short may be a letter
        assert job["outputs"]["churned"] == "${{ steps.maia.outputs.churned == 'true' && '+' || '' }}"
        assert job["strategy"]["fail-fast"] == "false", "a red leg does not stop the others"
        for empty in ("", "[]"):
            assert f"needs.{source}.outputs.shards != '{empty}'" in job["if"]
        # act asks for the matrix of a skipped job too, and gives it the expression of an output that was never made
        shards = f"needs.{source}.result == 'success' && needs.{source}.outputs.shards || '[]'"
        assert job["strategy"]["matrix"]["shard"] == f"${{{{ fromJSON({shards}) }}}}"


def test_every_job_ends_by_itself_and_runs_of_one_agent_take_turns() -> None:
    assert {job["timeout-minutes"] for job in jobs(MAIA).values()} == {"${{ inputs.timeout-minutes }}"}
    inputs = call()["inputs"]
    assert float(inputs["timeout-minutes"]["default"]) > float(inputs["max-minutes"]["default"])
    concurrency = workflow(MAIA)["concurrency"]
    assert concurrency["cancel-in-progress"] == "false", "none is stopped at work"
    assert "${{ inputs.agent }}" in concurrency["group"]


def test_it_may_read_the_callers_files_and_nothing_else_and_holds_no_shell() -> None:
    assert workflow(MAIA)["permissions"] == {}
    for name, job in jobs(MAIA).items():
        assert job["permissions"] == {"contents": "read"}
        assert not any("run" in step for step in job["steps"])
        (checkout,) = (step for step in job["steps"] if step["uses"].startswith("actions/checkout@"))
        assert checkout["with"]["persist-credentials"] == "false"
        assert "inputs.source != ''" in checkout["if"]
        assert ("inputs.queries-file != ''" in checkout["if"]) == (name == "plan")
    (checkout,) = {what + rest for what, rest in uses(MAIA) if not what.startswith("pleiades/maia@")}
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40} # v\d+\.\d+\.\d+", checkout)
    assert {what for what, _ in uses(MAIA) if what.startswith("pleiades/maia@")} == {"pleiades/maia@v1"}


def test_secrets_go_only_where_they_are_needed() -> None:
    database, keys = "DATABASE_URL", "YOUTUBE_API_KEY_POOL_JSON"
    gate = {database, keys, "NOTIFY_URLS"}
    agents = {*gate, "HEARTBEAT_URL", "HF_TOKEN", "METRICS_PUSH_URL", "PREFECT_API_KEY"}
    expected = {"plan": gate | {"MIGRATE_DATABASE_URL"}, "gate": gate, "verdict": {database}}
    expected |= dict.fromkeys(LEGS, agents)
    assert {name: set(step_of_maia(job)["env"]) for name, job in jobs(MAIA).items()} == expected
    for job in jobs(MAIA).values():
        assert "env" not in job
        for name, value in step_of_maia(job)["env"].items():
            only = "inputs.migrate && " if name == "MIGRATE_DATABASE_URL" else ""
            assert value == f"${{{{ {only}secrets.{name}{' || ' + repr('') if only else ''} }}}}"
    assert "env" not in workflow(MAIA)
    assert set(re.findall(r"\bsecrets\.(\w+)", text(MAIA))) == set(call()["secrets"])
    assert {name.lower() for name in set(call()["secrets"]) - ACTION_ONLY} <= set(Settings.model_fields)


def test_every_input_is_described_used_and_handed_to_the_action() -> None:
    for name, one in call()["inputs"].items():
        assert one["description"]
        assert ("default" in one) != (name == "agent")
        assert re.search(rf"inputs\.{name}\b", text(MAIA)), name
    assert all(secret["description"] for secret in call()["secrets"].values())
    for name in jobs(MAIA):
        for key in ("settings", "image", "network", "source"):
            assert given(name)[key] == f"${{{{ inputs.{key} }}}}"
        assert ("run" in given(name)) == (name != "plan")
        assert given(name)["command" if name in LEGS else "agent"] == "${{ inputs.agent }}"
    assert {*AGENTS} == set(re.findall(r"\w+", call()["inputs"]["agent"]["description"])) - {"or"}


def test_the_action_has_every_input_and_output_that_is_used() -> None:
    path = CHECKOUT / "action.yml"
    if not path.exists():
        pytest.skip("there is no action.yml beside these tests")
    action = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    for job in jobs(MAIA):
        assert set(given(job)) <= set(action["inputs"])
    assert set(re.findall(r"steps\.maia\.outputs\.([\w-]+)", text(MAIA))) <= set(action["outputs"])
