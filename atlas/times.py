"""Write times in one way: ISO 8601, in UTC or, where people read them, in DISPLAY_TIME_ZONE."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from atlas.config import settings

__all__ = ["ahead", "duration", "iso", "local", "time_as_json"]


_DURATION = re.compile(r"(\d{1,7})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """Return the span of time that a person wrote: ``90s``, ``20m``, ``3h``, ``2d`` or ``2w``. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is not a duration; write 90s, 20m, 3h or 2d")
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise ValueError(f"'{text}' is longer than any calendar") from None


def iso(at: datetime, timespec: str = "seconds") -> str:
    """Return an aware time in UTC, such as ``2026-11-30T02:31:00Z``; `timespec` as `datetime.isoformat` takes it."""
    return at.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def local(at: datetime, timespec: str = "minutes", zone: str | None = None) -> str:
    """Return an aware time in DISPLAY_TIME_ZONE with its offset, such as ``2026-11-30T03:31+01:00``; UTC is ``Z``.

    For what a command prints to people; JSON, logs and files stay in UTC. ``zone``: another time zone.
    """
    shown = at.astimezone(ZoneInfo(zone or settings.display_time_zone))
    if not shown.utcoffset():
        return iso(at, timespec)
    return shown.isoformat(timespec=timespec)


def ahead(at: datetime, now: datetime) -> str:
    """Return the time and its distance from now, such as ``2026-11-30T08:00:00Z (in 5.5 h)``."""
    return f"{iso(at)} (in {max(0.0, (at - now).total_seconds()) / 3600:.1f} h)"


def time_as_json(value: Any) -> str:
    """Return a time for JSON, always with microseconds, since some readers infer the form from the first value.

    For orjson's `default`, with `OPT_PASSTHROUGH_DATETIME`. Raises TypeError for any other value.
    """
    if isinstance(value, datetime):
        return iso(value, "microseconds")
    raise TypeError(f"{type(value).__name__} is not JSON")
