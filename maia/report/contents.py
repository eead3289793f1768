"""What the page of `maia report` shows, as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from atlas.adapters.growth import Point, VideoGrowth
from atlas.adapters.report_page import Day, Freeze, QueryYield, RunMark, SearchGap

__all__ = [
    "BreakInCollection", "Counted", "Day", "Freeze", "Head", "Newest", "QueryYield", "Quota", "RecentBreakout",
    "Retention", "RunMark", "SearchGap", "Video", "ZoneDay", "ZoneFreshness",
]  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """A count, which may have been given up: then ``number`` is a lower bound or an estimate."""

    number: int
    exact: bool


@dataclass(frozen=True)
class Newest:
    """How old the data is."""

    at: datetime | None
    """The newest snapshot; None: there is none."""
    promised_by: datetime | None
    """When the next one is late: ``at`` and the promise of the fastest zone that has videos."""
    late: bool


@dataclass(frozen=True)
class ZoneDay:
    """How well a zone's promise was kept on a day, in a sample of videos."""

    day: date
    intervals: int
    """Times between two successive snapshots that ended on that day, of sampled videos."""
    kept: int
    """Those of them that were within the promise."""


@dataclass(frozen=True)
class ZoneFreshness:
    """How fresh a zone is. A promise: two successive snapshots of a video lie at most that far apart."""

    zone: int
    interval_hours: float
    promise_hours: float
    tracked: Counted
    due: Counted
    """Videos whose next snapshot is due and that no shard has claimed."""
    looked_at: int
    """Videos of the zone whose last reading was looked at: all or, of very many, a bounded number."""
    fresh: int
    """Those of them that were last read within the promise."""
    days: Sequence[ZoneDay]
    """Oldest first, of the sample."""


@dataclass(slots=True)  # not frozen, since a report makes 100,000
class Video(VideoGrowth):
    """One video of the table, with its sparkline and curve."""

    sparkline_from: datetime | None = None
    sparkline: Sequence[int] | None = None
    """Gains in 24 equal parts of the time from ``sparkline_from`` to ``observed_at``: 0 none, 7 the largest."""
    curve: Sequence[Point] = ()
    """Oldest first; only of the fastest videos."""


@dataclass(frozen=True)
class RecentBreakout:
    """A breakout; the figures are of its detection, in views and views per hour."""

    video_id: str
    title: str | None
    channel: str | None
    detected_at: datetime
    ended_at: datetime | None
    score: float
    views: int
    views_per_hour: float
    usual_per_hour: float | None
    peak_views_per_hour: float


@dataclass(frozen=True)
class Quota:
    """A bucket of the Pacific day, summed over all keys, in calls."""

    bucket: str
    spent: int
    refused: int
    """Calls that YouTube refused for quota, rate or key: they cost nothing."""
    limit: int | None
    """What the configured keys may spend a day; None: no key is configured here."""
    left: int | None
    resets_at: datetime


@dataclass(frozen=True)
class BreakInCollection:
    """Whole hours in which a video of the sample waited for longer than was promised, and none of them was read."""

    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Retention:
    """For how many days what is kept."""

    statistics_days: int
    metadata_days: int
    retired_days: int
    events_days: int


@dataclass(frozen=True)
class Head:
    """Everything but the videos. Lists are bounded; where one was cut, the number of all is beside it."""

    title: str
    version: str
    """Maia's."""
    generated_at: datetime
    days: int
    """Curves, breakouts, runs, gaps and days go back this far."""
    time_zone: str
    """In which people read times, such as ``Europe/Berlin``."""
    newest: Newest
    tracked: Counted
    """Tracked videos; those without two readings are in no list."""
    snapshots: Counted
    channels: Counted
    videos: int
    """Videos in the block."""
    left_out: int
    """Slower videos that the limit left out of the block."""
    breakout_min_score: float
    breakout_min_views_per_hour: int
    zones: Sequence[ZoneFreshness]
    sample: int
    """Videos of the sample, from which days of zones and breaks are computed."""
    sample_is_all: bool
    """Whether these are all tracked videos."""
    breakouts: Sequence[RecentBreakout]
    """The latest first."""
    breakouts_number: int
    """Of the days; the list may be shorter."""
    open_breakouts: int
    """That have not ended, whenever they began."""
    discovery: Sequence[Day]
    """Oldest first, each day of the days."""
    queries: Sequence[QueryYield]
    """The most new videos first."""
    queries_number: int
    quota: Sequence[Quota]
    quota_missing: str | None
    """Why there is no quota; None: there is."""
    runs: Sequence[RunMark]
    """The latest first."""
    runs_number: int
    search_gaps: Sequence[SearchGap]
    """The latest first."""
    search_gaps_number: int
    breaks: Sequence[BreakInCollection]
    """Oldest first."""
    freezes: Sequence[Freeze]
    """Oldest first."""
    retention: Retention
