"""The report of a workflow run: what was achieved, and why not more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.plans import RunRow
from maia import hunter, tracker
from maia.commands.verdict import _MOST_ROWS, _gate
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.runtime.result_file import RunResult
from maia.workflow.run_report import achieved, outcome_of_run, run_report, why_not_more

RESETS = "every key of the ring 'hunting' has spent the day's 'search' quota; it resets at 2026-11-21T08:00:00Z"
LIMIT = "HUNTER_MAX_SEARCHES_PER_RUN is reached"


def row(shard: str, outcome: str | None, *, wave: int = 1, error: str | None = None, **stats: Any) -> dict[str, Any]:
    return {"wave": wave, "shard": shard, "outcome": outcome, "stats": stats, **({"error": error} if error else {})}


@pytest.mark.parametrize(
    ("rows", "outcome", "lines"),
    [
        ([], None, []),
        ([row("0/2", "ok"), row("1/2", "ok")], "ok", []),
        (
            [row("0/2", "quota-exhausted", reason=f"{RESETS} (in 5.6 h)"),
             row("1/2", "quota-exhausted", reason=f"{RESETS} (in 5.5 h)")],
            "quota-exhausted",
            [f"2 of 2 shards stopped because the quota is spent (0/2, 1/2): {RESETS} (in 5.5 h)"],
        ),
        (
            [row("0/2", "ok"), row("1/2", "quota-exhausted", reason=RESETS)],
            "quota-exhausted",
            [f"1 of 2 shards stopped because the quota is spent (1/2): {RESETS}"],
        ),
        (
            [row("0/2", "ok"), row("1/2", "churn", error="too fast")],
            "churn",
            ["1 of 2 shards of wave 1 met YouTube's rate limit (1/2); their work is left to the next run"],
        ),
        (
            [row("0/2", "churn"), row("1/2", "churn"), row("0/1", "ok", wave=2)],
            "ok",
            ["2 of 2 shards of wave 1 met YouTube's rate limit (0/2, 1/2); wave 2 went on"],
        ),
        (
            [row("0/1", "churn"), row("0/1", "churn", wave=2)],
            "churn",
            ["1 of 1 shard of wave 1 met YouTube's rate limit (0/1); wave 2 went on",
             "1 of 1 shard of wave 2 met YouTube's rate limit (wave 2: 0/1); their work is left to the next run"],
        ),
        (
            [row("0/2", "idle", reason="nothing is due"), row("1/2", "idle")],
            "idle",
            ["2 of 2 shards found nothing due (0/2, 1/2): nothing is due"],
        ),
        ([row("0/2", "ok"), row("1/2", "idle")], "ok", ["1 of 2 shards found nothing due (1/2)"]),
        ([row("0/1", "ok", reason=LIMIT)], "ok", [f"1 of 1 shard (0/1): {LIMIT}"]),
        (
            [row("0/3", "failure", error="b"), row("1/3", "failure", error="a"), row("2/3", "failure", error="a")],
            "failure",
            ["2 of 3 shards ended with failure: a (1/3, 2/3)", "1 of 3 shards ended with failure: b (0/3)"],
        ),
        (
            [row(f"{i}/5", "failure", error=f"e{i}") for i in range(5)],
            "failure",
            [*(f"1 of 5 shards ended with failure: e{i} ({i}/5)" for i in range(3)), "2 more failed for other causes"],
        ),
        ([row("0/1", "unavailable")], "unavailable", ["1 of 1 shard ended with unavailable: no cause is known (0/1)"]),
        (
            [row("0/2", "failure", error="503"), row("0/2", "ok"), row("1/2", "churn"), row("1/2", "ok")],
            "ok",
            [],  # of a shard that was run again, the last row counts
        ),
        ([row("0/2", "ok"), row("0/2", "failure", error="503")], "failure",
         ["1 of 1 shard ended with failure: 503 (0/2)"]),
        ([row("0/1", None)], None, ["1 of 1 shard wrote no end (0/1): killed, or still at work"]),
        (
            [row("0/5", "ok"), row("1/5", "idle"), row("2/5", "quota-exhausted", reason=RESETS), row("3/5", "churn"),
             row("4/5", "config", error="no key"), row("0/1", "ok", wave=2)],
            "config",
            [f"1 of 6 shards stopped because the quota is spent (2/5): {RESETS}",
             "1 of 5 shards of wave 1 met YouTube's rate limit (3/5); wave 2 went on",
             "1 of 6 shards found nothing due (1/5)",
             "1 of 6 shards ended with config: no key (4/5)"],
        ),
        (
            [row(f"{i}/20", "idle") for i in range(20)],
            "idle",
            ["20 of 20 shards found nothing due (0/20, 1/20, 2/20, 3/20, 4/20, 5/20, 6/20, 7/20; and 12 more)"],
        ),
    ],
)  # fmt: skip
def test_each_reason_is_a_line(rows: list[dict[str, Any]], outcome: str | None, lines: list[str]) -> None:
    assert outcome_of_run(rows) == outcome
    assert why_not_more(rows) == lines


MET = "1 of 2 shards of wave 1 met YouTube's rate limit (1/2); "
LEFT = MET + "their work is left to the next run"
SPENT = "4 due queries, but no 'search' call is left; the quota resets at 2026-11-21T08:00:00Z"


@pytest.mark.parametrize(
    ("gate", "outcome", "line"),
    [
        ({"wave": 2, "shards": 0, "outcome": "quota-exhausted",
          "reason": f"1 shard of wave 1 met a rate limit; {SPENT}"},
         "quota-exhausted", f"{MET}no further shard was started: {SPENT}"),
        ({"wave": 2, "shards": 0, "outcome": "idle", "reason": "1 shard of wave 1 met a rate limit; nothing is due"},
         "churn", f"{MET}no further shard was started: nothing is due"),
        ({"wave": 2, "shards": 1, "outcome": "ok", "reason": "1 due query"}, "churn", LEFT),
        ({"wave": 3, "shards": 0, "outcome": "quota-exhausted", "reason": SPENT}, "churn", LEFT),
        ({"wave": 2, "shards": 0}, "churn", LEFT),
        ({"wave": "x", "shards": [], "outcome": {}, "reason": 5}, "churn", LEFT),
    ],
)  # fmt: skip
def test_a_gate_that_starts_no_shard_is_the_reason(gate: dict[str, Any], outcome: str, line: str) -> None:
    rows = [row("0/2", "ok"), row("1/2", "churn")]
    assert outcome_of_run(rows, gate) == outcome
    assert why_not_more(rows, gate) == [line]


@pytest.mark.parametrize(
    ("agent", "totals", "expected"),
    [
        (
            "hunter",
            {"videos_new": 1_234, "videos_enriched": 1_230, "updated": 5, "calls": {"search": 40, "units": 2}},
            "1,234 new videos, 1,230 snapshots, 42 calls (search 40, units 2)",
        ),
        ("hunter", {"videos_new": 1, "videos_enriched": 1, "calls": {"search": 1, "units": 0}},
         "1 new video, 1 snapshot, 1 call (search 1)"),
        ("tracker", {"updated": 250, "calls": {"batchGetStats": 5}}, "250 snapshots, 5 calls (batchGetStats 5)"),
        ("hunter", {}, "0 new videos, 0 snapshots, 0 calls"),
        ("tracker", {"updated": "many", "calls": ["x"]}, "0 snapshots, 0 calls"),
    ],
)  # fmt: skip
def test_what_was_achieved_is_one_line(agent: str, totals: dict[str, Any], expected: str) -> None:
    assert achieved(agent, totals) == expected


@pytest.mark.parametrize(
    "bad",
    [{}, {"outcome": 5}, {"outcome": ["ok"]}, {"outcome": "none of ours", "wave": "x", "shard": None, "stats": 1}],
)
def test_rows_that_others_wrote_raise_nothing(bad: dict[str, Any]) -> None:
    assert outcome_of_run([bad]) is None
    assert len(why_not_more([bad])) == 1
    assert why_not_more([{"outcome": "idle", "stats": {"reason": 5}}]) == ["1 of 1 shard found nothing due (?)"]


# ── the stats of the result file ──

BEGAN = datetime(2026, 11, 20, 20, tzinfo=UTC)


def full_row(shard: str, ended: str | None, **stats: Any) -> RunRow:
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
        full_row("0/3", "ok", searches=3, calls={"search": 3, "units": 2}, outcome="ok", exhausted=["search"]),
        full_row("1/3", "churn", searches=1, calls={"search": 2}, cycles=1, refused=True),
        full_row("2/3", None),
    ]
    stats = run_report("hunter", rows)
    assert stats["totals"] == {"searches": 4, "calls": {"search": 5, "units": 2}, "cycles": 1}
    assert stats["rows"][1:] == [
        {"wave": 1, "shard": "1/3", "outcome": "churn", "exit_code": 75, "seconds": 12.3, "stats": rows[1]["stats"]},
        {"wave": 1, "shard": "2/3", "outcome": None, "exit_code": None, "seconds": None, "stats": {}},
    ]
    assert run_report("tracker", []) == {"agent": "tracker", "rows": [], "totals": {}}


def test_it_says_what_was_achieved_and_why_not_more() -> None:
    spent = full_row(
        "0/2", "quota-exhausted", videos_new=3, videos_enriched=2, calls={"search": 1}, reason="it resets soon"
    )
    failed = full_row("1/2", "failure") | {"error": "1 of 1 searches failed: 503 (1)"}
    stats = run_report("hunter", [spent, failed])  # type: ignore[list-item]
    assert stats["achieved"] == "3 new videos, 2 snapshots, 1 call (search 1)"
    assert stats["why"] == [
        "1 of 2 shards stopped because the quota is spent (0/2): it resets soon",
        "1 of 2 shards ended with failure: 1 of 1 searches failed: 503 (1) (1/2)",
    ]
    assert [r.get("error") for r in stats["rows"]] == [None, "1 of 1 searches failed: 503 (1)"]


def plan(wave: int, agent: str, shards: int, reason: str) -> RunRow:
    return full_row("0/1", "ok", agent=agent, wave=wave, shards=shards, outcome="ok", reason=reason) | {"wave": wave}  # type: ignore[return-value]


def test_the_further_plan_of_this_agent_is_the_reason_that_no_shard_went_on() -> None:
    plans = [plan(2, "tracker", 0, "a"), plan(2, "hunter", 0, "nothing is due"), plan(1, "hunter", 2, "b")]
    gate = _gate("hunter", plans)
    assert gate == {"wave": 2, "shards": 0, "outcome": "ok", "reason": "nothing is due"}
    stats = run_report("hunter", [full_row("0/1", "churn")], gate)
    assert stats["gate"] == gate
    assert stats["why"] == [
        "1 of 1 shard of wave 1 met YouTube's rate limit (0/1); no further shard was started: nothing is due"
    ]
    assert _gate("hunter", [plan(1, "hunter", 2, "b"), full_row("0/1", None)]) == {}


@pytest.mark.parametrize("agent", [hunter, tracker])
def test_all_shards_of_all_waves_are_reported_and_the_action_reads_the_file(agent: Any) -> None:
    needs = pytest.importorskip("action.needs", reason="the action is part of the checkout, not of the wheel")
    from action.inputs import MOST_SHARDS  # noqa: PLC0415
    from action.result import LARGEST, parse  # noqa: PLC0415

    assert len(needs.WAVES) * MOST_SHARDS < _MOST_ROWS
    figures = dict.fromkeys((*agent._COUNTS, "unfinished", "unfinished_failed", "left", "refused"), 10**9)
    calls = dict.fromkeys(("search", "units", "batchGetStats"), 10**9)
    many = [
        full_row("254/255", "ok", **figures, calls=calls, cycles=10**6, outcome="idle", reason="é" * 300)
        for _ in range(_MOST_ROWS)
    ]
    file = RunResult(
        "verdict", "0/1", Outcome.OK, ExitCode.OK, BEGAN, BEGAN, run_report(agent.__name__, many)
    ).to_json()
    assert len(file) < LARGEST / 2
    assert len(parse(file, agent="verdict", exit_code=0).stats["rows"]) == _MOST_ROWS
