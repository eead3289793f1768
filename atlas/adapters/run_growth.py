"""RunGrowthDAO: what a run of the Tracker changed among the fastest videos."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from atlas.database import Database, database
from atlas.db.queries import bind, sql

__all__ = ["Mover", "RunGrowthDAO"]

_DEPTH = 100
"""Number of places in a ranking; a video further down has no place."""
_CANDIDATES = 5_000
"""Videos whose earlier rate is computed from snapshots, which bounds the cost."""


@dataclass(frozen=True)
class Mover:
    """A video that is, or was, among the fastest. Rates are in views per hour."""

    video_id: str
    title: str | None
    before: int | None
    """Its place before, from 1; None: further down, or without two readings."""
    after: int | None
    rate_before: float | None
    rate_after: float | None


class RunGrowthDAO:
    """Read growth since a time.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database = database) -> None:
        self._db = store

    async def fastest_since(self, since: datetime, limit: int) -> list[str]:
        """Return the ids of the fastest videos among those read since then (schedule time), the fastest first."""
        return [row["video_id"] for row in await self._db.fetch(sql("growth/fastest_since"), since, limit)]

    async def movers(self, since: datetime, most: int) -> list[Mover]:
        """Return every video that was among the `most` fastest before that time (schedule time), or is now.

        Ordered by the place now. Places beyond 100 are not known.
        """
        records = await self._db.fetch(
            *bind("growth/rank_movers", since=since, most=most, depth=_DEPTH, candidates=_CANDIDATES)
        )
        return [Mover(**record) for record in records]
