"""What keeps the snapshots in order, alike for partitions and a hypertable: made ahead, dropped, deleted, drained."""

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
from atlas.snapshots import conversion, draining, hypertable, moving, partitions, views
from atlas.snapshots.moving import Purpose
from atlas.snapshots.partitions import Range
from atlas.snapshots.steps import Connects

__all__ = ["Maintenance", "ensure", "maintain"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Maintenance:
    """What was done, or would be.

    Attributes:
        made: new partitions; chunks of a hypertable make themselves.
        dropped: partitions or chunks that held nothing but rows that are too old.
        deleted: older rows of others, deleted one by one.
        moved: rows of the default partition that went into partitions of their own.
    """

    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    deleted: int = 0
    moved: int = 0


def _width() -> timedelta:
    return timedelta(days=settings.database_chunk_days)


async def ensure(connection: asyncpg.Connection, *, try_timescaledb: bool = True) -> Storage:
    """Brings the snapshots into the best place that the server has: the owner's part, after the revisions.

    A hypertable where TimescaleDB can be had and there are no snapshots yet; otherwise partitions, those of the time to
    come made ahead, and the views. Safe to repeat. What the server refuses is a warning: inserts work all the same.
    """
    found = await inspect(connection)
    storage = Storage.PARTITIONED
    if found.storage is Storage.HYPERTABLE or (try_timescaledb and await _made_hypertable(connection, found)):
        storage = Storage.HYPERTABLE
    else:
        await _made(connection, clock.now())
    try:
        if storage is Storage.HYPERTABLE:
            await hypertable.set_width(connection, _width())
        await conversion.finish(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        logger.warning("the snapshots' chunks and views stay as they are: %s", error)
    except Contended as error:
        logger.warning("the snapshots' views stay as they are until the next `atlas migrate`: %s", error)
    return storage


async def _made_hypertable(connection: asyncpg.Connection, found: Inspection) -> bool:
    """Whether an empty table could be made a hypertable."""
    if (reason := hypertable.why_not(found)) is not None:
        logger.info("snapshots go into partitions: %s", reason)
        return False
    job = await moving.under_way(connection)
    if job is not None and job.purpose is Purpose.CONVERT:
        logger.warning("a conversion has not ended: run `atlas migrate --to-timescaledb` again")
        return False
    if await connection.fetchval(sql("snapshots/common/table_has_rows", table=partitions.SNAPSHOTS)):
        logger.warning("TimescaleDB is there, but the snapshots are not in it: run `atlas migrate --to-timescaledb`")
        return False
    try:
        return await conversion.replace_empty(connection, _width())
    except (asyncpg.PostgresError, AtlasError) as error:
        logger.warning("TimescaleDB is there but cannot be used (%s): snapshots go into partitions", error)
        return False


async def _in_partitions(connection: asyncpg.Connection, now: datetime) -> tuple[list[str], int]:
    """The partitions that the rows of the default one lack, then those of the time to come; and the rows moved."""
    await moving.clean(connection)  # what an earlier run could not drop
    made, moved = await draining.drain(connection, now, _width())
    if await moving.under_way(connection) is None:
        made += await partitions.make_ahead(connection, now, _width())
    return made, moved


async def maintain(
    database: Connects, now: datetime, keep_from: datetime, *, batch: int, dry_run: bool = False
) -> Maintenance:
    """Removes the snapshots of before ``keep_from`` and makes room for those to come. Shuts nobody out for long.

    Partitions or chunks that hold nothing younger are dropped; of the one that holds both, the older rows are deleted,
    ``batch`` of them in a transaction. A user who may not drop anything has all of them deleted so.

    Args:
        database: whose snapshots.
        now: schedule time.
        keep_from: schedule time; must not be after ``now``.
        batch: rows of one transaction, somewhat more where one video has many.
        dry_run: says what would be done, and changes nothing.
    """
    connection = await database.connect()
    try:
        with map_driver_errors():
            found = await inspect(connection)
            if dry_run:
                return await _outlook(connection, found, now, keep_from)
            dropped = await _drop(connection, found, keep_from)
            deleted = await _delete(connection, found, keep_from, batch)
            await _expire(connection, keep_from)
            made: list[str] = []
            moved = 0
            if found.storage is Storage.PARTITIONED:
                made, moved = await _made(connection, now)
                if made or dropped or deleted:
                    await connection.execute(sql("snapshots/maintenance/analyze_snapshots"), timeout=WHOLE_TABLE)
            return Maintenance(tuple(made), tuple(dropped), deleted, moved)
    finally:
        await connection.close()


async def _old(connection: asyncpg.Connection, found: Inspection, keep_from: datetime) -> list[Range]:
    """What can be dropped as a whole. While snapshots are copied, what is dropped would not be missed in the copy."""
    if found.storage is Storage.HYPERTABLE:
        ranges = await hypertable.chunks(connection)
    elif await moving.under_way(connection) is None:
        ranges = await partitions.attached(connection)
    else:
        ranges = []
    return [one for one in ranges if one.upper <= keep_from]


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
    """Deletes the rows of before a time in the order of the key, so that all batches together read it once."""
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


async def _expire(connection: asyncpg.Connection, keep_from: datetime) -> None:
    try:
        await views.expire(connection, keep_from)
    except asyncpg.LockNotAvailableError as error:
        logger.info("the policies compute the aggregates now: the rest of what is too old goes with that (%s)", error)


async def _made(connection: asyncpg.Connection, now: datetime) -> tuple[list[str], int]:
    try:
        return await _in_partitions(connection, now)
    except asyncpg.InsufficientPrivilegeError:
        logger.warning("no partition is made ahead: run `atlas migrate` as the owner of video_stats_log now and then")
    except Contended as error:
        logger.warning("no partition is made ahead this time: %s", error)
    return [], 0


async def _outlook(
    connection: asyncpg.Connection, found: Inspection, now: datetime, keep_from: datetime
) -> Maintenance:
    """What ``maintain`` would do."""
    owned = await connection.fetchval(sql("snapshots/maintenance/owns_snapshots"))
    dropped = await _old(connection, found, keep_from) if owned else []  # anybody else deletes row by row
    older = await connection.fetchval(sql("snapshots/maintenance/count_older"), keep_from, timeout=WHOLE_TABLE)
    for one in dropped:
        older -= await connection.fetchval(
            sql("snapshots/maintenance/count_between"), one.lower, one.upper, timeout=WHOLE_TABLE
        )
    made: list[Range] = []
    if found.storage is Storage.PARTITIONED:
        taken = [one for one in await partitions.attached(connection) if one not in dropped]
        try:
            made = await draining.new_ranges(connection, now, _width())
            made = made or partitions.ranges_for((), _width(), taken, now=now)
        except asyncpg.InsufficientPrivilegeError:
            made = []  # only the owner reads the default partition by itself, and only the owner makes others
    return Maintenance(tuple(one.name for one in made), tuple(one.name for one in dropped), older)
