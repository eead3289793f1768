"""ReportDAO: what the database holds, what is due, and what was spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from atlas import policy
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.quota.buckets import Bucket, quota_day

COUNTED = 100_000
"""Rows are counted no further than this: a count of millions would cost seconds."""


@dataclass(frozen=True)
class Tally:
    """How many there are: the count or, where that was given up, a lower bound and what the server estimates."""

    number: int
    exact: bool = True
    estimate: int | None = None

    @property
    def likely(self) -> int:
        """Return the count or, where it was given up, the estimate if that is known."""
        return max(self.number, self.estimate or 0)

    def __str__(self) -> str:
        if self.exact:
            return f"{self.number:,}"
        return f"about {self.estimate:,}" if self.estimate is not None else f"more than {self.number:,}"


@dataclass(frozen=True)
class CallCounts:
    """The calls of one bucket, counted."""

    reserved: int = 0
    settled: int = 0
    """Those that have ended: fewer than reserved while calls are in flight, or after a kill."""
    refused: int = 0
    """Those that YouTube refused for quota, rate or key: they cost nothing."""

    @property
    def spent(self) -> int:
        """Those that cost quota."""
        return self.reserved - self.refused

    def __sub__(self, other: CallCounts) -> CallCounts:
        return CallCounts(self.reserved - other.reserved, self.settled - other.settled, self.refused - other.refused)


@dataclass(frozen=True)
class Totals:
    """What the database holds at one moment."""

    at: datetime
    """Schedule time, UTC."""
    videos: Tally
    channels: Tally
    snapshots: Tally
    events: Tally
    runs: Tally
    tracked: Mapping[int, Tally]
    """By zone; retired videos belong to none."""
    due: Mapping[int, Tally]
    """By zone: due now, and leased by no shard."""
    queries: Mapping[str, Tally]
    """By status; ``leased``: those of the active that are leased."""
    calls: Mapping[Bucket, CallCounts]
    """Of the Pacific day of ``at``."""


@dataclass(frozen=True)
class Ahead:
    """What a process wrote whose clock was ahead: due times that the next claim repairs, and calls of days to come."""

    videos: Tally
    queries: Tally
    calls: int


class ReportDAO:
    """Reads, and changes nothing."""

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
        rows = await self._db.fetch(sql("report/report_calls"), day)
        counted = {row["bucket"]: CallCounts(row["reserved"], row["settled"], row["refused"]) for row in rows}
        return {bucket: counted.get(bucket, CallCounts()) for bucket in Bucket}

    async def count_runs(self, since: datetime) -> dict[str, int]:
        """The agents' runs by outcome that started from a real time on; `unfinished`: they have no outcome."""
        counted: Counter[str] = Counter()
        for row in await self._db.fetch(sql("report/count_runs"), since):
            counted[row["outcome"]] += row["runs"]
        return dict(counted)


def _tally(counted: int, limit: int, estimated: int | None = None) -> Tally:
    if counted < limit:
        return Tally(counted)
    return Tally(counted, exact=False, estimate=estimated if estimated and estimated > counted else None)
