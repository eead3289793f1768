"""The quota's day: midnight to midnight Pacific, in winter, in summer, and on the two days between."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from atlas.quota.buckets import quota_day, quota_reset


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "day", "reset"),
    [
        # in winter, 8 hours behind
        ("2026-01-15T07:59:59.999999", "2026-01-14", "2026-01-15T08:00"),
        ("2026-01-15T08:00:00", "2026-01-15", "2026-01-16T08:00"),
        # in summer, 7 hours behind
        ("2026-07-15T06:59:59", "2026-07-14", "2026-07-15T07:00"),
        ("2026-07-15T07:00:00", "2026-07-15", "2026-07-16T07:00"),
        # 2026-03-08 has 23 hours
        ("2026-03-08T07:59:59", "2026-03-07", "2026-03-08T08:00"),
        ("2026-03-08T08:00:00", "2026-03-08", "2026-03-09T07:00"),
        ("2026-03-08T10:00:00", "2026-03-08", "2026-03-09T07:00"),
        ("2026-03-09T06:59:59", "2026-03-08", "2026-03-09T07:00"),
        ("2026-03-09T07:00:00", "2026-03-09", "2026-03-10T07:00"),
        # 2026-11-01 has 25 hours, one of them twice
        ("2026-11-01T06:59:59", "2026-10-31", "2026-11-01T07:00"),
        ("2026-11-01T07:00:00", "2026-11-01", "2026-11-02T08:00"),
        ("2026-11-01T08:30:00", "2026-11-01", "2026-11-02T08:00"),
        ("2026-11-01T09:30:00", "2026-11-01", "2026-11-02T08:00"),
        ("2026-11-02T07:59:59", "2026-11-01", "2026-11-02T08:00"),
        ("2026-11-02T08:00:00", "2026-11-02", "2026-11-03T08:00"),
        # the turn of the year
        ("2027-01-01T07:59:59", "2026-12-31", "2027-01-01T08:00"),
    ],
)
def test_the_day_and_its_end(at: str, day: str, reset: str) -> None:
    assert quota_day(utc(at)) == date.fromisoformat(day)
    assert quota_reset(utc(at)) == utc(reset)
