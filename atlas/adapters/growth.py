"""GrowthDAO: which videos grow fast, their curves, and their breakouts."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from atlas.database import Database, database
from atlas.db.queries import bind, sql

__all__ = [
    "KINDS", "Breakout", "Forecast", "GrowthDAO", "Kind", "Outlook", "Point", "Riser", "Sort", "VideoGrowth", "Window",
    "gains",
]  # fmt: skip


class Kind(StrEnum):
    """The kind of a video; each is compared with its own."""

    VIDEO = "video"
    SHORT = "short"
    LIVE = "live"
    """Live or upcoming: it has no length yet."""


KINDS = {1: Kind.VIDEO, 2: Kind.SHORT, 3: Kind.LIVE}
"""As they are stored."""
_NUMBERS = {kind: number for number, kind in KINDS.items()}


class Window(StrEnum):
    """The time over which growth is measured, back from the last reading."""

    HOUR = "1h"
    """The last interval between two readings; as long as the zone's."""
    SIX_HOURS = "6h"
    DAY = "24h"


class Sort(StrEnum):
    """What videos are ranked by."""

    VIEWS_PER_HOUR = "views_per_hour"
    SCORE = "score"


class Point(NamedTuple):
    """One snapshot of a curve."""

    observed_at: datetime
    views: int


class Forecast(NamedTuple):
    """Expected views at an age, with the bounds of an 80 % interval."""

    low: float
    expected: float
    high: float


@dataclass(slots=True)  # not frozen, since a report makes 100,000
class VideoGrowth:
    """A video with at least two readings, and its growth. Rates are in views per hour, and may be negative."""

    video_id: str
    title: str | None
    channel_id: str | None
    channel: str | None
    kind: Kind
    zone: int
    published_at: datetime | None
    observed_at: datetime
    views: int
    views_per_hour: float
    """Between the last two readings."""
    views_per_hour_6h: float | None
    views_per_hour_24h: float | None
    usual_per_hour: float | None
    """The rate that videos like it usually have at this age; None: too little is known."""
    score: float | None
    """The breakout score."""
    breakout_at: datetime | None
    """When its breakout was detected; None: it is not breaking out."""
    forecast_24h: Forecast | None
    """Views 24 h after publication; None once it is older, or if too little is known."""
    forecast_7d: Forecast | None


@dataclass(slots=True)
class Riser(VideoGrowth):
    """A video of a ranking by growth."""

    category_id: int | None
    duration: timedelta | None
    first_seen_at: datetime
    found_by: str | None
    """The query whose search listed it first."""

    def rate(self, window: Window) -> float | None:
        """Return the views per hour over a window."""
        return {
            Window.HOUR: self.views_per_hour,
            Window.SIX_HOURS: self.views_per_hour_6h,
            Window.DAY: self.views_per_hour_24h,
        }[window]

    @property
    def times_usual(self) -> float | None:
        """Return how many times its usual rate it grows now."""
        return self.times(Window.HOUR)

    def times(self, window: Window) -> float | None:
        """Return how many times its usual rate it grew over a window."""
        rate = self.rate(window)
        return rate / self.usual_per_hour if self.usual_per_hour and rate is not None else None


@dataclass(frozen=True)
class Breakout:
    """One breakout of a video: the figures are of its detection, in views and views per hour."""

    id: int
    video_id: str
    title: str | None
    channel_id: str | None
    channel: str | None
    detected_at: datetime
    score: float
    views: int
    views_per_hour: float
    usual_per_hour: float | None
    peak_views_per_hour: float
    ended_at: datetime | None


@dataclass(frozen=True)
class Outlook:
    """Why there may be no growth to show yet."""

    any_video: bool
    any_growth: bool
    next_due: datetime | None
    """When the next reading of any video is due, by schedule time; it may have passed."""


class GrowthDAO:
    """Read what the Tracker computed of growth.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database = database) -> None:
        self._db = store

    async def risers(
        self, *, limit: int = 20, window: Window = Window.HOUR, sort: Sort = Sort.VIEWS_PER_HOUR, min_views: int = 0,
        kind: Kind | None = None, query: str | None = None, ids: Sequence[str] | None = None, retired: bool = False,
    ) -> list[Riser]:  # fmt: skip
        """Return the fastest videos.

        ``query``: only videos that a query containing this text has found. ``ids``: only these videos.
        ``retired``: also videos that are gone.
        """
        records = await self._db.fetch(
            *bind(
                "growth/rank_videos", period=window.value, min_views=min_views, kind=kind and _NUMBERS[kind],
                query=query, ids=None if ids is None else list(ids), by_score=sort is Sort.SCORE, limit=limit,
                retired=retired,
            )
        )  # fmt: skip
        return [_riser(record) for record in records]

    async def outlook(self) -> Outlook:
        """Return what explains an empty ranking."""
        (row,) = await self._db.fetch(sql("growth/growth_outlook"))
        return Outlook(**row)

    async def curves(
        self, ids: Sequence[str], *, most: int = 200, since: datetime | None = None
    ) -> dict[str, list[Point]]:
        """Return the latest snapshots that have views of each video, oldest first."""
        curves: dict[str, list[Point]] = defaultdict(list)
        for record in await self._db.fetch(sql("growth/list_curves"), list(ids), most, since):
            curves[record["video_id"]].append(Point(record["observed_at"], record["views"]))
        return dict(curves)

    async def breakouts(
        self, *, limit: int = 100, since: datetime | None = None, only_open: bool = False, video_id: str | None = None
    ) -> list[Breakout]:
        """Return breakouts, the latest first."""
        records = await self._db.fetch(sql("growth/list_breakouts"), limit, since, only_open, video_id)
        return [Breakout(**record) for record in records]


def gains(points: Sequence[Point]) -> list[float]:
    """Return the views per hour between each two snapshots."""
    return [
        (after.views - before.views) * 3600 / seconds
        for before, after in itertools.pairwise(points)
        if (seconds := (after.observed_at - before.observed_at).total_seconds()) > 0
    ]


def _riser(record: Mapping[str, Any]) -> Riser:
    row = dict(record)
    row["kind"] = KINDS[row["kind"]]
    row["found_by"] = row["found_by_query"]
    for name, age in (("forecast_24h", "24h"), ("forecast_7d", "7d")):
        low, expected, high = (row.pop(f"views_{age}{end}") for end in ("_low", "", "_high"))
        row[name] = None if expected is None else Forecast(low, expected, high)
    return Riser(**{each.name: row[each.name] for each in fields(Riser)})
