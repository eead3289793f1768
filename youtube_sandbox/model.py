"""What a world consists of: channels and videos. Times are seconds since 1970 of the schedule clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atlas.times import iso

if TYPE_CHECKING:
    from youtube_sandbox.curves import CountCurve, Counts


@dataclass(slots=True, eq=False)
class Channel:
    """A channel; `popularity` and `theme` (the number of what it publishes about) matter in seeded worlds only."""

    id: str
    title: str
    description: str
    handle: str
    published: int
    country: str
    subscribers: int
    popularity: float = 1.0
    theme: int = 0


@dataclass(slots=True, eq=False)
class Video:
    """A video. Only its counts, and whether it is live or deleted, change with time."""

    id: str
    channel: Channel
    title: str
    description: str
    tags: tuple[str, ...]
    category: int
    published: int
    duration: int  # seconds
    curve: CountCurve
    deleted: float | None = None  # from when on it is gone (deleted or made private)
    live_until: int = 0  # until when it is a live broadcast; 0 when it never was
    pieces: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)  # of its JSON: those that never change

    def alive(self, at: float) -> bool:
        """Return whether it is published and not yet gone."""
        return self.published <= at and (self.deleted is None or at < self.deleted)

    def live(self, at: float) -> bool:
        """Return whether it is a running live broadcast."""
        return at < self.live_until

    def counts(self, at: float) -> Counts:
        """Return its counts as the API shows them at this time."""
        return self.curve.counts(at)


def handle(title: str, number: int | str = "") -> str:
    """Return a channel's handle, made from its title."""
    return "@" + "".join(letter for letter in title.casefold() if letter.isalnum()) + str(number)


def timestamp(seconds: float) -> str:
    """Return an RFC 3339 time in UTC with whole seconds, as the API writes it."""
    return iso(datetime.fromtimestamp(int(seconds), UTC))


def iso_duration(seconds: int) -> str:
    """Return an ISO 8601 duration as the API writes it: PT1H2M3S, and P0D for a broadcast that has no length yet."""
    if seconds <= 0:
        return "P0D"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M"), (rest, "S")) if amount)
    return "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
