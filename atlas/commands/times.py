"""Read times from options of commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

from atlas.clock import clock

__all__ = ["moment"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str | None, option: str) -> datetime | None:
    """Return an option's time: `90m`, `24h`, `7d` or `2w` ago by the schedule clock, or an ISO 8601 time (default UTC).

    Raises BadParameter.
    """
    if text is None:
        return None
    try:
        if span := re.fullmatch(r"(\d{1,7})([mhdw])", text.strip()):
            return clock.now() - timedelta(**{_UNITS[span[2]]: int(span[1])})
        found = datetime.fromisoformat(text.strip())
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"'{text}' is not a time; write 90m, 24h, 7d or 2w, or a time such as 2026-11-22T08:00:00Z",
            param_hint=option,
        ) from None
