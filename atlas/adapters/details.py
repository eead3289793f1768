"""DetailsDAO: everything known of one video or channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from atlas.adapters.growth import Breakout, GrowthDAO, Point, Riser
from atlas.database import Database, database
from atlas.db.queries import sql

__all__ = ["Channel", "DetailsDAO", "Rank", "Video"]


class Rank(NamedTuple):
    """The place of a video by views per hour among those of its kind and zone of age, from 1."""

    place: int
    videos: int


@dataclass(frozen=True)
class Video:
    """A video. Times are by the schedule; what is not known is None."""

    id: str
    title: str | None
    channel_id: str | None
    channel: str | None
    tags: Sequence[str]
    category_id: int | None
    duration: timedelta | None
    published_at: datetime | None
    first_seen_at: datetime
    found_by: str | None
    """The query that listed it first, as its user spelled it."""
    enriched_at: datetime | None
    archived_at: datetime | None
    zone: int
    due_at: datetime | None
    """Its next reading; None: never."""
    retired_at: datetime | None
    observed_at: datetime | None
    """Its last reading, with the counts that YouTube showed."""
    views: int | None
    likes: int | None
    comments: int | None
    growth: Riser | None
    rank: Rank | None
    curve: Sequence[Point]
    breakouts: Sequence[Breakout]


@dataclass(frozen=True)
class Channel:
    """A channel with its videos; totals are of those that are known, and growth of those with two readings."""

    id: str
    title: str | None
    first_seen_at: datetime | None
    videos: int
    tracked: int
    views: int | None
    views_per_hour: float | None
    fastest: Sequence[Riser]
    unranked: Sequence[str]
    """Ids of videos without growth, those that were found last first."""


class DetailsDAO:
    """Read, and change nothing.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database = database) -> None:
        self._db = store
        self._growth = GrowthDAO(store)

    async def video(self, id_: str, *, readings: int = 1_000) -> Video | None:
        """Return a video with its last readings; None: it is not known."""
        rows = await self._db.fetch(sql("details/find_video"), id_)
        if not rows:
            return None
        row = dict(rows[0])
        ranks = await self._db.fetch(sql("details/rank_video"), id_)
        curves = await self._growth.curves([id_], most=readings)
        risers = await self._growth.risers(ids=[id_], retired=True)
        taken = {name: row[name] for name in Video.__dataclass_fields__ if name in row}
        return Video(
            **taken | {"tags": row["tags"] or (), "found_by": row["found_by_query"]},
            growth=risers[0] if risers else None,
            rank=Rank(**ranks[0]) if ranks else None,
            curve=curves.get(id_, ()),
            breakouts=await self._growth.breakouts(video_id=id_),
        )

    async def channel(self, id_: str, *, limit: int = 10) -> Channel | None:
        """Return a channel with at most ``limit`` of its videos; None: it is not known."""
        rows = await self._db.fetch(sql("details/find_channel"), id_, limit)
        if not rows:
            return None
        row = dict(rows[0])
        fastest = await self._growth.risers(ids=row.pop("fastest"), limit=limit)
        return Channel(id=id_, fastest=fastest, **row)
