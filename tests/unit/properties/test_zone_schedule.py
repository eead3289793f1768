"""The tracking schedule for any birth and any time of reading, on clocks of any speed.

The documented schedule: younger than 24 h hourly, younger than 7 days every 6 h, older ones daily. A publish time in
the future is waited for, a day at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from atlas import policy
from atlas.schedule_clock import Clock

from ...support.examples import examples

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
NAIVE = datetime  # hypothesis adds the zone
DAY = timedelta(days=1)
EDGES = (timedelta(), DAY, 7 * DAY)

times = st.datetimes(NAIVE(1, 1, 2), NAIVE(9990, 12, 31), timezones=st.just(UTC))
readings = st.datetimes(NAIVE(1975, 1, 1), NAIVE(2200, 1, 1), timezones=st.just(UTC))
near_edges = st.builds(
    lambda edge, ticks: edge + ticks * TICK,
    st.sampled_from(EDGES),
    st.sampled_from([-1, 0, 1]) | st.integers(-5_000_000, 5_000_000),
)
ages = near_edges | st.timedeltas(-400 * DAY, 40 * DAY) | st.timedeltas(timedelta(), 8 * DAY)


def by_the_document(age: timedelta) -> tuple[int, timedelta]:
    """Zone and interval, in whole microseconds. Before its publish time a video waits for that, a day at most."""
    ticks = age // TICK
    if ticks < -HOUR // TICK:
        return 1, min(-age, DAY)
    if ticks < 24 * 3600 * 10**6:
        return 1, HOUR
    if ticks < 7 * 24 * 3600 * 10**6:
        return 2, 6 * HOUR
    return 3, DAY


@examples(600)
@given(now=readings, age=ages)
@example(now=datetime(2026, 11, 22, tzinfo=UTC), age=DAY)
@example(now=datetime(2026, 11, 22, tzinfo=UTC), age=7 * DAY)
@example(now=datetime(2026, 11, 22, tzinfo=UTC), age=-30 * DAY)
def test_the_age_to_the_microsecond_decides_the_zone_and_the_zone_the_interval(now: datetime, age: timedelta) -> None:
    """Seen to catch: ``<=`` at the edges; an age without its sign (births in the future); a zone 2 of 3 days."""
    zone, due = policy.schedule(now - age, now)
    assert (zone, due - now) == by_the_document(age)
    assert due.tzinfo is UTC


@examples(500)
@given(born=times, now=times)
def test_any_two_times_of_the_calendar_have_a_schedule(born: datetime, now: datetime) -> None:
    """Seen to catch: an age without its sign; a due time that is reckoned from the birth."""
    zone, due = policy.schedule(born, now)
    assert (zone, due - now) == by_the_document(now - born)


@examples(500)
@given(born=readings, age=ages, later=st.timedeltas(timedelta(), 10 * DAY) | near_edges.map(abs))
def test_a_video_only_grows_older_and_an_older_one_is_never_served_sooner(
    born: datetime, age: timedelta, later: timedelta
) -> None:
    """Seen to catch: an age without its sign, by which a video not yet born is an old one."""
    now = born + age
    zone, due = policy.schedule(born, now)
    then, due_then = policy.schedule(born, now + later)
    assert then >= zone
    assert due_then > due or not later or due_then == due == born  # both wait for the publish time
    younger, _ = policy.schedule(born + later, now)
    assert younger <= zone


@examples(150)
@given(
    born=readings,
    found=st.timedeltas(timedelta(), 2 * DAY),
    late=st.lists(st.timedeltas(timedelta(), 2 * HOUR), min_size=1, max_size=8),
)
def test_whoever_reads_when_it_is_due_keeps_the_intervals_of_every_zone(
    born: datetime, found: timedelta, late: list[timedelta]
) -> None:
    """Seen to catch: a due time that is reckoned from the birth, so that late readings come closer together."""
    at = born + found
    for n in range(60):
        zone, due = policy.schedule(born, at)
        assert due - at == {1: HOUR, 2: 6 * HOUR, 3: DAY}[zone]
        at = due + late[n % len(late)]
    assert zone >= 2


of_a_day = st.timedeltas(timedelta(), DAY)
speeds = st.integers(1, 10**6) | st.floats(0.00001, 10**6, allow_nan=False).map(lambda speed: float(f"{speed:.5f}"))


@examples(400)
@given(
    speed=speeds,
    start=readings,
    shown=readings,
    ran=st.timedeltas(timedelta(), HOUR),
    age=ages,
)
def test_a_faster_clock_has_the_same_schedule_in_fewer_real_seconds(
    speed: float, start: datetime, shown: datetime, ran: timedelta, age: timedelta
) -> None:
    """Seen to catch: a clock that has gone on before its start; ``real_seconds`` that multiplies."""
    clock = Clock(float(speed), start, shown)
    now = clock.at(start + ran)
    assert now - shown == ran * float(speed)
    zone, due = policy.schedule(now - age, now)
    assert (zone, due - now) == by_the_document(age)
    # waiting in real time for as long as the clock says brings it there: what is lost is the rounding of a microsecond
    wait = timedelta(seconds=clock.real_seconds(due - now))
    assert abs(clock.at(start + ran + wait) - due) <= 2 * TICK * max(1.0, float(speed))
    assert clock.at(start + ran + wait + 3 * TICK) > now


@examples(400)
@given(speed=speeds, ago=of_a_day, shown=readings, moments=st.lists(of_a_day))
def test_no_clock_goes_back_and_a_written_one_reads_the_same(
    speed: float, ago: timedelta, shown: datetime, moments: list[timedelta]
) -> None:
    """Seen to catch: a specification that is written in exponents (``1e-05x``) and cannot be read again."""
    start = datetime.now(UTC) - ago
    clock = Clock.parse(f"{Decimal(str(speed)):f}x@{start.isoformat()}={shown.isoformat()}")
    again = Clock.parse(str(clock))
    assert (again.speed, again.real_start, again.shown_start) == (clock.speed, start, shown) == (speed, start, shown)
    shown_times = [clock.at(start + moment) for moment in sorted(moments)]
    assert shown_times == sorted(shown_times)
