"""Clocks for the sandbox: anything with `now()`; and one that tests move by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["ManualClock", "ScheduleClock"]


class ScheduleClock(Protocol):
    """What the sandbox needs of a clock (`atlas.clock.Clock` is one)."""

    def now(self) -> datetime:
        """The schedule time now (aware)."""


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The time it was set to (UTC)."""
        return self._now

    def advance(self, step: timedelta | None = None, **span: float) -> datetime:
        """Moves on by `step`, or by `hours=3`, `days=1` and so on as in timedelta; gives the new time."""
        self._now += step if step is not None else timedelta(**span)
        return self._now

    def set(self, time: datetime) -> None:
        """Shows this time (aware) from now on."""
        self._now = time.astimezone(UTC)
