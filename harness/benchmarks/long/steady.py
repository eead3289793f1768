"""Minutes of updates without a pause, and whether the table of the videos stops growing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import asyncpg

__all__ = ["Look", "largest", "watch"]

_LOOK = """
SELECT pg_relation_size('videos') AS size, pg_indexes_size('videos') AS indexes,
    n_dead_tup AS dead, n_tup_upd AS updated, n_tup_hot_upd AS updated_hot, autovacuum_count AS autovacuums,
    EXISTS (SELECT FROM pg_stat_progress_vacuum WHERE relid = videos.relid) AS vacuuming
FROM pg_stat_user_tables AS videos WHERE relname = 'videos'
"""


@dataclass(frozen=True)
class Look:
    """The table of the videos at one moment.

    Attributes:
        seconds: since the first look.
        size, indexes: bytes of the table, and of all its indexes.
        dead: rows that no transaction sees any more and that no vacuum has removed, as the server estimates.
        updated, updated_hot: updates of rows since the table was made.
        autovacuums: that have ended since then.
        vacuuming: whether one is at work.
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
    """Looks at the table until the work is done."""
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
    """The table's largest size in one third of the time: 0, 1 or 2."""
    span = looks[-1].seconds / 3
    within = [look.size for look in looks if third * span <= look.seconds <= (third + 1) * span]
    return max(within or [looks[-1].size])
