"""`clock`, the process's schedule clock, for ages, due times, search windows and the quota day.

ATLAS_CLOCK sets it, see `atlas.schedule_clock`. Real time is the database's, since machines that work on one database
must agree about the time. The difference to this machine's clock is measured when the process connects.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from atlas.config import settings
from atlas.errors import ConfigError
from atlas.schedule_clock import LARGEST_OFFSET, MAY_DIFFER, NOISE, WARNED_OFFSET, Clock
from atlas.times import iso

__all__ = ["Clock", "clock"]

logger = logging.getLogger(__name__)


class _ConfiguredClock:
    """The clock of ATLAS_CLOCK, read at first use."""

    def __init__(self) -> None:
        self._spec: str | None = None
        self._clock = Clock()
        self._offset = timedelta(0)
        self._warned = False

    def _current(self) -> Clock:
        if settings.atlas_clock != self._spec:
            self._clock = Clock.parse(settings.atlas_clock, self.real())
            self._spec = settings.atlas_clock
        return self._clock

    @property
    def offset(self) -> timedelta:
        """How far the database's clock is ahead of this machine's; zero before it was measured."""
        return self._offset

    def follow(self, offset: timedelta) -> None:
        """Take real time from now on from the database's clock, which is ahead of this machine's by the offset.

        Log a warning, once per process, for more than a minute. Raise ConfigError for more than an hour.
        """
        if abs(offset - self._offset) <= NOISE:
            return  # within the error of measurement
        if abs(offset) > LARGEST_OFFSET:
            raise ConfigError(f"{self._difference(offset)} {_REMEDY}")
        if abs(offset) > WARNED_OFFSET and not self._warned:
            self._warned = True
            logger.warning("%s The database's is used. %s", self._difference(offset), _REMEDY)
        if self._spec is not None and "@" not in self._spec:  # its start was read from this machine's clock
            self._clock = self._clock.moved(offset - self._offset)
        self._offset = offset

    @staticmethod
    def _difference(offset: timedelta) -> str:
        machine = datetime.now(UTC)
        side = "ahead of" if offset < timedelta(0) else "behind"
        return (
            f"This machine's clock ({iso(machine)}) is {_span(abs(offset))} {side} the database's "
            f"({iso(machine + offset)})."
        )

    @property
    def speed(self) -> float:
        return self._current().speed

    @property
    def tolerance(self) -> timedelta:
        """How far ahead of this clock another process's time may be; a time further ahead is wrong."""
        return MAY_DIFFER * max(1.0, self.speed)

    @property
    def is_real(self) -> bool:
        """Whether it shows real time."""
        return str(self) == "real"

    def real(self) -> datetime:
        """Return the real time now, by the database's clock (aware, UTC)."""
        return datetime.now(UTC) + self._offset

    def now(self) -> datetime:
        """Return the schedule time now (aware, UTC)."""
        return self._current().at(self.real())

    def at(self, real: datetime) -> datetime:
        return self._current().at(real)

    def real_seconds(self, schedule: timedelta) -> float:
        return self._current().real_seconds(schedule)

    def __str__(self) -> str:
        return str(self._current())


_REMEDY = "Set the clock that is wrong, by NTP where possible (timedatectl set-ntp true)."


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


clock = _ConfiguredClock()
