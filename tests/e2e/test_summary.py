"""The summaries of a run, as act logs them: with the workflow and the action as they are, and a play for the container.

No engine is needed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ..support.act import FOREIGN, Acted, Repository
from ..support.action_step import FakeDocker, ran, result
from ..support.documents import CHECKOUT
from ..support.mermaid import charts

pytestmark = pytest.mark.e2e

RISERS = [
    {
        "video_id": "dQw4w9WgXcQ", "title": f"@team | ``` <b> ::error::x {place}", "channel": "a\n## b",
        "kind": "short", "views": 1_000 * place, "views_per_hour": 900.0 / place, "times_usual": 4.5,
        "breaking_out": place == 1, "sparkline": "▁▄█",
    }
    for place in (1, 2, 3)
]  # fmt: skip
REPORT: dict[str, Any] = {
    "agent": "tracker",
    "rows": [{"wave": 1, "shard": "0/1", "outcome": "ok", "exit_code": 0, "seconds": 61.0, "stats": {"updated": 3}}],
    "totals": {"updated": 3},
    "cost": {"minutes": 4, "jobs": 3, "unended": 0},
    "quota": {"spent": {"units": 1}, "left": {"units": 9}, "resets_at": "2026-11-21T08:00:00Z"},
    "growth": {"since": "2026-11-21T07:00:00Z", "risers": RISERS},
    "movers": {"moved": [{"video_id": "dQw4w9WgXcQ", "title": "t", "before": 12, "after": 1}]},
    "freshness": {"zones": [{"zone": 1, "tracked": 3, "late": 0, "kept": 1.0, "promise_hours": 1.5}]},
}


def summaries(output: str) -> list[str]:
    """What each job wrote into its summary: act logs it after the step, and after the steps within it."""
    found = re.findall(r"^\[[^\]]+\] +\N{GEAR}\ufe0f? +Summary - (.*?)(?=^\[)", output, re.MULTILINE | re.DOTALL)
    return list(dict.fromkeys(map(str, found)))


@pytest.fixture
def tubes(act: None, tmp_path: Path) -> Repository:
    """A repository with the copied workflows, beside Maia's own files."""
    export, workflows = tmp_path / "maia/.act/maia", tmp_path / "tubes/.github/workflows"
    for name in ("action", "maia", ".github/workflows/maia.yml", "action.yml"):
        source, target = CHECKOUT / name, export / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    workflows.mkdir(parents=True)
    for name in ("tracker.yml", "watch.yml"):
        shutil.copy2(CHECKOUT / ".github/workflows" / name, workflows)
    repository = Repository.make(tmp_path / "tubes", tmp_path / "home", "someone/tubes")
    repository.write(".secrets", {"DATABASE_URL": "postgresql://maia@127.0.0.1/maia"})
    repository.write(".vars", {"MAIA_IMAGE": "maia:test", "MAIA_STALE_ISSUE": "true"})
    return repository


@pytest.fixture
def docker(tmp_path: Path) -> FakeDocker:
    return FakeDocker(tmp_path)


def played(tubes: Repository, docker: FakeDocker, workflow: str) -> Acted:
    path = f"{docker.bin}:{tubes.environment()['PATH']}"
    return tubes.act(FOREIGN.replace("hunter.yml", workflow), PATH=path, FAKE_DOCKER=str(docker.folder))


def test_the_verdicts_summary_has_the_report_and_its_charts(tubes: Repository, docker: FakeDocker) -> None:
    plan = ran(result=result("plan", stats={"agent": "tracker", "shards": 1}))
    shard = ran(result=result("tracker", stats={"updated": 3}))
    gate = ran(result=result("plan", stats={"agent": "tracker", "shards": 0}))
    docker.plays(run=[plan, shard, gate, ran(result=result("verdict", stats=REPORT))])
    acted = played(tubes, docker, "tracker.yml")
    assert acted.jobs == {"Plan": 1, "Shard": 1, "Gate": 1, "Verdict": 1}
    assert acted.green, acted.output
    *others, verdict = summaries(acted.output)
    assert verdict.startswith("### Maia tracker, all shards: ok")
    assert [chart.values for chart in charts(verdict)] == [[900, 450, 300], [100]]
    headings = re.findall(r"^#### (.*)$", verdict, re.MULTILINE)
    assert headings == [
        "Fastest risers", "Moved among the ten fastest since the run before", "Freshness by zone",
        "Quota of the Pacific day", "Cost",
    ]  # fmt: skip
    assert "## b" not in verdict.splitlines()
    assert len(others) == 3
    assert all(len(text) < 2_000 for text in others), "only the verdict is long"


def test_the_stale_check_is_red_under_act_and_writes_to_no_repository(tubes: Repository, docker: FakeDocker) -> None:
    docker.plays(run=[ran(1, output="stale-zone: Zone 1 is stale\n"), ran(0)])
    stale = played(tubes, docker, "watch.yml")
    assert not stale.green
    (summary,) = summaries(stale.output)
    assert summary.startswith("### Maia check: failure\n\n```text\nstale-zone: Zone 1 is stale\n```\n")
    (run,) = docker.of("run")
    assert run["arguments"][-3:] == ["maia", "status", "--check"]
    well = played(tubes, docker, "watch.yml")
    assert well.green, well.output
    tubes.write(".vars", {"MAIA_IMAGE": "maia:test"})
    off = played(tubes, docker, "watch.yml")
    assert off.green
    assert len(docker.of("run")) == 2, "off until the variable is set"
