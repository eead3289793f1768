"""The quota's day for any instant of a century, reckoned here by the rules of the clock changes themselves.

United States: until 2006 daylight saving time began on the first Sunday in April and ended on the last one in October,
since 2007 (Energy Policy Act of 2005) on the second one in March and the first one in November, each at 2 h local time.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from atlas.quota.buckets import PACIFIC, quota_day, quota_reset, quota_start

from ...support.examples import examples

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
NAIVE = datetime  # hypothesis adds the zone
DAY = timedelta(days=1)
SUNDAY = 6
WINTER, SUMMER = timedelta(hours=-8), timedelta(hours=-7)


def sunday(year: int, month: int, nth: int) -> date:
    """The nth Sunday of a month, from 1; -1: the last one."""
    days = [day for n in range(31) if (day := date(year, month, 1) + n * DAY).month == month]
    sundays = [day for day in days if day.weekday() == SUNDAY]
    return sundays[nth - 1 if nth > 0 else nth]


def changes(year: int) -> tuple[date, date]:
    """The days on which daylight saving time begins and ends."""
    if year < 2007:
        return sunday(year, 4, 1), sunday(year, 10, -1)
    return sunday(year, 3, 2), sunday(year, 11, 1)


def offset(at: datetime) -> timedelta:
    """How far Pacific time is ahead of UTC at an instant."""
    begins, ends = changes((at + WINTER).year)
    summer_from = datetime.combine(begins, time(2), UTC) - WINTER
    summer_to = datetime.combine(ends, time(2), UTC) - SUMMER
    return SUMMER if summer_from <= at < summer_to else WINTER


def length(day: date) -> timedelta:
    begins, ends = changes(day.year)
    return 23 * HOUR if day == begins else 25 * HOUR if day == ends else 24 * HOUR


anywhen = st.datetimes(NAIVE(2000, 1, 1), NAIVE(2100, 12, 31, 23), timezones=st.just(UTC))
# within two days of a change, to the microsecond, and right at midnights and changes
near_changes = st.builds(
    lambda year, second, hours, ticks: (
        datetime.combine(changes(year)[second], time(), UTC) + hours * HOUR + ticks * TICK
    ),
    st.integers(2000, 2100),
    st.integers(0, 1),
    st.integers(-48, 60),
    st.sampled_from([-1, 0, 1]) | st.integers(-3_600_000_000, 3_600_000_000),
)
instants = anywhen | near_changes


@examples(700)
@given(at=instants)
@example(at=datetime(2026, 11, 1, 9, tzinfo=UTC))
def test_each_instant_lies_in_its_day_of_23_24_or_25_hours_from_midnight_on(at: datetime) -> None:
    """Seen to catch: a reset 24 hours after the start; a zone without daylight saving time; that of Denver."""
    start, reset, day = quota_start(at), quota_reset(at), quota_day(at)
    assert day == (at + offset(at)).date()
    assert start <= at < reset
    assert reset - start == length(day)
    assert start.tzinfo is reset.tzinfo is UTC
    assert quota_start(start) == start == quota_reset(start - TICK)
    assert quota_start(reset) == reset == quota_reset(reset - TICK)
    assert quota_day(start) == day == quota_day(reset - TICK)
    assert (quota_day(start - TICK), quota_day(reset)) == (day - DAY, day + DAY)
    # by the rule of the law, and by the database of time zones
    assert (start + offset(start)).time() == (reset + offset(reset)).time() == time()
    local = start.astimezone(ZoneInfo("America/Los_Angeles"))
    assert (local.time(), local.fold) == (time(), 0)


@examples(400)
@given(at=instants, minutes=st.integers(-23 * 60, 23 * 60), fold=st.integers(0, 1))
def test_the_same_instant_counts_for_the_same_day_however_it_is_written(at: datetime, minutes: int, fold: int) -> None:
    """Seen to catch: a day that is taken from the time as it is written."""
    elsewhere = at.astimezone(timezone(timedelta(minutes=minutes))).replace(fold=fold)
    pacific = at.astimezone(PACIFIC)  # in the hour that comes twice, its fold says which
    for written in (elsewhere, pacific):
        assert quota_day(written) == quota_day(at)
        assert (quota_start(written), quota_reset(written)) == (quota_start(at), quota_reset(at))


@examples(400)
@given(first=instants, second=instants | st.none(), ahead=st.timedeltas(timedelta(), 3 * DAY))
def test_days_never_go_back(first: datetime, second: datetime | None, ahead: timedelta) -> None:
    """Seen to catch: a start that is reckoned with the offset of the instant; a day that is taken as it is written."""
    earlier, later = sorted((first, second or first + ahead))
    assert quota_day(earlier) <= quota_day(later)
    assert quota_start(earlier) <= quota_start(later)
    assert quota_reset(earlier) <= quota_reset(later)
    # and an instant is of another's day just if it lies between that day's ends
    assert (quota_day(earlier) == quota_day(later)) == (later < quota_reset(earlier))
