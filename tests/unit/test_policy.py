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
        (-30 * DAY, 1, timedelta(hours=1)),
    ],
)
def test_the_age_decides_the_zone_and_the_zone_the_interval(age: timedelta, zone: int, interval: timedelta) -> None:
    assert policy.schedule(NOW - age, NOW) == (zone, NOW + interval)


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
    assert policy.METADATA_REFRESH_AFTER + policy.ZONES[-1].interval < timedelta(days=30)


def test_no_number_of_mentions_of_a_tag_reaches_a_query_of_the_users() -> None:
    assert policy.USER_PRIORITY <= 2**31 - 1
    assert policy.USER_PRIORITY > 100_000_000
