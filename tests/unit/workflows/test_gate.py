"""gate.py: the one check that a branch has to have; expect.py: what ci.yml asks of a step that used the action."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from maia.runtime.exitcodes import ExitCode, Outcome

from ...support.workflow_files import ACTION, SCRIPTS, WORKFLOWS, load, needs_checkout

pytestmark = needs_checkout

CI = SCRIPTS.parent / "workflows" / "ci.yml"
JOBS: dict[str, Any] = load(CI)["jobs"] if CI.exists() else {}
WORKFLOW = """\
# jobs:
on:
  push:
jobs: # of this workflow
  lint:
    steps:
      - run: x
  "tests":
    if: always()
# a comment in between
  gate:
    needs: [lint, tests]
"""


@pytest.fixture(scope="module")
def gate(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("gate")


@pytest.fixture(scope="module")
def expect(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("expect")


def test_the_gate_of_ci_needs_every_other_job_whatever_their_results() -> None:
    assert set(JOBS["gate"]["needs"]) == set(JOBS) - {"gate"}
    assert JOBS["gate"]["if"] == "always()"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_jobs_are_those_that_a_yaml_reader_finds(gate: ModuleType, path: Path) -> None:
    assert list(gate.jobs(path.read_text(encoding="utf-8"))) == list(load(path)["jobs"])
    assert list(gate.jobs(WORKFLOW)) == ["lint", "tests", "gate"]


@pytest.mark.parametrize(
    ("ids", "results", "found"),
    [
        ({"lint", "tests", "gate"}, {"lint": "success", "tests": "success"}, []),
        ({"lint", "tests", "gate"}, {"lint": "success", "tests": "failure"}, ["tests: failure"]),
        ({"lint", "tests", "gate"}, {"lint": "cancelled", "tests": "skipped"}, ["lint: cancelled", "tests: skipped"]),
        ({"lint", "tests", "gate"}, {"lint": "success"}, ["the gate does not need the job 'tests'"]),
        ({"lint"}, {"lint": "success"}, ["the workflow has no job 'gate'"]),
    ],
)
def test_it_opens_only_when_every_job_succeeded(
    gate: ModuleType, ids: set[str], results: dict[str, str], found: list[str]
) -> None:
    assert list(gate.complaints(ids, "gate", results)) == found


@pytest.mark.parametrize(("result", "opens"), [("success", True), ("failure", False)])
def test_it_reads_the_results_as_github_gives_them(
    gate: ModuleType, result: str, opens: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = set(JOBS) - {"gate"}
    needs = {job: {"result": "success", "outputs": {}} for job in jobs} | {"e2e": {"result": result, "outputs": {}}}
    monkeypatch.setenv("NEEDS", json.dumps(needs))
    monkeypatch.setenv("GITHUB_JOB", "gate")
    monkeypatch.setattr("sys.argv", ["gate.py", str(CI)])
    if opens:
        gate.main()
        assert capsys.readouterr().out == f"All {len(jobs)} jobs succeeded.\n"
    else:
        with pytest.raises(SystemExit, match="1"):
            gate.main()
        assert capsys.readouterr().out == "::error title=The gate fails::e2e: failure\n"


OUTPUTS = {"outcome": "churn", "exit-code": "75", "churned": "true", "stats": '{"calls": 3}'}
CHURNED = {"outcome": "success", "conclusion": "success", "outputs": OUTPUTS}


@pytest.mark.parametrize(
    ("step", "expected", "found"),
    [
        (CHURNED, {"step": "success", "outcome": "churn", "exit-code": 75, "churned": True}, []),
        (CHURNED, {"step": "failure", "exit-code": 0, "churned": "", "run": "1-1"},
         ["step is 'success', expected was 'failure'", "exit-code is '75', expected was '0'",
          "churned is 'true', expected was ''", "run is '', expected was '1-1'"]),
        ({"outcome": "success", "outputs": {}}, {"step": "success", "churned": "", "stats": None}, []),
        *(({"outcome": "success", "outputs": {"stats": stats}}, {"step": "success"},
           [f"stats is no JSON object: {stats}"]) for stats in ("[1]", '{"calls": ', "***")),
    ],
)  # fmt: skip
def test_each_difference_of_a_step_is_named(
    expect: ModuleType, step: dict[str, Any], expected: dict[str, Any], found: list[str]
) -> None:
    assert list(expect.complaints(expect.actual(step), expected)) == found


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


def test_the_self_tests_of_ci_agree_with_the_action_and_the_exit_codes() -> None:
    legs = JOBS["action"]["strategy"]["matrix"]["include"]
    assert {"ok", "churn", "failure", "config", "cancelled"} <= {leg["behaviour"] for leg in legs}
    for leg in legs:
        expected = leg["expected"]
        outcome = Outcome(expected["outcome"])
        # a runner cancels with SIGINT, where docker and Kubernetes send SIGTERM
        assert expected["exit-code"] == (ExitCode.SIGINT if outcome is Outcome.CANCELLED else outcome.exit_code)
        assert (expected["churned"] is True) == (expected["outcome"] == "churn")
        passes = expected["exit-code"] == 0 or (expected["outcome"] == "churn" and "fail-on" not in leg)
        assert (expected["step"] == "success") == passes
    if not ACTION.exists():
        pytest.skip("there is no action.yml")
    action = load(ACTION)
    used = [step for step in JOBS["action"]["steps"] if step.get("uses") == "./"]
    assert len(used) == 2
    assert all(set(step["with"]) <= set(action["inputs"]) for step in used)
    assert all(set(leg["expected"]) - {"step"} <= set(action["outputs"]) for leg in legs)
