"""`command: janitor`: its container, its inputs, and what its summary shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ...support.action_step import DSN, FakeDocker, Step, ran, result

STATS = {"snapshots_deleted": 123_456, "videos_deleted": 40, "videos_blanked": 0, "records_expired": 38, "failed": 0}
DRY = "a dry run: nothing was deleted; it would delete 123,456 snapshots, 40 videos"


def left(outcome: str = "ok", code: int = 0, **more: Any) -> dict[str, Any]:
    """A container of the Janitor."""
    stats = {**STATS, "outcome": outcome, **more.pop("stats", {})}
    return ran(code, result=result("janitor", outcome, code, stats=stats, **more))


def test_it_goes_over_everything_once_without_a_key_and_shows_what_went(step: Step, docker: FakeDocker) -> None:
    del step.env["YOUTUBE_API_KEY_POOL_JSON"]
    docker.plays(run=[left()])
    done = step.here(command="janitor", batch_size="100", max_minutes="5", cycles="1")
    assert done.code == 0
    (run,) = docker.of("run")
    options = "--shard 0/1 --batch-size 100 --max-minutes 5 --result-file /run/maia/result.json"
    assert " ".join(run["arguments"]).endswith(f" maia:test python -m maia janitor {options}")
    assert run["env"] == {"DATABASE_URL": DSN, "MAIA_RUN_ID": "4711-2", "MAIA_WAVE": "1"}
    assert done.summary.startswith("### Maia janitor 0/1: ok\n")
    for row in ("snapshots deleted | 123,456", "videos deleted | 40", "records expired | 38"):
        assert f"| {row} |\n" in done.summary
    assert "dry run" not in done.summary
    assert "The vault is off" not in done.summary, "it archives nothing"
    assert done.annotations("notice") == []
    assert done.outputs["outcome"] == "ok"
    assert json.loads(done.outputs["stats"])["videos_deleted"] == 40


def test_a_dry_run_is_asked_for_and_named(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[left(stats={"reason": DRY, "dry_run": True})])
    done = step.here(command="janitor", dry_run="true")
    assert docker.of("run")[0]["arguments"][-1] == "--dry-run"
    assert f"```text\n{DRY}\n```\n" in done.summary
    assert done.summary.startswith("### Maia janitor 0/1: ok, a dry run\n")
    for row in ("snapshots to delete | 123,456", "videos to delete | 40", "videos to clear | 0"):
        assert f"| {row} |\n" in done.summary
    assert done.annotations("notice") == [f"Maia: dry run: janitor 0/1: {DRY}"]
    shown = done.summary + "".join(done.annotations("notice"))
    assert "deleted" not in shown.replace("nothing was deleted", "")
    assert step.here(command="janitor", dry_run="false").code == 0
    assert "--dry-run" not in docker.of("run")[1]["arguments"]


@pytest.mark.parametrize(
    ("code", "message", "stats"),
    [
        (2, "nothing was deleted: this run would delete 5,000 of 6,000 rows of videos (83%, bound 20%).", {}),
        (1, "archive: the archive cannot be read", {"failed": 1}),
    ],
)
def test_what_was_not_deleted_makes_it_red_and_yes_is_an_input(
    step: Step, docker: FakeDocker, code: int, message: str, stats: dict[str, int]
) -> None:
    docker.plays(run=[left("failure", code, error=message, stats=stats), left()])
    done = step.here(command="janitor")
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (code, "failure", str(code))
    (error,) = done.annotations("error")
    assert f"({code}): janitor 0/1: " in error
    assert message in error
    assert "| videos deleted | 40 |\n" in done.summary, "the rest was deleted"
    assert "--yes" not in docker.of("run")[0]["arguments"]
    assert step.here(command="janitor", yes="true").code == 0
    assert docker.of("run")[1]["arguments"][-1] == "--yes"


def test_another_agents_result_is_not_taken_for_its_own(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=result("hunter"))])
    done = step.here(command="janitor")
    assert json.loads(done.outputs["stats"]) == {}
    assert any("another agent's" in text for text in done.annotations("warning"))
