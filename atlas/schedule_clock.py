"""Schedule clocks: real time, or time that runs faster.

Leases, timeouts and backoff never use it; they are real. A faster clock lets weeks of tracking pass in seconds, in
demos, tests and simulations. All processes of one run are given the same specification (``ATLAS_CLOCK``)::

    real                                                   the default
    3600x                                                  3,600 times faster, from the start of this process
    3600x@2026-11-22T08:00:00Z                             3,600 times faster from that real time on
    3600x@2026-11-22T08:00:00Z=2017-11-14T00:00:00Z        … and showing the second time at the first
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from atlas.errors import ConfigError

__all__ = ["LARGEST_OFFSET", "MAY_DIFFER", "NOISE", "WARNED_OFFSET", "Clock", "measured_offset"]

NOISE = timedelta(seconds=2)
"""Two clocks count as equal within this; measuring has errors."""
WARNED_OFFSET = timedelta(minutes=1)
MAY_DIFFER = timedelta(minutes=10)
"""Between two processes that follow one database (real time), with the wait of a statement."""
LARGEST_OFFSET = timedelta(hours=1)
"""If the clocks differ by more than this, no time of this process can be trusted."""

_SPEC = re.compile(r"(?P<speed>\d+(?:\.\d+)?)x(?:@(?P<real>[^=]+)(?:=(?P<shown>.+))?)?")
_LONGEST_RUN = timedelta(days=1)  # real time: no process runs longer
_YEARS = 1970, 9000  # leaves room on both sides for windows, ages and retention


def _instant(text: str, spec: str) -> datetime:
    try:
        value = datetime.fromisoformat(text.strip())
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"ATLAS_CLOCK: '{text}' in '{spec}' is not an ISO 8601 time; write it like 2026-11-22T08:00:00Z."
        ) from None


@dataclass(frozen=True)
class Clock:
    """A clock that runs at `speed` from `real_start` on, where it shows `shown_start` (UTC); None: real time."""

    speed: float = 1.0
    real_start: datetime = field(default_factory=lambda: datetime.now(UTC))
    shown_start: datetime | None = None

    @classmethod
    def parse(cls, spec: str, now: datetime | None = None) -> Clock:
        """Return the clock of a specification as in the module's text. Raise ConfigError naming ATLAS_CLOCK."""
        now = now or datetime.now(UTC)
        if spec.strip().lower() == "real":
            return cls()
        match = _SPEC.fullmatch(spec.strip())
        if not match or float(match["speed"]) <= 0:
            raise ConfigError(
                f"ATLAS_CLOCK: '{spec}' is not a clock; use 'real', or a speed such as '3600x', or "
                "'3600x@2026-11-22T08:00:00Z=2026-11-22T08:00:00Z' (speed@real start=schedule start)."
            )
        real = _instant(match["real"], spec) if match["real"] else now
        shown = _instant(match["shown"], spec) if match["shown"] else real
        clock = cls(float(match["speed"]), real, shown)
        try:
            shows = clock.at(now).year, clock.at(now + _LONGEST_RUN).year
        except OverflowError:
            shows = (0, 0)
        if min(shows) < _YEARS[0] or max(shows) > _YEARS[1]:
            raise ConfigError(
                f"ATLAS_CLOCK: '{spec}' leaves the calendar, {_YEARS[0]} to {_YEARS[1]}, within a day; "
                "use a lower speed or other times."
            )
        return clock

    def at(self, real: datetime) -> datetime:
        """Return what this clock shows at a real time (both aware, UTC)."""
        if self.shown_start is None:
            return real
        return self.shown_start + (real - self.real_start) * self.speed

    def now(self) -> datetime:
        """Return the schedule time now (aware, UTC)."""
        return self.at(datetime.now(UTC))

    def moved(self, by: timedelta) -> Clock:
        """Return this clock as if its process had started at a real time later by `by`."""
        shown = self.shown_start and self.shown_start + by
        return replace(self, real_start=self.real_start + by, shown_start=shown)

    def real_seconds(self, schedule: timedelta) -> float:
        """Return how many real seconds a span of schedule time takes."""
        return schedule.total_seconds() / self.speed

    def __str__(self) -> str:
        if self.shown_start is None:
            return "real"
        speed = f"{Decimal(repr(self.speed)):f}".removesuffix(".0")
        return f"{speed}x@{self.real_start.isoformat()}={self.shown_start.isoformat()}"


def measured_offset(database: datetime, asked: datetime, seconds: float) -> timedelta:
    """Return how far the database's clock is ahead of this machine's, which showed `asked`; zero where the two agree.

    The database read its clock about half-way through the seconds that the answer took; that half bounds the error.
    """
    half = timedelta(seconds=seconds / 2)
    offset = database - (asked + half)
    return offset if abs(offset) > NOISE + half else timedelta(0)
