"""Read times from options of commands."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import typer

from atlas.clock import clock
from atlas.times import duration

__all__ = ["moment", "span"]


def span(text: str | None, option: str) -> timedelta | None:
    """Return an option's span of time: `90s`, `20m`, `3h` or `2d`. Raises BadParameter."""
    if text is None:
        return None
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def moment(text: str | None, option: str) -> datetime | None:
    """Return an option's time: `90m`, `24h`, `7d` or `2w` ago by the schedule clock, or an ISO 8601 time (default UTC).

    Raises BadParameter.
    """
    if text is None:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return clock.now() - duration(text)
    try:
        found = datetime.fromisoformat(text.strip())
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"'{text}' is not a time; write 90m, 24h, 7d or 2w, or a time such as 2026-11-22T08:00:00Z",
            param_hint=option,
        ) from None
