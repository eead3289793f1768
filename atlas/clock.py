"""``clock``, the process's schedule clock: what ages, due times, search windows and the quota day follow.

It is the one that ``ATLAS_CLOCK`` asks for, see ``atlas.clocks``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from atlas.clocks import Clock
from atlas.config import settings

__all__ = ["Clock", "clock"]


class _ConfiguredClock:
    """The clock that ATLAS_CLOCK asks for, read at first use: importing this module reads nothing."""

    def __init__(self) -> None:
        self._spec: str | None = None
        self._clock = Clock()

    def _current(self) -> Clock:
        if settings.atlas_clock != self._spec:
            self._clock = Clock.parse(settings.atlas_clock)
            self._spec = settings.atlas_clock
        return self._clock

    @property
    def speed(self) -> float:
        return self._current().speed

    def now(self) -> datetime:
        return self._current().now()

    def at(self, real: datetime) -> datetime:
        return self._current().at(real)

    def real_seconds(self, schedule: timedelta) -> float:
        return self._current().real_seconds(schedule)

    def __str__(self) -> str:
        return str(self._current())


clock = _ConfiguredClock()
