"""What a sandbox is started with, and a clock that tests move by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class ScheduleClock(Protocol):
    """What the sandbox needs of a clock (`atlas.clock.Clock` is one)."""

    def now(self) -> datetime:
        """Return the schedule time (aware)."""


class ManualClock:
    """A clock that changes only when it is moved."""

    def __init__(self, start: datetime) -> None:
        self.set(start)

    def now(self) -> datetime:
        """Return the time that it was set to (UTC)."""
        return self._now

    def advance(self, **span: float) -> datetime:
        """Move on by `hours=3`, `days=1` and so on as in timedelta; return the new time."""
        self._now += timedelta(**span)
        return self._now

    def set(self, time: datetime) -> None:
        """Show this time (aware) from now on."""
        self._now = time.astimezone(UTC)


@dataclass(frozen=True)
class SandboxConfig:
    """All of a sandbox's options; the defaults are a fresh world, real time and YouTube's own limits.

    `maia sandbox --help` explains them. Here, port 0 takes any free one; `keys` is key → project, and when it is empty
    any key is accepted and is a project of its own; `clock` is a specification as in ATLAS_CLOCK, or an object with
    `now()`. The quotas are calls a day and project (YouTube: determine_quota_cost, 2026-06-01).
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    channels: int = 400
    videos: int = 7_000
    history_days: float = 14.0
    dataset: Path | None = None
    dataset_year: int | None = None
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    quota_search: int = 100
    quota_units: int = 10_000
    quota_batch: int = 10_000
    listing_lag: float = 0.0
    latency: float = 0.0
    faults: tuple[str, ...] = ()
    log: Path | None = None
    clock: str | ScheduleClock = "real"
