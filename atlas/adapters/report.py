"""ReportDAO: what the database holds, what is due, what was spent, and which videos grow fastest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from atlas import policy
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.quota.buckets import Bucket, quota_day

__all__ = ["COUNTED", "Ahead", "CallCounts", "Growth", "ReportDAO", "Tally", "Totals"]

COUNTED = 100_000
"""Rows are counted no further than this: a count of millions would cost seconds."""

_CANDIDATES = 2_000  # of each zone: those that were read last are looked at for growth


@dataclass(frozen=True)
class Tally:
    """How many there are.

    Attributes:
        number: the count, or a lower bound of it.
        exact: whether it is the count.
        estimate: what the server's statistics say, where the count was given up; None: they say nothing better.
    """

    number: int
    exact: bool = True
    estimate: int | None = None

    def __str__(self) -> str:
        if self.exact:
            return f"{self.number:,}"
        return f"about {self.estimate:,}" if self.estimate is not None else f"more than {self.number:,}"


@dataclass(frozen=True)
class CallCounts:
    """The calls of one bucket, counted.

    Attributes:
        reserved: counted before they were made.
        settled: those of them that have ended; fewer than reserved while calls are in flight, or after a kill.
        refused: those of them that YouTube refused for quota, rate or key: they cost nothing.
    """

    reserved: int = 0
    settled: int = 0
    refused: int = 0

    @property
    def spent(self) -> int:
        """Those that cost quota."""
        return self.reserved - self.refused

    def __sub__(self, other: CallCounts) -> CallCounts:
        return CallCounts(self.reserved - other.reserved, self.settled - other.settled, self.refused - other.refused)


@dataclass(frozen=True)
class Totals:
    """What the database holds at one moment.

    Attributes:
        at: schedule time of the counting (UTC).
        videos, channels, snapshots, events, runs: rows.
        tracked: zone → videos that are read again; those that were retired belong to none.
        due: zone → those of them that are due now and held by no shard.
        queries: status (``active``, ``waiting``, ``paused``) → queries; ``leased``: those of the active that are held.
        calls: bucket → calls of the Pacific day of ``at``.
    """

    at: datetime
    videos: Tally
    channels: Tally
    snapshots: Tally
    events: Tally
    runs: Tally
    tracked: Mapping[int, Tally]
    due: Mapping[int, Tally]
    queries: Mapping[str, Tally]
    calls: Mapping[Bucket, CallCounts]


@dataclass(frozen=True)
class Ahead:
    """What a process has written whose clock was ahead: times that no policy gives.

    Attributes:
        videos, queries: due later than the schedule allows; the next claim makes them due.
        calls: counted for quota days that have not begun.
    """

    videos: Tally
    queries: Tally
    calls: int


@dataclass(frozen=True)
class Growth:
    """How fast a video grew between its last two snapshots.

    Attributes:
        published_at: None where it is unknown.
        observed_at, views: the last snapshot that has views.
        previous_at, previous_views: the one before.
        views_per_hour: of schedule time; negative where YouTube has taken views back.
    """

    id: str
    title: str | None
    channel: str | None
    zone: int
    published_at: datetime | None
    first_seen_at: datetime
    observed_at: datetime
    views: int
    previous_at: datetime
    previous_views: int
    views_per_hour: float

    @property
    def born(self) -> datetime:
        """From when its age counts: its publication or, where that is unknown, the day it was first seen."""
        return self.published_at or self.first_seen_at


class ReportDAO:
    """Reads, and changes nothing. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def totals(self, *, limit: int = COUNTED) -> Totals:
        """What is there and what is due, each counted no further than ``limit``, so that its cost is bounded."""
        now = clock.now()
        rows = {row["name"]: row for row in await self._db.fetch(sql("report/report_tables"), limit)}
        tables = {name: _tally(row["counted"], limit, row["estimated"]) for name, row in rows.items()}
        zones = await self._db.fetch(sql("report/report_videos"), limit, now)
        queries = await self._db.fetch(sql("report/report_queries"), limit)
        return Totals(
            at=now,
            videos=tables["videos"],
            channels=tables["channels"],
            snapshots=tables["video_stats_log"],
            events=tables["events"],
            runs=tables["runs"],
            tracked={row["zone"]: _tally(row["tracked"], limit) for row in zones},
            due={row["zone"]: _tally(row["due"], limit) for row in zones},
            queries={row["status"]: _tally(row["amount"], limit) for row in queries},
            calls=await self.calls(quota_day(now)),
        )

    async def ahead(self, *, limit: int = COUNTED) -> Ahead:
        """What lies further ahead than the policy allows, each counted no further than ``limit``."""
        now, tolerance = clock.now(), clock.tolerance
        (row,) = await self._db.fetch(
            sql("claims/count_ahead"), limit, now, tolerance, [zone.interval for zone in policy.ZONES],
            policy.ZONES[-1].interval, policy.TOPIC_INTERVAL, policy.TOPIC_INTERVAL_MAX, quota_day(now + tolerance),
        )  # fmt: skip
        videos, queries = (_tally(row[name], limit) for name in ("videos", "queries"))
        return Ahead(videos, queries, row["calls"])

    async def calls(self, day: date | None = None) -> dict[Bucket, CallCounts]:
        """The calls by bucket of a Pacific day, or of all days."""
        rows = {row["bucket"]: row for row in await self._db.fetch(sql("report/report_calls"), day)}
        return {
            bucket: CallCounts(rows[bucket]["reserved"], rows[bucket]["settled"], rows[bucket]["refused"])
            if bucket in rows
            else CallCounts()
            for bucket in Bucket
        }

    async def fastest_growing(
        self, limit: int = 10, *, until: datetime | None = None, candidates: int = _CANDIDATES
    ) -> list[Growth]:
        """The videos that gained most views an hour between their last two snapshots, the fastest first.

        Args:
            limit: how many.
            until: as it was at this schedule time: later snapshots are left out.
            candidates: how many videos of each zone are looked at, those that were read last: this bounds the cost.
        """
        rows = await self._db.fetch(sql("report/fastest_growing"), limit, candidates, until)
        return [Growth(**dict(row)) for row in rows]

    async def early_snapshots(self, since: datetime) -> list[tuple[str, datetime, datetime]]:
        """Snapshots that came sooner after the one before than the schedule allows: work that two shards both did.

        Reads the whole log: for checks after a demo or a simulation, not for a database of years.

        Args:
            since: look at snapshots from this schedule time on.

        Returns:
            video id, the snapshot's time, the time of the one before.
        """
        zones = [zone for zone in policy.ZONES if zone.below is not None]
        rows = await self._db.fetch(
            sql("report/find_early_snapshots"),
            since,
            [zone.below for zone in zones],
            [zone.interval for zone in zones],
            policy.ZONES[-1].interval,
            policy.ZONES[1].interval,
        )
        return [(row["id"], row["observed_at"], row["previous_at"]) for row in rows]

    async def active_leases(self) -> dict[str, int]:
        """Return how many rows each shard leases now. Reads two tables whole: for checks alone."""
        return {row["shard"]: row["leased"] for row in await self._db.fetch(sql("report/list_active_leases"))}

    async def births(self, ids: Iterable[str]) -> dict[str, datetime]:
        """From when the age of each of these videos counts; ids that are not stored are left out."""
        return {row["id"]: row["born"] for row in await self._db.fetch(sql("report/video_ages"), list(ids))}


def _tally(counted: int, limit: int, estimated: int | None = None) -> Tally:
    if counted < limit:
        return Tally(counted)
    return Tally(counted, exact=False, estimate=estimated if estimated and estimated > counted else None)
