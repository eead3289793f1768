"""expect.py: what ci.yml asks of a step that used the action."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from maia.runtime.exitcodes import ExitCode, Outcome

from ...support.workflow_files import ACTION, SCRIPTS, load, needs_checkout

pytestmark = needs_checkout

CHURNED = {
    "outcome": "success",
    "conclusion": "success",
    "outputs": {"outcome": "churn", "exit-code": "75", "churned": "true", "stats": '{"calls": 3}'},
}


@pytest.fixture(scope="module")
def expect(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("expect")


def said(expect: ModuleType, step: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return list(expect.complaints(expect.actual(step), expected))


def test_a_step_that_is_as_expected_passes(expect: ModuleType) -> None:
    assert said(expect, CHURNED, {"step": "success", "outcome": "churn", "exit-code": 75, "churned": True}) == []


def test_each_difference_is_said(expect: ModuleType) -> None:
    assert said(expect, CHURNED, {"step": "failure", "exit-code": 0, "churned": "", "run": "1-1"}) == [
        "step is 'success', expected was 'failure'",
        "exit-code is '75', expected was '0'",
        "churned is 'true', expected was ''",
        "run is '', expected was '1-1'",
    ]


def test_an_output_that_is_not_there_is_an_empty_one(expect: ModuleType) -> None:
    assert said(expect, {"outcome": "success", "outputs": {}}, {"step": "success", "churned": "", "stats": None}) == []


@pytest.mark.parametrize("stats", ["[1]", '{"calls": ', "***"])
def test_stats_have_to_be_an_object(expect: ModuleType, stats: str) -> None:
    step = {"outcome": "success", "outputs": {"stats": stats}}
    assert said(expect, step, {"step": "success"}) == [f"stats is no JSON object: {stats}"]


def test_a_difference_fails_the_step(
    expect: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEP", json.dumps(CHURNED))
    monkeypatch.setenv("EXPECTED", '{"step": "success"}')
    expect.main()
    monkeypatch.setenv("EXPECTED", '{"step": "failure"}')
    with pytest.raises(SystemExit, match="1"):
        expect.main()
    assert "::error title=Not as expected::step is 'success', expected was 'failure'" in capsys.readouterr().out


# ── the self-tests of ci.yml, held against the action and the exit codes ────────────────────────────────────────────


def self_tests() -> dict[str, Any]:
    job: dict[str, Any] = load(SCRIPTS.parent / "workflows" / "ci.yml")["jobs"]["action"]
    return job


def test_each_behaviour_has_a_job() -> None:
    behaviours = {leg["behaviour"] for leg in self_tests()["strategy"]["matrix"]["include"]}
    assert {"ok", "churn", "failure", "config", "cancelled"} <= behaviours


def test_what_they_expect_is_what_the_exit_codes_say() -> None:
    for leg in self_tests()["strategy"]["matrix"]["include"]:
        expected = leg["expected"]
        outcome = Outcome(expected["outcome"])
        # a runner cancels with SIGINT, where docker and Kubernetes send SIGTERM
        assert expected["exit-code"] == (ExitCode.SIGINT if outcome is Outcome.CANCELLED else outcome.exit_code)
        assert (expected["churned"] is True) == (expected["outcome"] == "churn")
        passes = expected["exit-code"] == 0 or (expected["outcome"] == "churn" and "fail-on" not in leg)
        assert (expected["step"] == "success") == passes


def test_they_use_the_action_as_it_is() -> None:
    if not ACTION.exists():
        pytest.skip("there is no action.yml")
    action = load(ACTION)
    used = [step for step in self_tests()["steps"] if step.get("uses") == "./"]
    assert len(used) == 2
    for step in used:
        assert set(step["with"]) <= set(action["inputs"])
    for leg in self_tests()["strategy"]["matrix"]["include"]:
        assert set(leg["expected"]) - {"step"} <= set(action["outputs"])
