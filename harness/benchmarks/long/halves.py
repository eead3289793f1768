"""The two writes that a video has in each cycle, taken apart: the claim's, and the update's with its snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.models.rows import Presence, VideoUpdate

__all__ = ["Half", "halves"]

_ONES = 50
"""Videos of one statement, as of one call."""

# of this process's connections alone: what autovacuum writes meanwhile does not count
_MINE = """
SELECT sum(wal.wal_records) AS records, sum(wal.wal_fpi) AS full_pages, sum(wal.wal_bytes) AS wal,
    (SELECT sum(hits + reads) FROM pg_stat_activity AS mine, pg_stat_get_backend_io(mine.pid)
     WHERE mine.backend_type = 'client backend' AND object = 'relation') AS pages,
    (SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'videos') AS hot
FROM pg_stat_activity AS backend, pg_stat_get_backend_wal(backend.pid) AS wal
WHERE backend.backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Half:
    """What one write of one video costs on average.

    Attributes:
        hot: share of the updates that stayed on their page and touched no index.
        records: of write-ahead log.
        full_pages: of these, images of whole pages, as the first change of a page after a checkpoint has.
        wal: bytes of write-ahead log.
        pages: looked at, of tables and indexes.
    """

    hot: float
    records: float
    full_pages: float
    wal: float
    pages: float


async def _counters() -> dict[str, float]:
    # one after the other, these are answered by the connection that did the work
    await database.fetch("SELECT pg_stat_force_next_flush()")
    await database.fetch("SELECT pg_stat_clear_snapshot()")
    return {name: float(value or 0) for name, value in (await database.fetch(_MINE))[0].items()}


def _half(before: Mapping[str, float], after: Mapping[str, float], videos: int) -> Half:
    return Half(**{name: (after[name] - before[name]) / videos for name in before})


async def halves(rounds: int) -> tuple[Half, Half]:
    """Claims so many batches of 50, then updates them; what a video's claim took, and what its update did.

    All videos that were read within the last day are due. Nobody else may be at work on them.
    """
    now = datetime.now(UTC)
    dao = MaiaDAO("benchmark")
    with settings.override(atlas_clock=f"1x@{now.isoformat()}={(now + timedelta(hours=25)).isoformat()}"):
        start = await _counters()
        batches = [await dao.fetch_tracker_targets(_ONES) for _ in range(rounds)]
        between = await _counters()
        for batch in batches:
            async with dao.transaction():
                updates = [VideoUpdate(row["id"], Presence.PRESENT, 10_000, 500, 20) for row in batch]
                await dao.update_video_stats_batch(updates)
        end = await _counters()
    videos = sum(map(len, batches))
    return _half(start, between, videos), _half(between, end, videos)
