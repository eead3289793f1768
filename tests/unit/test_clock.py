"""The schedule clock and its specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.clock import Clock, _ConfiguredClock, clock
from atlas.config import settings
from atlas.errors import ConfigError
from atlas.schedule_clock import measured_offset

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def today() -> datetime:
    """Return the last midnight UTC. A fast clock that started years ago has left the calendar by now."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_the_real_clock_shows_real_time() -> None:
    for spec in ("real", " Real "):
        real = Clock.parse(spec)
        assert (real.at(START), real.speed, real.real_seconds(HOUR), str(real)) == (START, 1, 3600, "real")
        assert abs(real.now() - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("spec", "after", "shown"),
    [
        ("3600x@{day}", timedelta(seconds=24), timedelta(days=1)),
        ("0.5x@{day}", timedelta(seconds=2), timedelta(seconds=1)),
        ("60x@{day}=2017-11-14T00:00:00Z", timedelta(minutes=1), datetime(2017, 11, 14, 1, tzinfo=UTC)),
        ("2x@{day}T00:00:00", HOUR, 2 * HOUR),  # without a zone: UTC
        ("2x@{day}T00:00:00+02:00", HOUR, 4 * HOUR),
    ],
)
def test_from_its_start_on_it_runs_at_its_speed(spec: str, after: timedelta, shown: timedelta | datetime) -> None:
    made = Clock.parse(spec.format(day=today().date()))
    assert made.at(today() + after) == (shown if isinstance(shown, datetime) else today() + shown)
    assert made.real_seconds(timedelta(hours=6)) == 6 * 3600 / made.speed
    assert made.now().utcoffset() == timedelta(0)


def test_without_a_start_it_begins_now() -> None:
    before = datetime.now(UTC)
    fast = Clock.parse("10x")
    assert before <= fast.real_start <= datetime.now(UTC)
    assert fast.shown_start == fast.real_start


@pytest.mark.parametrize(
    "spec",
    [
        "3600x@{day}T08:00:00Z", "3600x@{day}T08:00:00+05:30=2017-11-14T00:00:00-08:00", "123.25x@{day}=2017-11-14",
        "0.000001x@2026-11-22T08:00:00Z", "1234567x",
    ],
)  # fmt: skip
def test_a_clock_is_given_to_other_processes_by_its_text(spec: str) -> None:
    made = Clock.parse(spec.format(day=today().date()))
    again = Clock.parse(str(made))
    moment = made.real_start + timedelta(seconds=1)
    assert (again, again.at(moment)) == (made, made.at(moment))


@pytest.mark.parametrize(
    "spec",
    [
        "", "fast", "x", "0x", "-1x", "1e3x", "2x@", "2x@soon", "2x@2026-11-22=", "2x@2026-13-01", "2x=2026-01-01",
        "99999999999x@2026-11-22T08:00:00Z",
    ],
)  # fmt: skip
def test_anything_else_is_a_config_error_that_names_the_variable(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"ATLAS_CLOCK.*calendar" if "999" in spec else "ATLAS_CLOCK"):
        Clock.parse(spec)


def test_the_process_clock_follows_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (clock.speed, str(clock)) == (1, "real")
    start = today()
    with settings.override(atlas_clock=f"7200x@{start.isoformat()}=2030-01-01T00:00:00Z"):
        assert clock.speed == 7200
        assert clock.at(start) == datetime(2030, 1, 1, tzinfo=UTC)
        assert clock.real_seconds(2 * HOUR) == 1
        assert str(clock) == f"7200x@{start.isoformat()}=2030-01-01T00:00:00+00:00"
    assert clock.speed == 1
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    monkeypatch.setenv("ATLAS_CLOCK", "1000x")
    settings.reload()
    assert str(clock) == str(clock), "without a start it starts once"


@pytest.mark.parametrize(
    ("ahead", "answered_after", "offset"),
    [
        (0, 0, 0),
        (1.9, 0, 0),  # two machines that keep their time, and what measuring adds
        (-1.9, 0, 0),
        (3, 0.2, 3),
        (-1200, 0.2, -1200),
        (172_800, 0.2, 172_800),
        (4, 8, 0),  # a slow answer: the database may have read its clock at any moment of these 8 s
        (-7, 8, -7),
    ],
)
def test_the_offset_is_measured_from_the_middle_of_the_question(
    ahead: float, answered_after: float, offset: float
) -> None:
    database = START + timedelta(seconds=answered_after / 2 + ahead)
    assert measured_offset(database, START, answered_after) == timedelta(seconds=offset)


@pytest.fixture
def own() -> _ConfiguredClock:
    """A process's clock that no other test shares."""
    return _ConfiguredClock()


@pytest.mark.parametrize(
    ("spec", "ahead"),
    [
        ("real", timedelta(minutes=20)),
        ("3600x", timedelta(minutes=20)),  # not 3,600 times that
        ("3600x@{day}T00:00:00Z=2030-01-01T00:00:00Z", 1200 * HOUR),  # the moment at which it begins is real time
    ],
)
@pytest.mark.parametrize("read_before", [True, False])
def test_a_clock_follows_the_databases(own: _ConfiguredClock, spec: str, ahead: timedelta, read_before: bool) -> None:
    spec = spec.format(day=today().date())
    with settings.override(atlas_clock=spec):
        if read_before:
            own.now()
        other = Clock.parse(spec)
        own.follow(timedelta(minutes=20))
        assert abs(own.real() - datetime.now(UTC) - timedelta(minutes=20)) < timedelta(seconds=30)
        assert abs(own.now() - other.now() - ahead) < timedelta(seconds=30 * own.speed)
        assert own.offset == timedelta(minutes=20)


def test_a_clock_does_not_jump_by_the_error_of_measuring(own: _ConfiguredClock) -> None:
    for measured, followed in ((60, 60), (61.5, 60), (59, 60), (63, 63), (0, 0)):
        own.follow(timedelta(seconds=measured))
        assert own.offset == timedelta(seconds=followed)


def test_a_machine_clock_that_is_minutes_wrong_is_a_warning_once(
    own: _ConfiguredClock, caplog: pytest.LogCaptureFixture
) -> None:
    for seconds in (45, -1200, 1800):
        own.follow(timedelta(seconds=seconds))
        assert bool(caplog.messages) == (seconds != 45)
    (warning,) = caplog.messages
    assert "is 20 min ahead of the database's (" in warning
    assert "The database's is used. Set the clock that is wrong" in warning


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (HOUR + timedelta(seconds=1), "is 60 min behind the database's"),
        (-26 * HOUR, "is 26 h ahead of the database's"),
        (48 * HOUR, "is 2 days behind the database's"),
    ],
)
def test_a_machine_clock_that_is_hours_wrong_is_refused(own: _ConfiguredClock, offset: timedelta, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        own.follow(offset)
    assert own.offset == timedelta(0)
