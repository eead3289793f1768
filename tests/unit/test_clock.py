"""The schedule clock and its specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.clock import Clock, _ConfiguredClock, clock
from atlas.config import settings
from atlas.errors import ConfigError
from atlas.schedule_clock import measured_offset

START = datetime(2026, 11, 22, 8, tzinfo=UTC)


def test_the_real_clock_shows_real_time() -> None:
    for spec in ("real", " Real "):
        real = Clock.parse(spec)
        assert real.at(START) == START
        assert real.speed == 1
        assert real.real_seconds(timedelta(hours=1)) == 3600
        assert str(real) == "real"
        assert abs(real.now() - datetime.now(UTC)) < timedelta(minutes=1)


def today() -> datetime:
    """Return the last midnight UTC. A fast clock that started years ago has left the calendar by now."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_from_its_start_on_it_runs_faster() -> None:
    start = today()
    fast = Clock.parse(f"3600x@{start.isoformat()}")
    assert fast.at(start) == start
    assert fast.at(start + timedelta(seconds=24)) == start + timedelta(days=1)
    assert fast.real_seconds(timedelta(hours=6)) == 6


def test_it_may_show_another_time_at_its_start() -> None:
    start = today()
    replay = Clock.parse(f"60x@{start.isoformat()}=2017-11-14T00:00:00Z")
    assert replay.at(start) == datetime(2017, 11, 14, tzinfo=UTC)
    assert replay.at(start + timedelta(minutes=1)) == datetime(2017, 11, 14, 1, tzinfo=UTC)


def test_it_may_run_slower() -> None:
    assert Clock.parse("0.5x@2026-11-22T08:00:00Z").at(START + timedelta(seconds=2)) == START + timedelta(seconds=1)


def test_without_a_start_it_begins_now() -> None:
    before = datetime.now(UTC)
    fast = Clock.parse("10x")
    assert before <= fast.real_start <= datetime.now(UTC)
    assert fast.shown_start == fast.real_start


@pytest.mark.parametrize(
    "spec",
    [
        "3600x@{day}T08:00:00Z",
        "3600x@{day}T08:00:00+05:30=2017-11-14T00:00:00-08:00",
        "0.000001x@2026-11-22T08:00:00Z",
        "123.25x@{day}T08:00:00Z=2017-11-14",
        "1234567x",
    ],
)
def test_a_clock_is_given_to_other_processes_by_its_text(spec: str) -> None:
    made = Clock.parse(spec.format(day=today().date()))
    again = Clock.parse(str(made))
    assert again == made
    moment = made.real_start + timedelta(seconds=1)
    assert again.at(moment) == made.at(moment)


@pytest.mark.parametrize(("text", "hour"), [("2026-11-22T08:00:00", 8), ("2026-11-22T08:00:00+02:00", 6)])
def test_times_without_a_zone_are_utc_and_others_become_utc(text: str, hour: int) -> None:
    made = Clock.parse(f"2x@{text}")
    assert made.real_start == datetime(2026, 11, 22, hour, tzinfo=UTC)
    assert made.now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "spec", ["", "fast", "x", "0x", "-1x", "1e3x", "2x@", "2x@soon", "2x@2026-11-22=", "2x@2026-13-01", "2x=2026-01-01"]
)
def test_anything_else_is_a_config_error_that_names_the_variable(spec: str) -> None:
    with pytest.raises(ConfigError, match="ATLAS_CLOCK"):
        Clock.parse(spec)


def test_a_speed_that_leaves_the_calendar_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"ATLAS_CLOCK.*calendar"):
        Clock.parse("99999999999x@2026-11-22T08:00:00Z")


def test_the_process_clock_follows_the_setting() -> None:
    assert clock.speed == 1
    assert str(clock) == "real"
    start = today()
    with settings.override(atlas_clock=f"7200x@{start.isoformat()}=2030-01-01T00:00:00Z"):
        assert clock.speed == 7200
        assert clock.at(start) == datetime(2030, 1, 1, tzinfo=UTC)
        assert clock.real_seconds(timedelta(hours=2)) == 1
        assert str(clock) == f"7200x@{start.isoformat()}=2030-01-01T00:00:00+00:00"
    assert clock.speed == 1
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_without_a_start_the_process_clock_starts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_CLOCK", "1000x")
    settings.reload()
    assert str(clock) == str(clock)
    start = today()
    assert clock.at(start) == clock.at(start)


# ── the database's clock ────────────────────────────────────────────────────────────────────────────────────────────

SHOWN = "3600x@{day}T00:00:00Z=2030-01-01T00:00:00Z"


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
        (SHOWN, timedelta(hours=1200)),  # the moment at which it begins is real time
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
        late = timedelta(seconds=30 * own.speed)
        assert abs(own.now() - other.now() - ahead) < late
        assert own.offset == timedelta(minutes=20)


def test_a_clock_does_not_jump_by_the_error_of_measuring(own: _ConfiguredClock) -> None:
    for measured, followed in ((60, 60), (61.5, 60), (59, 60), (63, 63), (0, 0)):
        own.follow(timedelta(seconds=measured))
        assert own.offset == timedelta(seconds=followed)


def test_a_machine_clock_that_is_minutes_wrong_is_a_warning_once(
    own: _ConfiguredClock, caplog: pytest.LogCaptureFixture
) -> None:
    own.follow(timedelta(seconds=45))
    assert not caplog.messages
    own.follow(timedelta(minutes=-20))
    own.follow(timedelta(minutes=30))
    (said,) = caplog.messages
    assert "is 20 min ahead of the database's (" in said
    assert "The database's is used. Set the clock that is wrong" in said


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (timedelta(hours=1, seconds=1), "is 60 min behind the database's"),
        (timedelta(hours=-26), "is 26 h ahead of the database's"),
        (timedelta(days=2), "is 2 days behind the database's"),
    ],
)
def test_a_machine_clock_that_is_hours_wrong_is_refused(own: _ConfiguredClock, offset: timedelta, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        own.follow(offset)
    assert own.offset == timedelta(0)
