"""What a run's rows tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from atlas.adapters.plans import RunRow
from maia.verdict import told

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


def test_no_rows_have_no_totals() -> None:
    assert told("tracker", []) == {"agent": "tracker", "rows": [], "totals": {}}
