"""The numbers that are policy. `properties/test_zone_schedule.py` holds the zones and their limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas import policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("age", "zone", "interval"),
    [(2 * HOUR, 1, HOUR), (3 * DAY, 2, 6 * HOUR), (30 * DAY, 3, 6 * HOUR), (-5 * HOUR, 1, 5 * HOUR)],
)
def test_a_live_or_upcoming_video_is_read_at_least_every_six_hours(
    age: timedelta, zone: int, interval: timedelta
) -> None:
    assert policy.schedule(NOW - age, NOW, pending=True) == (zone, NOW + interval)


@pytest.mark.parametrize(
    ("known", "found", "moved"),
    [
        (NOW, NOW + DAY, True), (NOW, NOW + HOUR / 60, False), (NOW, NOW + HOUR / 60 + TICK, True),
        (NOW + DAY, NOW, False), (None, NOW, False), (NOW, None, False),
    ],
)  # fmt: skip
def test_a_publish_time_has_moved_when_it_is_later(known: datetime | None, found: datetime | None, moved: bool) -> None:
    assert policy.publish_time_moved(known, found) is moved


def test_a_topic_rests_longer_each_round_without_a_new_video_up_to_a_week() -> None:
    assert [policy.topic_interval(rounds) / HOUR for rounds in range(7)] == [6, 12, 24, 48, 96, 168, 168]
    for rounds in (16, 17, 1000, 2**31):
        assert policy.topic_interval(rounds) == policy.TOPIC_INTERVAL_MAX


def test_metadata_is_refreshed_while_two_more_readings_fit_before_it_has_to_go() -> None:
    assert (policy.refresh_after(30 * DAY), policy.refresh_after(18 * DAY)) == (25 * DAY, 15 * DAY)
    assert policy.refresh_after(DAY) == timedelta(), "shorter than an interval: always"
    for days in (*range(2, 31), 1096):
        assert timedelta() <= policy.refresh_after(days * DAY) <= (days - 2) * DAY


@pytest.mark.parametrize("days", [1, 2, 6, 7, 8, 30, 1096])
def test_no_video_has_more_snapshots_than_the_schedule_gives_it(days: int) -> None:
    at, number = NOW, 0
    while at - NOW <= days * DAY:
        number += 1
        _, at = policy.schedule(NOW, at)
    assert policy.most_snapshots(days * DAY) == number


def test_no_number_of_mentions_of_a_tag_reaches_a_query_of_the_users() -> None:
    assert 100_000_000 < policy.USER_PRIORITY <= 2**31 - 1
