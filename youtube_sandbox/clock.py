"""Clocks for the sandbox: anything with `now()`; and one that tests move by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["ManualClock", "ScheduleClock"]


class ScheduleClock(Protocol):
    """What the sandbox needs of a clock (`atlas.clock.Clock` is one)."""

    def now(self) -> datetime:
        """Return the schedule time (aware)."""


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.set(start)

    def now(self) -> datetime:
        """Return the time that it was set to (UTC)."""
        return self._now

    def advance(self, **span: float) -> datetime:
        """Move on by `hours=3`, `days=1` and so on as in timedelta; return the new time."""
        self._now += timedelta(**span)
        return self._now

    def set(self, time: datetime) -> None:
        """Show this time (aware) from now on."""
        self._now = time.astimezone(UTC)
