"""What the shard's writes cost the database: WAL, sizes, dead rows, and whether the table of videos stops growing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.models.rows import Presence, VideoUpdate

MOST = 1_000_000
"""The ids of the canned API have six digits."""

# Ids come in no order, as YouTube's do. Videos that were found together stand together and are due together. Nothing is
# archived, as where the vault is off, so that every partial index holds every video that it could.
_FILL = """
INSERT INTO videos (id, channel_id, title, published_at, tags, category_id, duration, first_seen_at, last_updated_at,
    zone, due_at, enriched_at)
SELECT 'bench' || lpad((n * 7368787 % $1)::text, 6, '0'), 'UCbench' || lpad((n % 500)::text, 17, '0'),
    'A video of the benchmark, number ' || n, now() - interval '10 days',
    ARRAY(SELECT 'how to ' || (n * 7 + tag * tag) % 500 FROM generate_series(1, 10) AS tag), 22, interval '4 minutes',
    now() - interval '9 days' + n * interval '80 milliseconds', now() - interval '1 day',
    3, now() - interval '2 hours' + n * interval '5 milliseconds',
    now() - interval '9 days' + n * interval '80 milliseconds'
FROM generate_series(0::bigint, $1::bigint - 1) AS n
"""
_CHANNELS = """
INSERT INTO channels (id, title, first_seen_at, updated_at)
SELECT 'UCbench' || lpad(n::text, 17, '0'), 'Channel ' || n, now(), now() FROM generate_series(0, 499) AS n
"""
_WEAR = """
SELECT
    pg_current_wal_lsn() - '0/0'::pg_lsn AS wal_bytes,
    wal.wal_records, wal.wal_fpi AS wal_full_pages,
    videos.n_tup_upd AS updated, videos.n_tup_hot_upd AS updated_hot, videos.n_tup_newpage_upd AS updated_elsewhere,
    videos.autovacuum_count AS autovacuums,
    io.heap_blks_hit + io.idx_blks_hit AS buffers_hit, io.heap_blks_read + io.idx_blks_read AS buffers_read,
    checkpoints.num_timed + checkpoints.num_requested AS checkpoints, checkpoints.buffers_written,
    bgwriter.buffers_clean, (SELECT sum(writes) FROM pg_stat_io WHERE backend_type = 'client backend')::bigint AS writes
FROM pg_stat_wal AS wal, pg_stat_checkpointer AS checkpoints, pg_stat_bgwriter AS bgwriter,
    pg_stat_user_tables AS videos JOIN pg_statio_user_tables AS io USING (relid)
WHERE videos.relname = 'videos'
"""
_SNAPSHOTS = """
SELECT sum(pg_table_size(relid))::bigint AS rows, sum(pg_indexes_size(relid))::bigint AS indexes
FROM pg_partition_tree('video_stats_log') WHERE isleaf
"""
# as they came: answer by answer, and in each by id
_BARE = """
INSERT INTO bare (video_id, observed_at, views, likes, comments)
SELECT video_id, observed_at, views, likes, comments FROM video_stats_log ORDER BY observed_at, video_id
"""
_BARE_SIZE = "SELECT pg_table_size('bare') AS rows, pg_indexes_size('bare') AS indexes"
_LOOK = """
SELECT pg_relation_size('videos') AS size, pg_indexes_size('videos') AS indexes,
    n_dead_tup AS dead, n_tup_upd AS updated, n_tup_hot_upd AS updated_hot, autovacuum_count AS autovacuums,
    EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE relid = videos.relid) AS vacuuming
FROM pg_stat_user_tables AS videos WHERE relname = 'videos'
"""
# of this process's connections alone: what autovacuum writes meanwhile does not count
_MINE = """
SELECT sum(wal.wal_records) AS records, sum(wal.wal_fpi) AS full_pages, sum(wal.wal_bytes) AS wal,
    (SELECT sum(hits + reads) FROM pg_stat_activity AS mine, pg_stat_get_backend_io(mine.pid)
     WHERE mine.backend_type = 'client backend' AND object = 'relation') AS pages,
    (SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'videos') AS hot
