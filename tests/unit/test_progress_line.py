"""How a run of several cycles says how far it is: a live line on a terminal, a line of the log a minute elsewhere."""

from __future__ import annotations

import io
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from maia.agents import progress
from maia.agents.progress import Progress, RunProgress
from maia.agents.session import AgentSession
from maia.runtime.live_line import LiveLine
from maia.runtime.shutdown import Shutdown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (Progress("tracker"), "tracker: cycle 0, 0 videos/min"),
        (
            Progress("tracker", 3, 3_000, 30, left=4_000, seconds_left=600),
            "tracker: cycle 3, 6,000 videos/min, 4,000 videos due, 40s left",
        ),
        (
            Progress("tracker", 3, 3_000, 30, left=5_000, seconds_left=600),
            "tracker: cycle 3, 6,000 videos/min, 5,000 or more videos due, 10m left",
        ),
        (
            Progress("tracker", 3, 3_000, 30, left=0, seconds_left=-5),
            "tracker: cycle 3, 6,000 videos/min, 0 videos due, 0s left",
        ),
        (Progress("hunter", 2, 90, 60, cycles=6), "hunter: cycle 2 of 6, 90 new videos/min, 2m left"),
        (Progress("hunter", 0, 0, 60, cycles=6), "hunter: cycle 0 of 6, 0 new videos/min"),
        (Progress("hunter", 1, 0, 0.0, left=7), "hunter: cycle 1, 0 new videos/min, 7 queries due"),
    ],
)
def test_progress_names_cycle_rate_rest_and_time_left(given: Progress, shown: str) -> None:
    assert str(given) == shown


def screen(written: str) -> list[str]:
    """Return the lines of a terminal after this output: carriage returns, line ends, and erasing to the right."""
    lines = []
    for line in written.split("\n"):
        cells = ""
        for part in line.split("\r"):
            text, erases, rest = part.partition("\x1b[K")
            cells = text + ("" if erases else cells[len(text) :]) + rest
        lines.append(cells)
    return lines


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 40 columns to which the log goes."""
    stream = io.StringIO()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(stream)])
    monkeypatch.setattr(progress, "LiveLine", lambda: LiveLine(stream))
    return stream


def test_log_lines_are_whole_and_above_the_line_and_nothing_is_left_of_it(terminal: io.StringIO) -> None:
    logger = logging.getLogger("maia.test")
    logger.setLevel(logging.INFO)
    with LiveLine(terminal) as line:
        line.show("a long line of progress")
        logger.info("first")
        line.show("shorter")
        assert screen(terminal.getvalue()) == ["first", "shorter"]
        line.show("x" * 100 + "\x1b[2J\n")
        assert screen(terminal.getvalue())[-1] == "x" * 38 + "…"
        logger.info("second")
    assert screen(terminal.getvalue()) == ["first", "second", ""]
    assert "\x1b[?25l" not in terminal.getvalue(), "no cursor is hidden"
    assert not logging.getLogger().handlers[0].filters
    line.show("too late")
    assert "too late" not in terminal.getvalue()


def test_a_terminal_that_went_away_ends_no_run() -> None:
    stream = io.StringIO()
    with LiveLine(stream) as line:
        stream.close()
        line.show("text")
        line.erase()


def session_of(agent: str, shutdown: Shutdown | None = None) -> AgentSession:
    return cast("AgentSession", SimpleNamespace(agent=agent, shutdown=shutdown or Shutdown()))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A monotonic clock that the test moves, and counts of what is left."""
    found = SimpleNamespace(now=1_000.0, counts=0)

    async def left(_self: RunProgress) -> int:
        found.counts += 1
        return 70

    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: found.now))
    monkeypatch.setattr(RunProgress, "_left", left)
    return found


async def test_elsewhere_there_is_a_line_a_minute_and_no_more(
    clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="maia")
    async with RunProgress(session_of("tracker"), 1, clock.now + 600).shown() as shown:
        for number in range(1, 301):
            clock.now += 1
            await shown.cycle_ended(number, {"targets": 100})
    assert [record.getMessage() for record in caplog.records][::4] == [
        "tracker: cycle 60, 6,000 videos/min, 70 videos due, 0s left",
        "tracker: cycle 300, 6,000 videos/min, 70 videos due, 0s left",
    ]
    assert (len(caplog.records), clock.counts) == (5, 5)


async def test_a_run_of_one_cycle_shows_and_counts_nothing(
    clock: SimpleNamespace, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "log_is_on_terminal", lambda: True)
    async with RunProgress(session_of("hunter"), 1, None).shown() as shown:
        clock.now += 100
        await shown.cycle_ended(1, {"videos_new": 3})
    assert (terminal.getvalue(), clock.counts) == ("", 0)


async def test_on_a_terminal_ctrl_c_erases_the_line_at_once_and_for_good(
    clock: SimpleNamespace, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "log_is_on_terminal", lambda: True)
    erased: Any = None
    shutdown = Shutdown()
    async with RunProgress(session_of("tracker", shutdown), 4, None).shown() as shown:
        clock.now += 10
        await shown.cycle_ended(1, {"targets": 100})
        assert await shutdown.wait(0.01) is False  # the line is shown by a task
        assert screen(terminal.getvalue())[-1].startswith("tracker: cycle 1 of 4")
        shutdown.cancel(2)
        await shutdown.wait(0)
        erased = screen(terminal.getvalue())
    assert erased == screen(terminal.getvalue()) == [""]
