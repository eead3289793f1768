"""What a run's rows tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.plans import RunRow
from maia import hunter, tracker
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.runtime.result_file import RunResult
from maia.workflow.run_report import _MOST_ROWS, _gate, told

BEGAN = datetime(2026, 11, 20, 20, tzinfo=UTC)


def row(shard: str, ended: str | None, **stats: Any) -> RunRow:
    return {
        "wave": 1,
        "shard": shard,
        "started_at": BEGAN,
        "finished_at": BEGAN + timedelta(seconds=12.34) if ended else None,
        "outcome": ended,
        "exit_code": {"ok": 0, "churn": 75}.get(ended or ""),
        "stats": stats if ended else None,
        "error": None,
    }


def test_numbers_are_added_up_and_words_are_not() -> None:
    rows = [
        row("0/3", "ok", searches=3, calls={"search": 3, "units": 2}, outcome="ok", exhausted=["search"]),
        row("1/3", "churn", searches=1, calls={"search": 2}, cycles=1, refused=True),
        row("2/3", None),
    ]
    stats = told("hunter", rows)
    assert stats["totals"] == {"searches": 4, "calls": {"search": 5, "units": 2}, "cycles": 1}
    assert [r["outcome"] for r in stats["rows"]] == ["ok", "churn", None]
    assert stats["rows"][1] == {
        "wave": 1, "shard": "1/3", "outcome": "churn", "exit_code": 75, "seconds": 12.3, "stats": rows[1]["stats"],
    }  # fmt: skip


def test_one_that_was_killed_has_neither_code_nor_end() -> None:
    (killed,) = told("hunter", [row("0/1", None)])["rows"]
    assert killed == {
        "wave": 1, "shard": "0/1", "outcome": None, "exit_code": None, "seconds": None, "stats": {},
    }  # fmt: skip


def test_it_says_what_was_achieved_and_why_not_more() -> None:
    spent = row("0/2", "quota-exhausted", videos_new=3, videos_enriched=2, calls={"search": 1}, reason="it resets soon")
    failed = row("1/2", "failure") | {"error": "1 of 1 searches failed: 503 (1)"}
    stats = told("hunter", [spent, failed])  # type: ignore[list-item]
    assert stats["achieved"] == "3 new videos, 2 snapshots, 1 call (search 1)"
    assert stats["why"] == [
        "1 of 2 shards stopped because the quota is spent (0/2): it resets soon",
        "1 of 2 shards ended with failure: 1 of 1 searches failed: 503 (1) (1/2)",
    ]
    assert [r.get("error") for r in stats["rows"]] == [None, "1 of 1 searches failed: 503 (1)"]


def plan(wave: int, agent: str, shards: int, reason: str) -> RunRow:
    return row("0/1", "ok", agent=agent, wave=wave, shards=shards, outcome="ok", reason=reason) | {"wave": wave}  # type: ignore[return-value]


def test_the_further_plan_of_this_agent_is_the_reason_that_no_shard_went_on() -> None:
    plans = [plan(2, "tracker", 0, "a"), plan(2, "hunter", 0, "nothing is due"), plan(1, "hunter", 2, "b")]
    gate = _gate("hunter", plans)
    assert gate == {"wave": 2, "shards": 0, "outcome": "ok", "reason": "nothing is due"}
    stats = told("hunter", [row("0/1", "churn")], gate)
    assert stats["gate"] == gate
    assert stats["why"] == [
        "1 of 1 shard of wave 1 met YouTube's rate limit (0/1); no further shard was started: nothing is due"
    ]
    assert _gate("hunter", [plan(1, "hunter", 2, "b"), row("0/1", None)]) == {}


def test_no_rows_have_no_totals() -> None:
    assert told("tracker", []) == {"agent": "tracker", "rows": [], "totals": {}}


@pytest.mark.parametrize("agent", [hunter, tracker])
def test_all_shards_of_all_waves_are_told_and_the_action_reads_the_file(agent: Any) -> None:
    needs = pytest.importorskip("action.needs", reason="the action is part of the checkout, not of the wheel")
    from action.inputs import MOST_SHARDS  # noqa: PLC0415
    from action.result import LARGEST, parse  # noqa: PLC0415

    assert len(needs.WAVES) * MOST_SHARDS < _MOST_ROWS
    figures = dict.fromkeys((*agent._COUNTS, "unfinished", "unfinished_failed", "left", "refused"), 10**9)
    calls = dict.fromkeys(("search", "units", "batchGetStats"), 10**9)
    many = [
        row("254/255", "ok", **figures, calls=calls, cycles=10**6, outcome="idle", reason="é" * 300)
        for _ in range(_MOST_ROWS)
    ]
    file = RunResult("verdict", "0/1", Outcome.OK, ExitCode.OK, BEGAN, BEGAN, told(agent.__name__, many)).to_json()
    assert len(file) < LARGEST / 2
    assert len(parse(file, agent="verdict", exit_code=0).stats["rows"]) == _MOST_ROWS
