"""The numbers that are policy: zones and their limits, rests of topics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas import policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("age", "zone", "interval"),
    [
        (timedelta(), 1, timedelta(hours=1)),
        (DAY - TICK, 1, timedelta(hours=1)),
        (DAY, 2, timedelta(hours=6)),
        (DAY + TICK, 2, timedelta(hours=6)),
        (7 * DAY - TICK, 2, timedelta(hours=6)),
        (7 * DAY, 3, DAY),
        (3650 * DAY, 3, DAY),
        (-TICK, 1, timedelta(hours=1)),
        (-timedelta(hours=1), 1, timedelta(hours=1)),
        (-timedelta(hours=5), 1, timedelta(hours=5)),
        (-30 * DAY, 1, DAY),
    ],
)
def test_the_age_decides_the_zone_and_the_zone_the_interval(age: timedelta, zone: int, interval: timedelta) -> None:
    assert policy.schedule(NOW - age, NOW) == (zone, NOW + interval)


@pytest.mark.parametrize(
    ("age", "zone", "interval"),
    [
        (timedelta(hours=2), 1, timedelta(hours=1)),
        (3 * DAY, 2, timedelta(hours=6)),
        (30 * DAY, 3, timedelta(hours=6)),
        (-timedelta(hours=5), 1, timedelta(hours=5)),
    ],
)
def test_what_is_live_or_upcoming_is_read_every_six_hours_at_least(
    age: timedelta, zone: int, interval: timedelta
) -> None:
    assert policy.schedule(NOW - age, NOW, pending=True) == (zone, NOW + interval)


@pytest.mark.parametrize(
    ("known", "found", "moved"),
    [
        (NOW, NOW + DAY, True),
        (NOW, NOW + timedelta(minutes=1), False),
        (NOW, NOW + timedelta(minutes=1) + TICK, True),
        (NOW + DAY, NOW, False),
        (None, NOW, False),
        (NOW, None, False),
    ],
)
def test_a_publish_time_has_moved_when_it_is_later(known: datetime | None, found: datetime | None, moved: bool) -> None:
    assert policy.publish_time_moved(known, found) is moved


def test_zones_are_numbered_as_the_table_allows_in_order_of_age() -> None:
    assert [zone.number for zone in policy.ZONES] == [1, 2, 3]
    assert policy.ZONES[-1].below is None


def test_a_topic_rests_longer_each_barren_round_up_to_a_week() -> None:
    hours = [policy.topic_interval(rounds) / timedelta(hours=1) for rounds in range(7)]
    assert hours == [6, 12, 24, 48, 96, 168, 168]


@pytest.mark.parametrize("rounds", [16, 17, 1000, 2**31])
def test_the_rest_has_an_upper_limit_for_any_number_of_rounds(rounds: int) -> None:
    assert policy.topic_interval(rounds) == policy.TOPIC_INTERVAL_MAX


def test_metadata_is_refreshed_before_it_is_30_days_old() -> None:
    assert policy.refresh_after(30 * DAY) == 25 * DAY
    assert policy.refresh_after(18 * DAY) == 15 * DAY


@pytest.mark.parametrize("days", [*range(2, 31), 1096])
def test_a_video_is_read_twice_more_before_its_metadata_has_to_go(days: int) -> None:
    assert timedelta() <= policy.refresh_after(days * DAY) <= (days - 2) * DAY


def test_what_is_kept_for_no_longer_than_a_reading_is_always_refreshed() -> None:
    assert policy.refresh_after(DAY) == timedelta()


@pytest.mark.parametrize("days", [1, 2, 6, 7, 8, 30, 1096])
def test_no_video_has_more_snapshots_than_the_schedule_gives_it(days: int) -> None:
    kept, at, number = days * DAY, NOW, 0
    while at - NOW <= kept:
        number += 1
        _, at = policy.schedule(NOW, at)
    assert policy.most_snapshots(kept) == number


def test_no_number_of_mentions_of_a_tag_reaches_a_query_of_the_users() -> None:
    assert policy.USER_PRIORITY <= 2**31 - 1
    assert policy.USER_PRIORITY > 100_000_000
