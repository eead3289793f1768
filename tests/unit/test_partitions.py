"""The ranges that partitions get: whole widths from a Monday on, and around what is there already."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from atlas.snapshots.partitions import Range, range_of, ranges_for

WEEK = timedelta(days=7)
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def one(lower: str, upper: str) -> Range:
    return Range(f"video_stats_log_{at(lower):%Y%m%d}", at(lower), at(upper))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-25T12:00", one("2026-11-23", "2026-11-30")),
        ("2026-11-23T00:00", one("2026-11-23", "2026-11-30")),
        ("2026-11-29T23:59:59.999999", one("2026-11-23", "2026-11-30")),
        ("2000-01-03T00:00", one("2000-01-03", "2000-01-10")),
        ("2000-01-02T23:59", one("1999-12-27", "2000-01-03")),
    ],
)
def test_a_week_begins_on_a_monday(moment: str, expected: Range) -> None:
    assert range_of(at(moment), WEEK, ()) == expected
    assert expected.lower.weekday() == 0


def test_a_moment_that_has_a_partition_gets_none() -> None:
    week = one("2026-11-23", "2026-11-30")
    assert range_of(at("2026-11-23"), WEEK, [week]) is None
    assert range_of(at("2026-11-29T23:59"), WEEK, [week]) is None
    assert range_of(at("2026-11-30"), WEEK, [week]) == one("2026-11-30", "2026-12-07")


def test_where_the_width_has_changed_new_ranges_begin_where_the_old_ones_end() -> None:
    week = one("2026-11-23", "2026-11-30")
    after = range_of(at("2026-11-30T01:00"), 5 * DAY, [week])
    assert after == one("2026-11-30", "2026-12-02"), "up to the next multiple of the new width"
    assert range_of(at("2026-12-04"), 5 * DAY, [week, after]) == one("2026-12-02", "2026-12-07")
    before = range_of(at("2026-11-22"), 30 * DAY, [week])
    assert before is not None
    assert before.upper == week.lower


def test_a_gap_between_two_is_filled_and_no_more() -> None:
    taken = [one("2026-11-23", "2026-11-25"), one("2026-11-27", "2026-11-30")]
    assert range_of(at("2026-11-26"), WEEK, taken) == one("2026-11-25", "2026-11-27")


def test_ranges_ahead_reach_so_many_widths_from_now_without_a_hole() -> None:
    now = at("2026-11-25T12:00")
    ranges = ranges_for((), WEEK, [], now=now, ahead=4)
    assert [one.lower for one in ranges] == [at("2026-11-23") + n * WEEK for n in range(5)]
    assert ranges_for((), WEEK, ranges, now=now, ahead=4) == []
    assert [one.name for one in ranges_for((), WEEK, ranges, now=now + WEEK)] == ["video_stats_log_20261228"]


@pytest.mark.parametrize("width", [1, 3, 7, 30, 366])
def test_no_two_ranges_share_a_moment_and_all_moments_have_one(width: int) -> None:
    moments = [at("2024-02-29") + timedelta(days=11.3) * n for n in range(60)]
    taken = [one("2024-05-01", "2024-05-08"), one("2025-01-01", "2025-02-01")]
    ranges = sorted(
        [*ranges_for(moments, timedelta(days=width), taken, now=at("2026-01-01")), *taken], key=lambda r: r.lower
    )
    assert all(left.upper <= right.lower for left, right in itertools.pairwise(ranges))
    assert all(sum(r.lower <= moment < r.upper for r in ranges) == 1 for moment in moments)
    assert len({r.name for r in ranges}) == len(ranges)
