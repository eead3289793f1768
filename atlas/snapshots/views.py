"""The views that people query: ``video_velocity``, ``video_stats_hourly`` and ``video_stats_daily``.

The same columns and answers on every server. Where TimescaleDB is the Community edition, the hourly and daily ones are
continuous aggregates, whose rows TimescaleDB keeps; elsewhere they are computed when they are read.
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
from atlas.snapshots.steps import perform, shortly

__all__ = ["ensure_views", "expire", "forget"]

logger = logging.getLogger(__name__)

_EPOCH = datetime.fromisoformat("2000-01-03T00:00:00+00:00")
_WIDTHS = {"video_stats_hourly": timedelta(hours=1), "video_stats_daily": timedelta(days=1)}
_SAID = {
    "video_velocity": "How fast each video grows, in views per hour",
    "video_stats_hourly": "The counts of each video in each hour (UTC) in which it was counted",
    "video_stats_daily": "The counts of each video in each day (UTC) in which it was counted",
}


@dataclass(frozen=True)
class _Found:
    """A view that is there: what is said of it, whether it is a continuous aggregate, and whether it reads the present
    ``video_stats_log`` (a table that was put in its place leaves views on the old one)."""

    comment: str
    continuous: bool
    reads_log: bool

    def is_made_by(self, definition: str) -> bool:
        return self.comment.endswith(_mark(definition)) and (self.continuous or self.reads_log)


async def ensure_views(connection: asyncpg.Connection) -> None:
    """Makes the views and, on the Community edition, has older snapshots kept in the columnstore.

    Nothing is done where all is as this release wants it, which costs a few short questions. A view that is made anew
    keeps its grants; a new one is given to those who may read the snapshots. Works inside a transaction too.

    Raises:
        Contended: the tables stay in use by others; the next run goes on from there.
        asyncpg.InsufficientPrivilegeError: there is something to do, and the user does not own the snapshots.
    """
    extension = await columnstore.community(connection)
    if extension is not None:
        await columnstore.ensure(connection, extension)
    aggregates = {} if extension is None else _aggregates(extension)
    there = await _found(connection)
    for name, computed in _computed().items():
        found = there.get(name)
        if found and found.is_made_by(aggregates.get(name, computed)):
            continue
        if extension is not None and name in aggregates and await _aggregate(connection, name, extension):
            continue
        await shortly(connection, functools.partial(_make, connection, name, computed))


async def expire(connection: asyncpg.Connection, keep_from: datetime) -> None:
    """Removes from the continuous aggregates what is older than ``keep_from``, once such snapshots are gone.

    Snapshots that are deleted do not disappear from an aggregate by themselves. The policy that refreshes it computes
    their time again within half an hour; this does it now, as far as the user may: all if he owns the views, whole
    buckets if he may delete from them. Does nothing where the views are computed when they are read. Not inside a
    transaction.
    """
    extension = await columnstore.community(connection)
    if extension is None:
        return
    for row in await connection.fetch(sql("snapshots/views/list_aggregates")):
        view, width = row["view"], _WIDTHS[row["view"]]
        bucket = keep_from - (keep_from - _EPOCH) % width  # a part of it is kept
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
            logger.info("%s: the rest of what is too old goes when its owner's policy runs, every half hour", view)


async def forget(connection: asyncpg.Connection, video_ids: Sequence[str]) -> int:
    """Removes videos from the continuous aggregates, once their snapshots are gone. Returns how many buckets that were.

    Waits for a refresh that is at work. Does nothing where the views are computed when they are read.
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
    """What makes each view on any server."""
    return {
        "video_velocity": sql("snapshots/views/create_velocity"),
        "video_stats_hourly": sql("snapshots/views/create_hourly"),
        "video_stats_daily": sql("snapshots/views/create_daily"),
    }


def _aggregates(extension: str) -> dict[str, str]:
    """What makes those that the Community edition keeps."""
    return {
        "video_stats_hourly": sql("snapshots/views/aggregate_hourly", extension=extension),
        "video_stats_daily": sql("snapshots/views/aggregate_daily", extension=extension),
    }


def _mark(definition: str) -> str:
    """Stands in a view's comment and tells whether it was made by this definition."""
    return f"(definition {hashlib.sha256(definition.encode()).hexdigest()[:12]})"


async def _found(connection: asyncpg.Connection) -> dict[str, _Found]:
    rows = await connection.fetch(sql("snapshots/common/list_views"))
    return {row["name"]: _Found(row["comment"] or "", row["continuous"], row["reads_log"]) for row in rows}


async def _make(connection: asyncpg.Connection, name: str, definition: str, *, continuous: bool = False) -> bool:
    """Makes a view in place of what is there, in the caller's transaction, which lets nobody else do so.

    Returns:
        False if another process has made it meanwhile.
    """
    found = (await _found(connection)).get(name)
    if found is None:
        await connection.execute(definition)
        await perform(connection, sql("snapshots/views/grants_of_snapshots"), name)
    elif found.is_made_by(definition):
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
    await perform(connection, sql("snapshots/views/describe_view"), name, f"{_SAID[name]} {_mark(definition)}")
    return True


async def _aggregate(connection: asyncpg.Connection, name: str, extension: str) -> bool:
    """Makes a continuous aggregate in place of what is there, with its policies; False where the server cannot."""

    async def work() -> None:
        if await _make(connection, name, _aggregates(extension)[name], continuous=True):
            width = timedelta(days=settings.database_chunk_days)
            await connection.fetch(sql("snapshots/views/aggregate_width", extension=extension, view=name), width)
            await connection.fetch(sql("snapshots/views/refresh_policy", extension=extension, view=name))
            await columnstore.ensure_of_aggregate(connection, extension, name)

    try:
        await shortly(connection, work)
    except asyncpg.InsufficientPrivilegeError:
        raise
    except asyncpg.PostgresError as error:
        logger.warning("%s is computed when it is read: TimescaleDB cannot keep it (%s)", name, error)
        return False
    return True
