"""Maintain the snapshots in partitions or a hypertable: create parts ahead, drop old ones, delete old rows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from atlas.clock import clock
from atlas.config import settings
from atlas.db.errors import map_driver_errors
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.db.server_info import Inspection, Storage, inspect
from atlas.errors import AtlasError, Contended
from atlas.snapshots import conversion, hypertable, partitions, views
from atlas.snapshots.ddl import Connector
from atlas.snapshots.partitions import Range

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Maintenance:
    """What was done, or with a dry run would be done."""

    made: tuple[str, ...] = ()  # partitions; a hypertable creates its chunks by itself
    dropped: tuple[str, ...] = ()  # partitions or chunks of which every row was too old
    deleted: int = 0  # old rows of other parts
    moved: int = 0  # rows moved from the default partition to a new one


async def ensure(connection: asyncpg.Connection, *, try_timescaledb: bool = True) -> Storage:
    """Set up the owner's part of the snapshots after the revisions: a hypertable or partitions, and the views.

    A hypertable is created where TimescaleDB can be used and there are no snapshots yet. Safe to repeat. What the
    server refuses is a warning, since inserts still work.
    """
    found = await inspect(connection)
    storage = Storage.PARTITIONED
    if found.storage is Storage.HYPERTABLE or (try_timescaledb and await _create_hypertable(connection, found)):
        storage = Storage.HYPERTABLE
    else:
        await _create_partitions(connection, clock.now())
    try:
        if storage is Storage.HYPERTABLE:
            await hypertable.set_width(connection, _width())
        await views.ensure_views(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        logger.warning("the snapshots' chunks and views stay as they are: %s", error)
    except Contended as error:
        logger.warning("the snapshots' views stay as they are until the next `atlas migrate`: %s", error)
    return storage


async def maintain(
    database: Connector, now: datetime, keep_from: datetime, *, batch: int, dry_run: bool = False
) -> Maintenance:
    """Remove the snapshots from before ``keep_from``, and create the partitions that are missing.

    Parts whose rows are all old are dropped. Other old rows are deleted, about ``batch`` of them in a transaction; a
    user who does not own the table deletes all rows this way. Both times are schedule times, ``keep_from`` the earlier.
    """
    connection = await database.connect()
    try:
        with map_driver_errors():
            found = await inspect(connection)
            if dry_run:
                return await _outlook(connection, found, now, keep_from)
            dropped = await _drop(connection, found, keep_from)
            deleted = await _delete(connection, found, keep_from, batch)
            try:
                await views.expire(connection, keep_from)
            except asyncpg.LockNotAvailableError as error:
                logger.info("a policy refreshes the aggregates and will remove their old buckets (%s)", error)
            made: list[str] = []
            moved = 0
            if found.storage is Storage.PARTITIONED:
                made, moved = await _create_partitions(connection, now)
                if made or dropped or deleted:
                    await connection.execute(sql("snapshots/maintenance/analyze_snapshots"), timeout=WHOLE_TABLE)
            return Maintenance(tuple(made), tuple(dropped), deleted, moved)
    finally:
        await connection.close()


def _width() -> timedelta:
    return timedelta(days=settings.database_chunk_days)


async def _create_hypertable(connection: asyncpg.Connection, found: Inspection) -> bool:
    """Create a hypertable if there are no snapshots yet; return whether they are in one now."""
    if (reason := hypertable.unavailable_reason(found)) is not None:
        logger.info("snapshots go into partitions: %s", reason)
        return False
    try:
        if await conversion.convert_empty(connection):
            return True
        logger.warning("TimescaleDB is there, but the snapshots are not in it: run `atlas migrate --to-timescaledb`")
    except (asyncpg.PostgresError, AtlasError) as error:
        logger.warning("TimescaleDB is there but cannot be used (%s): snapshots go into partitions", error)
    return False


async def _create_partitions(connection: asyncpg.Connection, now: datetime) -> tuple[list[str], int]:
    try:
        return await partitions.create_missing(connection, now, _width())
    except asyncpg.InsufficientPrivilegeError:
        logger.warning(
            "no partition is created: run `atlas migrate` as the owner of video_stats_log, at least every %d days",
            partitions.AHEAD * settings.database_chunk_days,
        )
    except Contended as error:
        logger.warning("no partition is created this time: %s", error)
    return [], 0


async def _old(connection: asyncpg.Connection, found: Inspection, keep_from: datetime) -> list[Range]:
    """Return the parts that can be dropped as a whole."""
    hyper = found.storage is Storage.HYPERTABLE
    parts = await (hypertable.chunks if hyper else partitions.attached)(connection)
    return [one for one in parts if one.upper <= keep_from]


async def _drop(connection: asyncpg.Connection, found: Inspection, keep_from: datetime) -> list[str]:
    dropped: list[str] = []
    try:
        if found.storage is Storage.HYPERTABLE:
            return await hypertable.drop_before(connection, keep_from)
        for one in await _old(connection, found, keep_from):
            if await partitions.drop(connection, one.name):
                dropped.append(one.name)
    except asyncpg.InsufficientPrivilegeError:
        logger.warning("old snapshots are deleted row by row: only the owner of video_stats_log may drop its parts")
    except Contended as error:
        logger.warning("old snapshots are deleted row by row: %s", error)
    return dropped


async def _delete(connection: asyncpg.Connection, found: Inspection, keep_from: datetime, batch: int) -> int:
    """Delete the old rows in the order of the key, so that all batches together read the key once."""
    deleted, last = 0, ""
    while True:
        async with connection.transaction():
            row = await connection.fetchrow(sql("snapshots/maintenance/oldest_batch"), keep_from, last, batch)
            if row["last"] is None:
                return deleted
            if found.edition == "timescale":
                await connection.fetchval(sql("snapshots/common/lift_decompression_limit"))
            tag = await connection.execute(sql("snapshots/maintenance/delete_batch"), keep_from, last, row["last"])
        deleted += int(tag.rpartition(" ")[2])
        last = row["last"]


async def _outlook(
    connection: asyncpg.Connection, found: Inspection, now: datetime, keep_from: datetime
) -> Maintenance:
    """Return what ``maintain`` would do."""
    owned = await connection.fetchval(sql("snapshots/maintenance/owns_snapshots"))
    dropped = await _old(connection, found, keep_from) if owned else []  # others delete row by row
    older = await connection.fetchval(sql("snapshots/maintenance/count_older"), keep_from, timeout=WHOLE_TABLE)
    for one in dropped:
        older -= await connection.fetchval(
            sql("snapshots/maintenance/count_between"), one.lower, one.upper, timeout=WHOLE_TABLE
        )
    made: list[Range] = []
    if found.storage is Storage.PARTITIONED and owned:
        made = await partitions.missing(connection, now, _width(), without=dropped)
    return Maintenance(tuple(one.name for one in made), tuple(one.name for one in dropped), older)
