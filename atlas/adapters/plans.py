"""Count the work of a workflow run before its shards start, between its waves, and at its end."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict, cast

from atlas import policy
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql


class RunRow(TypedDict):
    """One row of `runs`. Times are real, in UTC.

    `finished_at`, `outcome`, `exit_code` and `stats` are None for a run that was killed or has not ended.
    """

    wave: int | None
    shard: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    exit_code: int | None
    stats: dict[str, Any] | None
    error: str | None


class PlanDAO:
    """Read counts of what a claim would find now; each stops at its limit, so that its cost is bounded."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def due_queries(self, limit: int) -> int:
        """Count the queries that a Hunter could claim."""
        (row,) = await self._db.fetch(sql("plan/count_due_queries"), limit, clock.now())
        return min(limit, int(row["due"]))

    async def unfinished_videos(self, limit: int, *, archive: bool) -> int:
        """Count the videos that a Hunter has to enrich or, with `archive`, to archive."""
        now = clock.now()
        (row,) = await self._db.fetch(
            sql("plan/count_unfinished"), limit, now - policy.ARCHIVE_AFTER, now - policy.ABSENCE_SPACING, archive
        )
        return min(limit, int(row["unfinished"]))

    async def due_videos(self, limit: int) -> dict[int, int]:
        """Count the videos that a Tracker could claim, by zone."""
        return {
            row["zone"]: row["due"] for row in await self._db.fetch(sql("plan/count_due_videos"), limit, clock.now())
        }

    async def churned(self, run_id: str, wave: int, agent: str, limit: int) -> int:
        """Count the runs of this wave that a rate limit ended."""
        (row,) = await self._db.fetch(sql("plan/count_churned"), run_id, wave, agent, limit)
        return int(row["churned"])

    async def runs(self, run_id: str, agent: str, limit: int) -> list[RunRow]:
        """Return the runs of a workflow run, the latest first, at most `limit`."""
        return [cast("RunRow", dict(row)) for row in await self._db.fetch(sql("plan/list_runs"), run_id, agent, limit)]
