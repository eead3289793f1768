"""The gate of ci.yml: the one check that a branch has to have."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ...support.workflow_files import SCRIPTS, WORKFLOWS, load, needs_checkout

pytestmark = needs_checkout

CI = SCRIPTS.parent / "workflows" / "ci.yml"
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


def test_the_gate_of_ci_needs_every_other_job_whatever_their_results() -> None:
    jobs = load(CI)["jobs"]
    assert set(jobs["gate"]["needs"]) == set(jobs) - {"gate"}
    assert jobs["gate"]["if"] == "always()"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_jobs_are_those_that_a_yaml_reader_finds(gate: ModuleType, path: Path) -> None:
    assert list(gate.jobs(path.read_text(encoding="utf-8"))) == list(load(path)["jobs"])


def test_jobs_are_read_past_quotes_and_comments(gate: ModuleType) -> None:
    assert list(gate.jobs(WORKFLOW)) == ["lint", "tests", "gate"]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"lint": "success", "tests": "success"}, []),
        ({"lint": "success", "tests": "failure"}, ["tests: failure"]),
        ({"lint": "cancelled", "tests": "skipped"}, ["lint: cancelled", "tests: skipped"]),
        ({"lint": "success"}, ["the gate does not need the job 'tests'"]),
    ],
)
def test_it_opens_only_when_every_job_succeeded(gate: ModuleType, results: dict[str, str], said: list[str]) -> None:
    assert list(gate.complaints({"lint", "tests", "gate"}, "gate", results)) == said


def test_it_has_to_be_a_job_of_the_workflow_that_it_reads(gate: ModuleType) -> None:
    said = list(gate.complaints({"lint"}, "gate", {"lint": "success"}))
    assert said == ["the workflow has no job 'gate'"]


@pytest.mark.parametrize(("result", "opens"), [("success", True), ("failure", False)])
def test_it_reads_the_results_as_github_gives_them(
    gate: ModuleType,
    result: str,
    opens: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs = set(load(CI)["jobs"]) - {"gate"}
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
        assert capsys.readouterr().out == "::error title=The gate stays shut::e2e: failure\n"