FROM pg_stat_activity AS backend, pg_stat_get_backend_wal(backend.pid) AS wal
WHERE backend.backend_type = 'client backend'
"""
_AT_ONCE = 50  # videos of one statement, as of one call


async def fill(connection: asyncpg.Connection, videos: int) -> None:
    """Make due videos in empty tables, vacuumed and on disk.

    Args:
        videos: at most ``MOST``, and a power of ten: so the ids are different.
    """
    await connection.execute(_CHANNELS)
    await connection.execute(_FILL, videos, timeout=600)
    for statement in ("VACUUM (ANALYZE) videos", "VACUUM (ANALYZE) channels", "CHECKPOINT"):
        await connection.execute(statement, timeout=600)


async def wear(connection: asyncpg.Connection) -> dict[str, int]:
    """Return all counters; the difference of two is what was done between them."""
    await connection.execute("SELECT pg_stat_force_next_flush()")  # this connection's own; others did it as they ended
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return {name: int(value or 0) for name, value in (await connection.fetchrow(_WEAR)).items()}


async def size_of_snapshots(connection: asyncpg.Connection) -> dict[str, int]:
    """Return the bytes of the rows and of the indexes of all partitions."""
    return dict(await connection.fetchrow(_SNAPSHOTS))


async def size_of_videos(connection: asyncpg.Connection) -> int:
    """Return the bytes of the rows, including dead ones."""
    found: int = await connection.fetchval("SELECT pg_relation_size('videos')")
    return found


@dataclass(frozen=True)
class TableGrowth:
    """Bytes on disk of rows and indexes, and of write-ahead log."""

    rows: int
    indexes: int
    wal: int


async def bare_insert(connection: asyncpg.Connection) -> TableGrowth:
    """Insert the snapshots once more, by one statement into a table of their shape: the least that they could cost."""
    await connection.execute("CREATE TABLE bare (LIKE video_stats_log INCLUDING ALL)")
    await connection.execute("CHECKPOINT", timeout=600)
    before = await wear(connection)
    await connection.execute(_BARE, timeout=600)
    after = await wear(connection)
    size: Mapping[str, Any] = await connection.fetchrow(_BARE_SIZE)
    await connection.execute("DROP TABLE bare")
    return TableGrowth(size["rows"], size["indexes"], after["wal_bytes"] - before["wal_bytes"])


@dataclass(frozen=True)
class Half:
    """What one write of a video in a cycle costs on average: the claim's, or the update's with its snapshot.

    Attributes:
        hot: share of the updates that stayed on their page and touched no index.
        records, wal: records and bytes of write-ahead log.
        full_pages: of the records, images of whole pages, as of the first change of a page after a checkpoint.
        pages: read, of tables and indexes.
    """

    hot: float
    records: float
    full_pages: float
    wal: float
    pages: float


async def halves(rounds: int) -> tuple[Half, Half]:
    """Claim batches of 50, then update them. Return what a video's claim and its update cost.

    All videos that were read within the last day are due. No other process may be at work on them.
    """
    now = datetime.now(UTC)
    dao = MaiaDAO("benchmark")
    with settings.override(atlas_clock=f"1x@{now.isoformat()}={(now + timedelta(hours=25)).isoformat()}"):
        start = await _counters()
        batches = [await dao.fetch_tracker_targets(_AT_ONCE) for _ in range(rounds)]
        between = await _counters()
        for batch in batches:
            async with dao.transaction():
                updates = [VideoUpdate(row["id"], Presence.PRESENT, 10_000, 500, 20) for row in batch]
                await dao.update_video_stats_batch(updates)
        end = await _counters()
    videos = sum(map(len, batches))
    claim, update = (
        Half(**{name: (after[name] - before[name]) / videos for name in before})
        for before, after in ((start, between), (between, end))
    )
    return claim, update


async def _counters() -> dict[str, float]:
    # one after the other, these are answered by the connection that did the work
    await database.fetch("SELECT pg_stat_force_next_flush()")
    await database.fetch("SELECT pg_stat_clear_snapshot()")
    return {name: float(value or 0) for name, value in (await database.fetch(_MINE))[0].items()}


@dataclass(frozen=True)
class Look:
    """The table of the videos at one moment.

    Attributes:
        seconds: since the first look.
        size, indexes: bytes.
        dead: rows that no vacuum has removed yet, as the server estimates.
        updated, updated_hot, autovacuums: since the table was made.
        vacuuming: whether an autovacuum is at work.
    """

    seconds: float
    size: int
    indexes: int
    dead: int
    updated: int
    updated_hot: int
    autovacuums: int
    vacuuming: bool


async def watch(connection: asyncpg.Connection, work: Awaitable[None], every: float) -> list[Look]:
    """Look at the table until the work is done."""
    looks, began = [], time.monotonic()
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await connection.execute("SELECT pg_stat_clear_snapshot()")
            looks.append(Look(time.monotonic() - began, **dict(await connection.fetchrow(_LOOK))))
            await asyncio.wait([task], timeout=every)
    finally:
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    task.result()
    return looks


def largest(looks: Sequence[Look], third: int) -> int:
    """Return the table's largest size in one third of the time: 0, 1 or 2."""
    span = looks[-1].seconds / 3
    within = [look.size for look in looks if third * span <= look.seconds <= (third + 1) * span]
    return max(within or [looks[-1].size])
