"""What a sandbox is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from youtube_sandbox.clock import ScheduleClock

__all__ = ["SandboxConfig"]


@dataclass(frozen=True)
class SandboxConfig:
    """All of a sandbox's options; the defaults are a fresh world, real time and YouTube's own limits.

    Attributes:
        host, port: where it listens; port 0 takes any free one.
        seed: the same seed gives the same world at the same schedule time.
        channels: channels of the seeded world.
        videos: videos that it publishes in a week of schedule time, on average.
        history_days: how far before its start a search without a window looks back, in schedule days.
        dataset: a CSV of daily view counts to replay instead of the seeded world.
        dataset_year: the year of the first row, for a data set whose dates have none; None: from the file's name, else
            the last year in which its dates have passed.
        keys: key → project. Empty: any key is accepted and is a project of its own.
        quota_search, quota_units, quota_batch: calls a day and project of the three buckets.
        listing_lag: seconds of schedule time after its publication before a video is found by a search.
        latency: seconds before each answer.
        faults: specifications as in `youtube_sandbox.faults.GRAMMAR`.
        log: file that gets every call as a line of JSON.
        clock: the schedule clock: a specification as in ATLAS_CLOCK, or an object with `now()`.
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
