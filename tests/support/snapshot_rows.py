"""Snapshots for tests: many at once, all of them, and shards that write more."""

from __future__ import annotations

import asyncio
import importlib
import itertools
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import asyncpg

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.models.rows import Presence, VideoUpdate

from .count_series import DAY, NOW

__all__ = ["DAY", "NOW", "Shards", "add_video", "everything", "fill", "first_release", "insert", "partitions", "tables"]


async def first_release(connection: asyncpg.Connection) -> None:
    """The schema as the first release made it, whose snapshots are in a plain table."""
    for statement in importlib.import_module("atlas.migrations.versions.0001_first_tables").STATEMENTS:
        await connection.execute(statement)
    await connection.execute("CREATE TABLE atlas_schema_version (version_num varchar(32) PRIMARY KEY)")
    await connection.execute("INSERT INTO atlas_schema_version VALUES ('0001')")


async def add_video(connection: asyncpg.Connection, video: str) -> None:
    """A video, without a snapshot."""
    await connection.execute("INSERT INTO videos (id, first_seen_at, zone) VALUES ($1, $2, 3)", video, NOW - 30 * DAY)


async def insert(connection: asyncpg.Connection, *moments: datetime, video: str = "v") -> None:
    """One snapshot at each moment."""
    await connection.executemany(
        "INSERT INTO video_stats_log (video_id, observed_at, views) VALUES ($1, $2, 1)",
        [(video, moment) for moment in moments],
    )


async def fill(
    connection: asyncpg.Connection, *, videos: int = 100, days: Iterable[int] = range(28), now: datetime = NOW
) -> int:
    """Snapshots of videos, one a day; returns how many. Likes and comments are NULL here and there."""
    tag = await connection.execute(
        "INSERT INTO video_stats_log (video_id, observed_at, views, likes, comments) "
        "SELECT 'video' || n, $1::timestamptz - make_interval(days => d, secs => n), n * 1000 + d, "
        "  CASE WHEN n % 7 > 0 THEN n END, CASE WHEN n % 5 > 0 THEN d END "
        "FROM unnest($2::int[]) AS d, generate_series(1, $3) AS n",
        now, list(days), videos,
    )  # fmt: skip
    return int(tag.split()[-1])


async def everything(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """Every snapshot with all that is in it, in the order of the key."""
    rows = await connection.fetch(
        "SELECT video_id, observed_at, views, likes, comments FROM video_stats_log ORDER BY video_id, observed_at"
    )
    return [tuple(row) for row in rows]


async def partitions(connection: asyncpg.Connection) -> dict[str, int]:
    """Partition → its rows."""
    rows = await connection.fetch(
        "SELECT c.relname AS name, (SELECT count(*) FROM video_stats_log WHERE tableoid = c.oid) AS rows "
        "FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'video_stats_log'::regclass "
        "ORDER BY 1"
    )
    return {row["name"]: row["rows"] for row in rows}


async def tables(connection: asyncpg.Connection) -> set[str]:
    """All tables whose names begin like that of the snapshots, but chunks."""
    rows = await connection.fetch(
        "SELECT relname AS name FROM pg_class WHERE relname LIKE 'video\\_stats\\_log%' AND relkind IN ('r', 'p') "
    )
    return {row["name"] for row in rows}


class Shards:
    """Trackers that claim and update videos until the block ends; the views of each update are unique (``written``)."""

    def __init__(self, number: int = 3, videos: int = 2_000) -> None:
        self.written: list[tuple[str, int]] = []
        self._number = number
        self._counts = itertools.count(10**12)
        self._videos = videos
        self._database = Database()
        self._ended = asyncio.Event()
        self._work: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Shards:
        await self._database.open()
        await self._database.fetch(
            f"INSERT INTO {settings.database_schema}.videos "
            "(id, first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at) "
            "SELECT 'tracked' || n, at - interval '30 days', at - interval '2 days', 3, at - interval '1 h', at, at "
            "FROM generate_series(1, $1) AS n, CAST($2 AS timestamptz) AS at",
            self._videos,
            NOW,
        )
        self._work = [
            asyncio.create_task(self._shard(MaiaDAO(f"tracker {n}", self._database))) for n in range(self._number)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        await asyncio.gather(*self._work)
        await self._database.close()

    async def more(self, number: int = 200) -> None:
        """Returns when they have written so many more; raises what a shard raised."""
        wanted = len(self.written) + number
        async with asyncio.timeout(60):
            while len(self.written) < wanted:
                await asyncio.wait(self._work, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
                for ended in (task for task in self._work if task.done()):
                    ended.result()

    async def _shard(self, dao: MaiaDAO) -> None:
        while not self._ended.is_set():
            targets = await dao.fetch_tracker_targets(10)
            if not targets:
                await self._database.fetch(
                    "UPDATE videos_ SET due_at = $1 WHERE id IN "
                    "(SELECT id FROM videos_ WHERE leased_until IS NULL FOR UPDATE SKIP LOCKED)".replace(
                        "videos_", f"{settings.database_schema}.videos"
                    ),
                    NOW,
                )
                continue
            updates = [VideoUpdate(row["id"], Presence.PRESENT, next(self._counts)) for row in targets]
            assert await dao.update_video_stats_batch(updates) == len(updates)
            self.written += [(update.id, update.views or 0) for update in updates]
