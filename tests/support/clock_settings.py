"""Values of ATLAS_CLOCK for tests: the schedule clock of a test and of its child processes."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["running_from", "standing_at"]


def standing_at(moment: datetime) -> str:
    """Return a clock that stands nearly still at this moment: a second of it is some 12 days of real time."""
    return f"0.000001x@{datetime.now(UTC).isoformat()}={moment.isoformat()}"


def running_from(moment: datetime, *, speed: int = 1) -> str:
    """Return a clock that runs from this moment: as real time does, or `speed` times as fast.

    A fast clock needs a beginning far from the borders of its days: at 3600x from now, one test in 24 begins within
    a second of a midnight.
    """
    return f"{speed}x@{datetime.now(UTC).isoformat()}={moment.isoformat()}"
