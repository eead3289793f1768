"""OverviewDAO: how fresh the data is against what each zone promises, what is next, and what is worth attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlas import policy
from atlas.adapters.report import Tally
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import bind, sql

__all__ = ["Overview", "OverviewDAO", "ZoneState"]

COUNTED = 20_000
"""Videos of a zone are counted no further than this; where there are more, a sample says how many."""
_SAMPLED_PAGES = 1_000
_COUNTED_EVENTS = 1_000


@dataclass(frozen=True)
class ZoneState:
    """How fresh the videos of one zone are. A promise: two successive snapshots lie at most 1.5 intervals apart."""

    zone: int
    interval: timedelta
    promise: timedelta
    tracked: Tally
    due: Tally
    """Due now, also while a shard reads them."""
    late: Tally
    """Not read within the promise."""
    oldest_due: datetime | None
    """The earliest due time that has come."""

    @property
    def share_kept(self) -> float | None:
        """Return the share of videos within the promise now, from 0 to 1; None if there are none."""
        tracked = self.tracked.likely
        return max(0.0, 1 - self.late.likely / tracked) if tracked else None

    @property
    def is_stale(self) -> bool:
        """Whether fewer videos are within the promise than the zone should have."""
        share = self.share_kept
        return share is not None and share < policy.FRESH_SHARE

    def lateness(self, now: datetime) -> timedelta:
        """Return how long ago the video that waits longest was due."""
        return max(timedelta(), now - self.oldest_due) if self.oldest_due else timedelta()


@dataclass(frozen=True)
class Overview:
    """The state of the data at one moment. Times are of the schedule clock, in UTC."""

    at: datetime
    any_video: bool
    newest: datetime | None
    """The newest snapshot of a tracked video."""
    zones: Sequence[ZoneState]
    next_reading: datetime | None
    """When the Tracker has work next; None: no video is tracked. In the past: now."""
    queries: int
    """Queries of the queue, counted up to 1,000."""
    paused: int
    due_queries: int
    next_search: datetime | None
    frozen_since: datetime | None
    """Since when YouTube's counts stand still."""
    open_breakouts: int
    search_gaps: int
    """Events of the last 24 h, as are the failures of the archive; counted up to 1,000."""
    archive_failures: int

    @property
    def promise(self) -> timedelta:
        """Return the promise of the fastest zone that has videos: the newest snapshot should be no older."""
        found = (zone.promise for zone in self.zones if zone.tracked.number)
        return min(found, default=policy.promise(policy.ZONES[0].interval))


class OverviewDAO:
    """Reads, and changes nothing. Every count is bounded, and none reads snapshots."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def read(self, *, limit: int = COUNTED) -> Overview:
        """Return the state of now; videos of a zone are counted up to ``limit``."""
        now = clock.now()
        numbers = [zone.number for zone in policy.ZONES]
        broken = [now + zone.interval - policy.promise(zone.interval) for zone in policy.ZONES]
        ends = [now + zone.interval for zone in policy.ZONES]
        statement = bind(
            "report/zone_freshness", zones=numbers, broken_before=broken, due_until=ends, limit=limit, now=now
        )
        rows = await self._db.fetch(*statement)
        sampled: dict[int, Any] = {}
        if any(row["tracked"] >= limit for row in rows):
            sample = await self._db.fetch(sql("report/sample_freshness"), _SAMPLED_PAGES, now, numbers, broken)
            sampled = {row["zone"]: row for row in sample}
        zones = []
        for zone, row in zip(policy.ZONES, rows, strict=True):
            tracked, due, late = (
                _tally(row[name], limit, name, sampled.get(zone.number)) for name in ("tracked", "due", "late")
            )
            promise = policy.promise(zone.interval)
            zones.append(ZoneState(zone.number, zone.interval, promise, tracked, due, late, row["oldest_due"]))
        (notable,) = await self._db.fetch(sql("report/notable"), _COUNTED_EVENTS, now - timedelta(days=1))
        (outlook,) = await self._db.fetch(sql("tracker/tracking_outlook"))
        (queue,) = await self._db.fetch(sql("hunter/queue_outlook"))
        (due_queries,) = await self._db.fetch(sql("plan/count_due_queries"), _COUNTED_EVENTS, now)
        return Overview(
            at=now,
            newest=max((row["newest"] for row in rows if row["newest"]), default=None),
            zones=zones,
            next_reading=outlook["next_due"],
            queries=queue["queries"],
            paused=queue["paused"],
            due_queries=min(_COUNTED_EVENTS, due_queries["due"]),
            next_search=queue["next_due"],
            **notable,
        )


def _tally(counted: int, limit: int, name: str, sample: Mapping[str, Any] | None) -> Tally:
    """Return the count or, where it stopped at the limit, with the estimate of the sample."""
    if counted < limit:
        return Tally(counted)
    estimate = max(counted, round(sample[name] * sample["factor"])) if sample else None
    return Tally(counted, exact=False, estimate=estimate)
