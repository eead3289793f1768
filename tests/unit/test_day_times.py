"""Times of the day in settings."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from atlas.config.day_times import last_moment, parse_quiet_hours, parse_time

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "quiet", "not_quiet"),
    [
        ("22:00-07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "21:59", "12:00"]),
        ("12:30-13:00", ["12:30", "12:59"], ["13:00", "12:29", "00:00"]),
    ],
)
def test_quiet_hours(hours: str, quiet: list[str], not_quiet: list[str]) -> None:
    parsed = parse_quiet_hours(hours)
    for text in (*quiet, *not_quiet):
        local = datetime.combine(datetime(2026, 11, 30), parse_time(text), BERLIN)  # noqa: DTZ001
        assert parsed.contain(local) == (text in quiet), text


@pytest.mark.parametrize("text", ["22-7", "22:00", "24:00-07:00", "7:5-8:00", "08:00-08:00", "night"])
def test_hours_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"like 22:00-07:00|unset it"):
        parse_quiet_hours(text)


@pytest.mark.parametrize(
    ("now", "last"),
    [("2026-11-30T07:00", "2026-11-30T07:00"), ("2026-11-30T06:59", "2026-11-29T07:00"),
     ("2026-03-29T12:00", "2026-03-29T07:00")],
)  # fmt: skip
def test_the_last_moment_of_a_time_of_the_day(now: str, last: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=BERLIN)
    assert last_moment(time(7), moment) == datetime.fromisoformat(last).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        # 02:30 does not exist on 2026-03-29: it is 03:30 of that day, or 01:30 UTC
        ("2026-03-29T01:05", "2026-03-28T01:30"), ("2026-03-29T01:30", "2026-03-29T01:30"),
        # it is twice on 2026-10-25, and means the first time
        ("2026-10-25T00:29", "2026-10-24T00:30"), ("2026-10-25T00:31", "2026-10-25T00:30"),
        ("2026-10-25T01:31", "2026-10-25T00:30"),
    ],
)  # fmt: skip
def test_the_night_in_which_the_clock_changes_has_one_such_moment(now: str, last: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    found = last_moment(time(2, 30), moment.astimezone(BERLIN)).astimezone(UTC)
    assert found == datetime.fromisoformat(last).replace(tzinfo=UTC)
    assert found <= moment
