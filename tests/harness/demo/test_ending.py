"""What the demo says at its end, and when it fails."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("demo", reason="the demo is part of the checkout, not of the wheel")

from rich.console import Console

from atlas.adapters.report import CallCounts, Growth, Tally, Totals
from atlas.quota.buckets import Bucket
from demo.audit import Audit
from demo.report import Ending, tell
from demo.screen import Screen, View
from demo.shards import Place

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def totals(number: int = 7) -> Totals:
    many = Tally(number)
    zones, queries = dict.fromkeys((1, 2, 3), many), dict.fromkeys(("active", "waiting", "paused", "leased"), many)
    calls = dict.fromkeys(Bucket, CallCounts())
    return Totals(NOW, many, many, many, many, many, tracked=zones, due=zones, queries=queries, calls=calls)


GROWTH = Growth(
    id="v", title="[red]50% off[/red]", channel=None, zone=1, published_at=None, first_seen_at=NOW - timedelta(hours=5),
    observed_at=NOW, views=90, previous_at=NOW - timedelta(hours=2), previous_views=100, views_per_hour=-5.0,
)  # fmt: skip

ENDING = Ending(
    begin=NOW - timedelta(days=1), until=None, before=totals(3), after=totals(7), growing=[GROWTH],
    ours=dict.fromkeys(Bucket, CallCounts(5, 5)), theirs=dict.fromkeys(Bucket, 5), refused={}, audit=Audit(10, 20),
    early=[], held={}, processes=4,
)  # fmt: skip


def told(ending: Ending) -> tuple[bool, str]:
    console = Console(width=120, record=True, force_terminal=False, file=io.StringIO())
    well = tell(Screen(console), ending)
    return well, console.export_text()


def test_a_run_without_double_work_ends_well_and_says_so() -> None:
    well, text = told(ENDING)
    assert well
    assert "✓ rows that two shards worked on: 0 (10 searches, 20 readings" in text
    assert "are equal: yes" in text
    assert "[red]50% off[/red]" in text  # a title is text, not markup
    assert "-5 " in text
    assert "+4" in text


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (replace(ENDING, audit=Audit(10, 20, searched_twice=["'cats'"])), "✗ rows that two shards worked on: 1"),
        (replace(ENDING, audit=Audit(10, 20, read_twice=["v", "w"])), "✗ rows that two shards worked on: 2"),
        (replace(ENDING, early=["v: 3 min"]), "✗ rows that two shards worked on: 1"),
        (replace(ENDING, held={"tracker 0/2": 3}), "✗ claims left behind: 3"),
        (
            replace(ENDING, theirs={**ENDING.theirs, "units": 6}),
            "units: 5 calls reserved and 5 settled, but the sandbox",
        ),
        (replace(ENDING, ours={**ENDING.ours, Bucket.SEARCH: CallCounts(5, 4)}), "are equal: no"),
    ],
)
def test_a_check_that_fails_is_told_and_fails_the_demo(wrong: Ending, line: str) -> None:
    well, text = told(wrong)
    assert not well
    assert line in text


def test_without_a_terminal_there_are_plain_lines_and_with_one_a_picture() -> None:
    view = View(NOW, NOW - timedelta(hours=4), 0.5, [Place("hunter", 0, 2, doing="rests [now]")], totals(), [])
    for terminal in (False, True):
        console = Console(width=110, record=True, force_terminal=terminal, legacy_windows=False, file=io.StringIO())
        screen = Screen(console)
        with screen.watching():
            screen.update(view)
        text = console.export_text()
        assert "2026-11-22T08:00Z" in text
        assert ("rests [now]" in text) is terminal
