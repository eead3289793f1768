"""Write times in one way, for people and for programs: ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

__all__ = ["ahead", "iso", "time_as_json"]


def iso(at: datetime, timespec: str = "seconds") -> str:
    """Return the time in UTC, such as ``2026-11-30T02:31:00Z``.

    Args:
        at: an aware time.
        timespec: the precision, as `datetime.isoformat` takes it.
    """
    return at.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


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
