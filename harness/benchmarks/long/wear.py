"""What writing does to the database: sizes, dead rows, updates that stayed on their page, write-ahead log, buffers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

__all__ = ["Growth", "bare_insert", "size_of_snapshots", "size_of_videos", "wear"]

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


async def wear(connection: asyncpg.Connection) -> dict[str, int]:
    """All counters as they stand; the difference of two is what was done between them."""
    await connection.execute("SELECT pg_stat_force_next_flush()")  # this connection's own; others did it as they ended
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return {name: int(value or 0) for name, value in (await connection.fetchrow(_WEAR)).items()}


_SNAPSHOTS = """
SELECT sum(pg_table_size(relid))::bigint AS rows, sum(pg_indexes_size(relid))::bigint AS indexes
FROM pg_partition_tree('video_stats_log') WHERE isleaf
"""


async def size_of_snapshots(connection: asyncpg.Connection) -> dict[str, int]:
    """Bytes of all partitions: of the rows, and of the indexes."""
    return dict(await connection.fetchrow(_SNAPSHOTS))


async def size_of_videos(connection: asyncpg.Connection) -> int:
    """Bytes of the rows, those included that nobody sees any more."""
    found: int = await connection.fetchval("SELECT pg_relation_size('videos')")
    return found


# as they came: answer by answer, and in each by id
_BARE = """
INSERT INTO bare (video_id, observed_at, views, likes, comments)
SELECT video_id, observed_at, views, likes, comments FROM video_stats_log ORDER BY observed_at, video_id
"""
_BARE_SIZE = "SELECT pg_table_size('bare') AS rows, pg_indexes_size('bare') AS indexes"


@dataclass(frozen=True)
class Growth:
    """What so many rows took.

    Attributes:
        rows, indexes: bytes on disk.
        wal: bytes of write-ahead log.
    """

    rows: int
    indexes: int
    wal: int


async def bare_insert(connection: asyncpg.Connection) -> Growth:
    """The snapshots once more, by one statement into a table of their shape: the least that they could cost."""
    await connection.execute("CREATE TABLE bare (LIKE video_stats_log INCLUDING ALL)")
    await connection.execute("CHECKPOINT", timeout=600)
    before = await wear(connection)
    await connection.execute(_BARE, timeout=600)
    after = await wear(connection)
    size: Mapping[str, Any] = await connection.fetchrow(_BARE_SIZE)
    await connection.execute("DROP TABLE bare")
    return Growth(size["rows"], size["indexes"], after["wal_bytes"] - before["wal_bytes"])
