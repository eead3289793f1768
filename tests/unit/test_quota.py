"""The quota's day: midnight to midnight Pacific, in winter, in summer, and on the two days between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from atlas.quota.buckets import Bucket, quota_day, quota_reset


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


def test_every_hour_of_a_year_resets_at_the_first_moment_of_the_next_day() -> None:
    at = utc("2026-01-01T00:30")
    while at.year == 2026:
        reset = quota_reset(at)
        assert at < reset <= at + timedelta(hours=25)
        assert quota_day(reset) == quota_day(at) + timedelta(days=1)
        assert quota_day(reset - timedelta(microseconds=1)) == quota_day(at)
        assert reset.utcoffset() == timedelta(0)
        at += timedelta(hours=1)


def test_a_time_of_another_zone_counts_for_the_same_day() -> None:
    assert quota_day(datetime.fromisoformat("2026-01-15T16:30:00+09:00")) == date(2026, 1, 14)


def test_the_buckets_have_the_names_that_reports_and_tables_use() -> None:
    assert [str(bucket) for bucket in Bucket] == ["search", "units", "batchGetStats"]
