"""What a world consists of: channels and videos."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atlas.times import iso

if TYPE_CHECKING:
    from youtube_sandbox.curves import Counts, Growth

__all__ = ["Channel", "Video", "iso_duration", "timestamp"]


@dataclass(slots=True, eq=False)
class Channel:
    """A channel. Times are seconds since 1970 of the schedule clock."""

    id: str
    title: str
    description: str
    handle: str
    published: int
    country: str
    subscribers: int
    popularity: float
    theme: int
    """Number of the theme that it publishes about (seeded worlds)."""


@dataclass(slots=True, eq=False)
class Video:
    """A video; everything but its counts and its life is fixed. Times are seconds since 1970 of the schedule clock."""

    id: str
    channel: Channel
    title: str
    description: str
    tags: tuple[str, ...]
    category: int
    published: int
    duration: int
    """Seconds."""
    growth: Growth
    deleted: float | None = None
    """From when on it is gone (deleted or made private)."""
    live_until: int = 0
    """Until when it is a live broadcast; 0 when it never was."""
    born_known: bool = True
    """False where a data set has no publish time: `published` is then the day on which it was first seen."""
    pieces: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    """Parts of its JSON that never change, kept once they were asked for."""

    def alive(self, at: float) -> bool:
        """Whether it is published and not yet gone."""
        return self.published <= at and (self.deleted is None or at < self.deleted)

    def live(self, at: float) -> bool:
        """Whether it is a running live broadcast."""
        return at < self.live_until

    def counts(self, at: float) -> Counts:
        """What the API says of it at this time."""
        return self.growth.counts(at)


def timestamp(seconds: float) -> str:
    """An RFC 3339 time in UTC with whole seconds, as the API writes it."""
    return iso(datetime.fromtimestamp(int(seconds), UTC))


def iso_duration(seconds: int) -> str:
    """An ISO 8601 duration as the API writes it: PT1H2M3S, and P0D for a broadcast that has no length yet."""
    if seconds <= 0:
        return "P0D"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if amount)
    return "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
