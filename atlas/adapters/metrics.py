"""MetricsDAO: what the database knows of Maia's work, as numbers to export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from atlas.adapters.keys import CallsLeft, KeyDAO
from atlas.adapters.overview import Overview, OverviewDAO
from atlas.adapters.report import CallCounts, ReportDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.quota.buckets import Bucket, quota_day

COUNTED: Final = 100_000
"""Rows are counted no further than this, so that the cost is bounded; more videos of a zone are estimated."""

RECENT: Final = timedelta(hours=24)
"""The time that counts of recent rows cover."""


@dataclass(frozen=True)
class RunCount:
    """The runs of one agent that ended in one way."""

    agent: str
    outcome: str | None
    """None: not ended, or killed."""
    recent: int
    """Started within RECENT."""
    last: datetime | None
    """When the last one ended, real time."""


@dataclass(frozen=True)
class ArchiveBacklog:
    """The videos that are not in the archive yet."""

    videos: int
    lag: timedelta
    """How long the first one waits."""


@dataclass(frozen=True)
class Figures:
    """The state of the work at one moment."""

    at: datetime
    """Real time."""
    overview: Overview
    queries: Mapping[str, int]
    """By status."""
    calls: Mapping[Bucket, CallCounts]
    """Of the current Pacific day, of all keys that were ever used."""
    left: Mapping[str, CallsLeft | None]
    """By ring that has keys; None: all its keys are wrong or blocked."""
    runs: list[RunCount]
    recent_breakouts: int
    archive: ArchiveBacklog | None
    """None: there is no archive."""


class MetricsDAO:
    """Read, and change nothing. Its cost hardly grows with the tables.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def figures(self, *, archive: bool) -> Figures:
        """Return the state of the work; ``archive``: whether videos are archived. Raises ConfigError for the keys."""
        now = clock.now()
        queries = await self._db.fetch(sql("report/report_queries"), COUNTED)
        runs = await self._db.fetch(sql("metrics/runs"), clock.real() - RECENT)
        (breakouts,) = await self._db.fetch(sql("metrics/breakouts"), now - RECENT)
        return Figures(
            at=clock.real(),
            overview=await OverviewDAO(self._db).read(limit=COUNTED),
            queries={row["status"]: row["amount"] for row in queries},
            calls=await ReportDAO(self._db).calls(quota_day(now)),
            left=await KeyDAO(self._db).calls_left_by_ring(settings.key_rings),
            runs=[RunCount(**row) for row in runs],
            recent_breakouts=breakouts["recent"],
            archive=await self._archive(now) if archive else None,
        )

    async def _archive(self, now: datetime) -> ArchiveBacklog:
        (row,) = await self._db.fetch(sql("metrics/unarchived"), COUNTED)
        return ArchiveBacklog(row["amount"], _since(row["oldest"], now))


def _since(begin: datetime | None, now: datetime) -> timedelta:
    return timedelta(0) if begin is None else max(timedelta(0), now - begin)
