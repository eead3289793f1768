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
DAY = timedelta(days=1)
NAIVE = datetime  # hypothesis adds the zone

times = st.datetimes(NAIVE(1, 1, 2), NAIVE(9990, 12, 31), timezones=st.just(UTC))
readings = st.datetimes(NAIVE(1975, 1, 1), NAIVE(2200, 1, 1), timezones=st.just(UTC))
near_edges = st.builds(
    lambda edge, ticks: edge + ticks * TICK,
    st.sampled_from([timedelta(), DAY, 7 * DAY]),
    st.sampled_from([-1, 0, 1]) | st.integers(-5_000_000, 5_000_000),
)
ages = near_edges | st.timedeltas(-400 * DAY, 40 * DAY) | st.timedeltas(timedelta(), 8 * DAY)
births = st.tuples(times, times) | st.builds(lambda now, age: (now - age, now), readings, ages)
speeds = st.integers(1, 10**6) | st.floats(0.00001, 10**6, allow_nan=False).map(lambda speed: float(f"{speed:.5f}"))
NOON = datetime(2026, 11, 22, tzinfo=UTC)


def documented(age: timedelta) -> tuple[int, timedelta]:
    """Return zone and interval of the document, in whole microseconds."""
    if age < -HOUR:
        return 1, min(-age, DAY)
    if age < DAY:
        return 1, HOUR
    return (2, 6 * HOUR) if age < 7 * DAY else (3, DAY)


@examples(900)
@given(birth=births)
@example(birth=(NOON - DAY, NOON))
@example(birth=(NOON - 7 * DAY, NOON))
@example(birth=(NOON + 30 * DAY, NOON))
def test_the_age_decides_the_zone_and_the_zone_the_interval(birth: tuple[datetime, datetime]) -> None:
    """Seen to catch: ``<=`` at the edges; an age without its sign (births in the future); a zone 2 of 3 days."""
    born, now = birth
    zone, due = policy.schedule(born, now)
    assert (zone, due - now) == documented(now - born)
    assert due.tzinfo is UTC


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
    assert policy.schedule(born + later, now)[0] <= zone


@examples(150)
@given(
    born=readings,
    found=st.timedeltas(timedelta(), 2 * DAY),
    late=st.lists(st.timedeltas(timedelta(), 2 * HOUR), min_size=1, max_size=8),
)
def test_late_readings_keep_the_intervals_of_every_zone(
    born: datetime, found: timedelta, late: list[timedelta]
) -> None:
    """Seen to catch: a due time counted from the birth, so that late readings come closer together."""
    at = born + found
    for n in range(60):
        zone, due = policy.schedule(born, at)
        assert due - at == {1: HOUR, 2: 6 * HOUR, 3: DAY}[zone]
        at = due + late[n % len(late)]
    assert zone >= 2


@examples(400)
@given(speed=speeds, start=readings, shown=readings, ran=st.timedeltas(timedelta(), HOUR), age=ages)
def test_a_faster_clock_has_the_same_schedule_in_fewer_real_seconds(
    speed: float, start: datetime, shown: datetime, ran: timedelta, age: timedelta
) -> None:
    """Seen to catch: a clock that has gone on before its start; ``real_seconds`` that multiplies."""
    clock = Clock(float(speed), start, shown)
    now = clock.at(start + ran)
    assert now - shown == ran * float(speed)
    zone, due = policy.schedule(now - age, now)
    assert (zone, due - now) == documented(age)
    # waiting in real time for as long as the clock says brings it there, but for the rounding of a microsecond
    wait = timedelta(seconds=clock.real_seconds(due - now))
    assert abs(clock.at(start + ran + wait) - due) <= 2 * TICK * max(1.0, float(speed))
    assert clock.at(start + ran + wait + 3 * TICK) > now


of_a_day = st.timedeltas(timedelta(), DAY)


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
