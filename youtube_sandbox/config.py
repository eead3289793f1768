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
