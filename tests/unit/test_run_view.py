"""How runs are shown on a Prefect server: names, tags, messages."""

from __future__ import annotations

from typing import Any

import pytest

from atlas.config import settings
from maia.prefect.artifact import artifact_key, artifact_text
from maia.prefect.run_view import RunView, state_message
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.runtime.run_end import RunEnd


@pytest.mark.parametrize(
    ("view", "name", "tags"),
    [
        (RunView("hunter", "2/4"), "hunter 2/4", ["agent:hunter", "shard:2/4"]),
        (
            RunView("hunter", "2/4", "1234.1", 1),
            "hunter 2/4 of run 1234.1",
            ["agent:hunter", "shard:2/4", "wave:1", "run:1234.1"],
        ),
        (
            RunView("tracker", "0/1", "{odd}", cycle=3),
            "tracker 0/1 of run {odd}, cycle 3",
            ["agent:tracker", "shard:0/1", "run:{odd}"],
        ),
    ],
)
def test_a_run_is_called_by_agent_shard_and_run(view: RunView, name: str, tags: list[str]) -> None:
    assert (view.name, view.tags) == (name, tags)


def test_the_run_and_the_wave_are_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIA_RUN_ID", "1234.1")
    monkeypatch.setenv("MAIA_WAVE", "2")
    settings.reload()
    assert RunView.of("hunter", "0/4") == RunView("hunter", "0/4", "1234.1", 2)


HUNTER = {"topics": 4, "videos_new": 120, "videos_enriched": 118, "released": 3}


@pytest.mark.parametrize(
    ("outcome", "reason", "stats", "message"),
    [
        (
            Outcome.CHURN,
            "HTTP 429 rateLimitExceeded: too fast.",
            HUNTER,
            "Churn: HTTP 429 rateLimitExceeded: too fast; 120 videos and 118 snapshots stored, 3 claims released",
        ),
        (
            Outcome.QUOTA_EXHAUSTED,
            "search is spent until midnight",
            {"videos_new": 1, "videos_enriched": 1, "released": 1},
            "Quota exhausted: search is spent until midnight; 1 video and 1 snapshot stored, 1 claim released",
        ),
        (Outcome.OK, None, {"updated": 1200, "released": 0}, "Ok; 1,200 snapshots stored, 0 claims released"),
        (Outcome.OK, None, {"updated": 7}, "Ok; 7 snapshots stored"),
        (Outcome.OK, None, {"rows_deleted": 5_000, "failed": 0}, "Ok; rows_deleted 5,000"),
        (
            Outcome.OK,
            "a dry run: nothing was deleted; it would delete 5,000 videos",
            {"videos_deleted": 5_000, "dry_run": True},
            "Ok: a dry run: nothing was deleted; it would delete 5,000 videos",
        ),
        (Outcome.CONFIG, "Empty KeyRing: no keys", {}, "Config: Empty KeyRing: no keys"),
        (Outcome.UNAVAILABLE, "no\nanswer", {}, "Unavailable: no answer"),
    ],
)
def test_the_message_says_how_it_ended_why_and_what_was_stored(
    outcome: Outcome, reason: str | None, stats: dict[str, Any], message: str
) -> None:
    assert state_message(outcome, reason, stats) == message


def test_an_artifact_shows_figures_and_the_way_to_the_workflow_run() -> None:
    view = RunView("hunter", "2/4", "1234.1", url="https://github.com/o/r/actions/runs/1234")
    stats = {"topics": 2, "videos_new": 1234, "failed": 0, "calls": {"search": 2}, "outcome": "ok"}
    assert artifact_text(view.name, RunEnd(Outcome.OK, ExitCode.OK, None), stats, view) == (
        "# hunter 2/4 of run 1234.1\n\nOutcome: **ok**, exit code 0\n\n"
        "| figure | number |\n|---|---:|\n| topics | 2 |\n"
        "| videos new | 1,234 |\n| calls, search | 2 |\n\n"
        "[Workflow run 1234.1](https://github.com/o/r/actions/runs/1234)\n"
    )
    assert artifact_key("run_hunter_cycle") == "maia-run-hunter-cycle"


@pytest.mark.parametrize("text", ["`x` <img src=x>", "[a](http://b)\n# c", "a|b\n---|---", "\u202eabc", "*b* &lt;"])
def test_no_foreign_text_is_markup_in_an_artifact(text: str) -> None:
    view = RunView("hunter", "0/1", text, url="https://host/a) <b>`c`\n[d](http://e)")
    plain = artifact_text(text, RunEnd(Outcome.FAILURE, ExitCode.FAILURE, text), {}, view)
    lines = plain.splitlines()
    head, error, link = lines[0], lines[4], lines[6]
    assert len(lines) == 7
    assert not set("`*_[]<>|") & set(head.removeprefix("# "))
    assert error.startswith("`")
    assert error.endswith("`")
    assert error.count("`") == 2
    assert link.count("](") == link.count(")") == 1
    assert not set("<>` ") & set(link.partition("](")[2])
    assert "\u202e" not in plain
