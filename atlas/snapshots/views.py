"""Create and maintain the views ``video_velocity``, ``video_stats_hourly`` and ``video_stats_daily``.

They have the same columns and results on every server. On TimescaleDB's Community edition the hourly and daily ones are
continuous aggregates, whose rows TimescaleDB stores; elsewhere they are computed when they are read.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from atlas.config import settings
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.snapshots import columnstore
from atlas.snapshots.ddl import execute_generated, run_ddl

logger = logging.getLogger(__name__)

_EPOCH = datetime.fromisoformat("2000-01-03T00:00:00+00:00")
_WIDTHS = {"video_stats_hourly": timedelta(hours=1), "video_stats_daily": timedelta(days=1)}
_COMMENTS = {
    "video_velocity": "How fast each video grows, in views per hour",
    "video_stats_hourly": "The counts of each video in each hour (UTC) in which it was counted",
    "video_stats_daily": "The counts of each video in each day (UTC) in which it was counted",
}


@dataclass(frozen=True)
class _Found:
    """An existing view."""

    comment: str  # ends with the hash of its definition
    continuous: bool  # it is a continuous aggregate
    reads_log: bool  # the current video_stats_log: a view stays on the old table when that is replaced

    def matches(self, definition: str) -> bool:
        return self.comment.endswith(_mark(definition)) and (self.continuous or self.reads_log)


async def ensure_views(connection: asyncpg.Connection) -> None:
    """Create the views as this release defines them and, on the Community edition, set up the columnstore.

    A view that is replaced keeps its grants; a new one is granted to the readers of the snapshots. If nothing has to
    change, it takes no lock. Works inside a transaction too. Raises Contended, and InsufficientPrivilegeError if
    something has to change and the user does not own the snapshots.
    """
    extension = await columnstore.community(connection)
    if extension is not None:
        await columnstore.ensure(connection, extension)
    aggregates = {} if extension is None else _aggregates(extension)
    existing = await _find_views(connection)
    for name, computed in _computed().items():
        found = existing.get(name)
        if found and found.matches(aggregates.get(name, computed)):
            continue
        if extension is not None and name in aggregates and await _create_aggregate(connection, name, extension):
            continue
        await run_ddl(connection, functools.partial(_create, connection, name, computed))


async def expire(connection: asyncpg.Connection, keep_from: datetime) -> None:
    """Remove what is older than ``keep_from`` from the continuous aggregates, after such snapshots are deleted.

    Deleted snapshots stay in an aggregate until its refresh policy computes their time again, within half an hour. This
    does it at once, as far as the user may: all as the owner of the views, whole buckets with the right to delete.
    Does nothing for views that are computed when they are read. Not inside a transaction.
    """
    extension = await columnstore.community(connection)
    if extension is None:
        return
    for row in await connection.fetch(sql("snapshots/views/list_aggregates")):
        view, width = row["view"], _WIDTHS[row["view"]]
        bucket = keep_from - (keep_from - _EPOCH) % width  # which is partly kept
        if row["owned"]:
            await connection.fetch(
                sql("snapshots/views/expire_aggregate_chunks", extension=extension, view=view), bucket
            )
        if row["deletable"]:
            async with connection.transaction():
                await connection.fetchval(sql("snapshots/common/lift_decompression_limit"))
                expire = sql("snapshots/views/expire_aggregate", space=row["space"], kept=row["kept"])
                await connection.execute(expire, bucket, timeout=WHOLE_TABLE)
        if row["owned"]:
            refresh = sql("snapshots/views/refresh_aggregate", extension=extension, view=view)
            await connection.execute(refresh, bucket, bucket + width, timeout=WHOLE_TABLE)
        else:
            logger.info("%s: the policy of its owner removes the last old bucket within half an hour", view)


async def erase(connection: asyncpg.Connection, video_ids: Sequence[str]) -> int:
    """Erase videos from the continuous aggregates, after their snapshots are gone; return the number of buckets.

    Waits for a running refresh. Does nothing for views that are computed when they are read.
    """
    if await columnstore.community(connection) is None:
        return 0
    removed = 0
    for row in await connection.fetch(sql("snapshots/views/list_aggregates")):
        space, kept = row["space"], row["kept"]
        async with connection.transaction():
            await connection.fetchval(sql("snapshots/common/lift_decompression_limit"))
            await connection.execute(sql("snapshots/views/lock_aggregate", space=space, kept=kept))
            tag = await connection.execute(
                sql("snapshots/views/erase_in_aggregate", space=space, kept=kept), list(video_ids)
            )
        removed += int(tag.rpartition(" ")[2])
    return removed


def _computed() -> dict[str, str]:
    """Return the definition of each view on any server."""
    return {
        "video_velocity": sql("snapshots/views/create_velocity"),
        "video_stats_hourly": sql("snapshots/views/create_hourly"),
        "video_stats_daily": sql("snapshots/views/create_daily"),
    }


def _aggregates(extension: str) -> dict[str, str]:
    return {
        "video_stats_hourly": sql("snapshots/views/aggregate_hourly", extension=extension),
        "video_stats_daily": sql("snapshots/views/aggregate_daily", extension=extension),
    }


def _mark(definition: str) -> str:
    """Return the end of a view's comment, by which its definition is recognized."""
    return f"(definition {hashlib.sha256(definition.encode()).hexdigest()[:12]})"


async def _find_views(connection: asyncpg.Connection) -> dict[str, _Found]:
    rows = await connection.fetch(sql("snapshots/common/list_views"))
    return {row["name"]: _Found(row["comment"] or "", row["continuous"], row["reads_log"]) for row in rows}


async def _create(connection: asyncpg.Connection, name: str, definition: str, *, continuous: bool = False) -> bool:
    """Create or replace a view in the caller's transaction; return False if another process has done so."""
    found = (await _find_views(connection)).get(name)
    if found is None:
        await connection.execute(definition)
        await execute_generated(connection, sql("snapshots/views/grants_of_snapshots"), name)
    elif found.matches(definition):
        return False
    elif not (continuous or found.continuous):
        await connection.execute(definition)  # CREATE OR REPLACE
    else:
        grants = await connection.fetch(sql("snapshots/common/grants"), name, name)
        await connection.execute(
            sql("snapshots/views/drop_aggregate", view=name)
            if found.continuous
            else sql("snapshots/views/drop_view", view=name)
        )
        await connection.execute(definition)
        for (grant,) in grants:
            await connection.execute(grant)
    comment = f"{_COMMENTS[name]} {_mark(definition)}"
    await execute_generated(connection, sql("snapshots/views/describe_view"), name, comment)
    return True


async def _create_aggregate(connection: asyncpg.Connection, name: str, extension: str) -> bool:
    """Create a continuous aggregate with its policies in place of a view; return False if the server cannot."""

    async def work() -> None:
        if await _create(connection, name, _aggregates(extension)[name], continuous=True):
            width = timedelta(days=settings.database_chunk_days)
            await connection.fetch(sql("snapshots/views/aggregate_width", extension=extension, view=name), width)
            await connection.fetch(sql("snapshots/views/refresh_policy", extension=extension, view=name))
            await columnstore.ensure_for_aggregate(connection, extension, name)

    try:
        await run_ddl(connection, work)
    except asyncpg.InsufficientPrivilegeError:
        raise
    except asyncpg.PostgresError as error:
        logger.warning("%s is computed when it is read: TimescaleDB cannot keep it (%s)", name, error)
        return False
    return True
