"""`command: janitor`: its container, its inputs, and what its summary shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from ...support.action_step import DSN, FakeDocker, Step, ran, result

STATS = {
    "snapshots_deleted": 123_456,
    "videos_deleted": 40,
    "videos_blanked": 0,
    "records_expired": 38,
    "failed": 0,
}
DRY = "a dry run: nothing was deleted; it would delete 123,456 snapshots, 40 videos"


def left(outcome: str = "ok", code: int = 0, **more: Any) -> dict[str, Any]:
    """The result file of a run of the Janitor."""
    stats = {**STATS, "outcome": outcome, **more.pop("stats", {})}
    return result("janitor", outcome, code, stats=stats, **more)


def test_it_goes_over_everything_once_and_needs_no_key(step: Step, docker: FakeDocker) -> None:
    del step.env["YOUTUBE_API_KEY_POOL_JSON"]
    docker.plays(run=[ran(result=left())])
    done = step.here(command="janitor", batch_size="100", max_minutes="5", cycles="1")
    assert done.code == 0
    (run,) = docker.of("run")
    assert " ".join(run["arguments"]).endswith(
        " maia:test python -m maia janitor --shard 0/1 --batch-size 100 --max-minutes 5"
        " --result-file /run/maia/result.json"
    )
    assert run["env"] == {"DATABASE_URL": DSN, "MAIA_RUN_ID": "4711-2", "MAIA_WAVE": "1"}
    assert docker.left == []


def test_its_summary_shows_what_went(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=left())])
    done = step.here(command="janitor")
    assert done.summary.startswith("### Maia janitor 0/1: ok\n")
    assert "| snapshots deleted | 123,456 |\n" in done.summary
    assert "| videos deleted | 40 |\n" in done.summary
    assert "| records expired | 38 |\n" in done.summary
    assert "dry run" not in done.summary
    assert "The vault is off" not in done.summary, "it archives nothing"
    assert done.outputs["outcome"] == "ok"
    assert json.loads(done.outputs["stats"])["videos_deleted"] == 40


def test_a_dry_run_is_asked_for_and_said(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=left(stats={"reason": DRY, "dry_run": True}))])
    done = step.here(command="janitor", dry_run="true")
    assert docker.of("run")[0]["arguments"][-1] == "--dry-run"
    assert f"```text\n{DRY}\n```\n" in done.summary
    assert done.summary.startswith("### Maia janitor 0/1: ok, a dry run\n")
    for row in ("snapshots to delete | 123,456", "videos to delete | 40", "videos to clear | 0"):
        assert f"| {row} |\n" in done.summary
    assert done.annotations("notice") == [f"Maia: dry run: janitor 0/1: {DRY}"]
    said = done.summary + "".join(done.annotations("notice"))
    assert "deleted" not in said.replace("nothing was deleted", "")


def test_a_run_that_deletes_has_no_notice(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=left())])
    assert step.here(command="janitor").annotations("notice") == []


def test_what_needs_yes_is_red_says_so_and_is_confirmed_by_an_input(step: Step, docker: FakeDocker) -> None:
    said = "nothing was deleted: this run would delete 5,000 of 6,000 rows of videos (83%, bound 20%)."
    docker.plays(run=[ran(2, result=left("failure", 2, error=said)), ran(result=left())])
    done = step.here(command="janitor")
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (2, "failure", "2")
    (error,) = done.annotations("error")
    assert said in error
    assert "--yes" not in docker.of("run")[0]["arguments"]
    assert step.here(command="janitor", yes="true").code == 0
    assert docker.of("run")[1]["arguments"][-1] == "--yes"


@pytest.mark.parametrize("value", ["", "false"])
def test_no_dry_run_is_asked_for_without_a_word(step: Step, docker: FakeDocker, value: str) -> None:
    docker.plays(run=[ran(result=left())])
    assert step.here(command="janitor", dry_run=value).code == 0
    assert "--dry-run" not in docker.of("run")[0]["arguments"]


def test_what_could_not_be_deleted_makes_it_red_and_is_said(step: Step, docker: FakeDocker) -> None:
    said = "archive: the archive cannot be read"
    docker.plays(run=[ran(1, result=left("failure", 1, error=said, stats={"failed": 1}))])
    done = step.here(command="janitor")
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (1, "failure", "1")
    (error,) = done.annotations("error")
    assert error.startswith("Maia: failure (1): janitor 0/1: ")
    assert said in error
    assert "| videos deleted | 40 |\n" in done.summary, "the rest was deleted"


def test_another_agents_result_is_not_taken_for_its_own(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=result("hunter"))])
    done = step.here(command="janitor")
    assert json.loads(done.outputs["stats"]) == {}
    assert any("another agent's" in text for text in done.annotations("warning"))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"command": "janitor", "cycles": "2"}, "the janitor goes over everything once"),
        ({"command": "janitor", "dry_run": "perhaps"}, "`dry-run` is 'perhaps'; it must be `true` or `false`"),
        ({"command": "hunter", "dry_run": "true"}, "The input `dry-run` is the janitor's: hunter has none."),
        ({"command": "tracker", "yes": "true"}, "The input `yes` is the janitor's: tracker has none."),
        ({"command": "plan", "agent": "janitor"}, "`agent` is 'janitor'; it must be `hunter` or `tracker`"),
    ],
)
def test_inputs_that_do_not_go_together_end_the_step_with_2(
    step: Step, docker: FakeDocker, inputs: dict[str, str], said: str
) -> None:
    done = step.here(**inputs)
    assert done.code == 2
    assert said in done.annotations("error")[0]
    assert docker.calls == []
