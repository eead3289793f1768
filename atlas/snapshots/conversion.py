"""A plain installation becomes a TimescaleDB one while its shards write: `atlas migrate --to-timescaledb`.

The snapshots are copied into a hypertable beside them, newest first, with what is written meanwhile mirrored into it
(``atlas.snapshots.moving``); when both are the same, the two change their names under a short lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from atlas.config import settings
from atlas.db.errors import map_driver_errors
from atlas.db.queries import sql
from atlas.db.server_info import Storage, inspect
from atlas.errors import ConfigError
from atlas.snapshots import draining, hypertable, moving, partitions, views
from atlas.snapshots.moving import REPLACED, Job, Progress, Purpose
from atlas.snapshots.partitions import SNAPSHOTS
from atlas.snapshots.steps import LOCK, Connects, perform, shortly

__all__ = ["TARGET", "Conversion", "finish", "give_up", "replace_empty", "to_timescaledb"]

TARGET = "video_stats_log_converting"


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes:
        rows: snapshots that were in both tables when they were compared, just before the swap.
        seconds: of copying and comparing, in this process.
        locked: seconds that nobody could read or write snapshots, the waiting for others to end included.
    """

    rows: int
    seconds: float
    locked: float


async def to_timescaledb(database: Connects, progress: Progress) -> Conversion | None:
    """Moves the snapshots into a hypertable. One that was interrupted goes on where it was.

    Args:
        database: of a user who owns the tables.
        progress: is called after each batch.

    Returns:
        what was done, or None where they are in one already.

    Raises:
        ConfigError: TimescaleDB cannot be had there, or something hangs on the table that would be lost.
        Contended: the swap found no gap between transactions; the copy is there, and a second run swaps at once.
    """
    connection = await database.connect()
    try:
        with map_driver_errors():
            await finish(connection)  # what one that was killed has left
            return await _convert(connection, timedelta(days=settings.database_chunk_days), progress)
    finally:
        await connection.close()


async def give_up(database: Connects) -> bool:
    """Drops what a conversion has copied; the snapshots stay where they are. Returns whether there was one."""
    connection = await database.connect()
    try:
        with map_driver_errors():
            job = await moving.under_way(connection)
            if job is None or job.purpose is not Purpose.CONVERT:
                return False
            await moving.abandon(connection, TARGET, job)
            return True
    finally:
        await connection.close()


async def _convert(connection: asyncpg.Connection, width: timedelta, progress: Progress) -> Conversion | None:
    found = await inspect(connection)
    if found.storage is Storage.HYPERTABLE:
        return None
    if (reason := hypertable.why_not(found)) is not None:
        raise ConfigError(f"DATABASE_URL: snapshots cannot go into a hypertable: {reason}.")
    await _create_extension(connection)
    await _check_dependents(connection)
    began = time.monotonic()
    try:
        job = await _begin(connection, width)
        if job is None:
            return None  # another process has brought it to its end
        await moving.copy(connection, job, TARGET, progress)
        rows = await moving.verify(connection, SNAPSHOTS, await _parts(connection), TARGET)
        copied = time.monotonic()
        locked = await shortly(connection, lambda: _swap_timed(connection, job), tries=30)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(
            f"DATABASE_URL: this user may not convert video_stats_log ({error}). Run it as the owner of the tables."
        ) from None
    except asyncpg.UndefinedTableError:
        if (await inspect(connection)).storage is Storage.HYPERTABLE:
            return None  # another process has brought it to its end
        raise
    ended = time.monotonic()
    await finish(connection)
    return Conversion(rows, copied - began, ended - locked) if locked else None


async def _begin(connection: asyncpg.Connection, width: timedelta) -> Job | None:
    """The copying of this or an earlier run; one that is for another purpose gives way to it."""
    await partitions.ensure_default(connection)  # nothing is copied without a part
    while True:
        job = await moving.begin(
            connection,
            Purpose.CONVERT,
            lambda: hypertable.create(connection, TARGET, width),
            source=SNAPSHOTS,
            parts=await _parts(connection),
            target=TARGET,
        )
        if job is None or job.purpose is Purpose.CONVERT:
            return job
        await moving.abandon(connection, draining.TARGET, job)


async def finish(connection: asyncpg.Connection) -> None:
    """Has the views read what is in the place of the snapshots now, and drops what was there before."""
    await views.ensure_views(connection)
    await moving.clean(connection)


async def _create_extension(connection: asyncpg.Connection) -> None:
    try:
        async with connection.transaction():
            await connection.fetchval(sql("snapshots/common/lock_schema_change"), LOCK)
            await connection.execute(sql("snapshots/conversion/create_extension"))
    except asyncpg.PostgresError as error:
        raise ConfigError(
            f"DATABASE_URL: the extension timescaledb cannot be created ({error}). Have an administrator of the "
            "database run CREATE EXTENSION timescaledb, then run this again."
        ) from None


async def _check_dependents(connection: asyncpg.Connection) -> None:
    hanging = [row["dependent"] for row in await connection.fetch(sql("snapshots/conversion/find_dependents"))]
    if hanging:
        raise ConfigError(
            f"video_stats_log is used by {', '.join(hanging)}, which would stay with the old table. Drop these, "
            "run this again, and make them anew."
        )


async def _parts(connection: asyncpg.Connection) -> list[str]:
    """The partitions, the newest first; the default one, whose rows may be of any time, last."""
    rows = await connection.fetch(sql("snapshots/common/list_partitions"), SNAPSHOTS)
    return [row["name"] for row in sorted(rows, key=lambda row: row["is_default"]) if not row["is_default"]][::-1] + [
        row["name"] for row in rows if row["is_default"]
    ]


async def _swap_timed(connection: asyncpg.Connection, job: Job) -> float | None:
    """Swaps; returns when the lock was asked for (monotonic), or None if another process had swapped before."""
    if await moving.under_way(connection) != job:
        return None
    began = time.monotonic()
    await connection.execute(sql("snapshots/conversion/lock_snapshots"))
    await _check_dependents(connection)
    await _swap(connection)
    return began


async def _swap(connection: asyncpg.Connection) -> None:
    """Puts the copy in the place of the snapshots, in the caller's transaction, which holds the lock."""
    await moving.end(connection)
    await connection.execute(sql("snapshots/conversion/rename_table", table=SNAPSHOTS, new_name=REPLACED))
    await connection.execute(
        sql("snapshots/conversion/rename_index", index=f"{SNAPSHOTS}_pkey", new_name=f"{REPLACED}_pkey")
    )
    await connection.execute(sql("snapshots/conversion/rename_table", table=TARGET, new_name=SNAPSHOTS))
    await connection.execute(
        sql("snapshots/conversion/rename_index", index=f"{TARGET}_pkey", new_name=f"{SNAPSHOTS}_pkey")
    )
    await perform(connection, sql("snapshots/common/grants"), REPLACED, SNAPSHOTS)


async def replace_empty(connection: asyncpg.Connection, width: timedelta) -> bool:
    """Makes the snapshots a hypertable where there are none yet, which ``finish`` has to follow. Returns whether."""

    async def work() -> bool:
        await connection.execute(sql("snapshots/conversion/create_extension"))
        if (await inspect(connection)).storage is Storage.HYPERTABLE:
            return True  # another process was faster
        await connection.execute(sql("snapshots/conversion/lock_snapshots"))
        if await connection.fetchval(sql("snapshots/common/table_has_rows", table=SNAPSHOTS)):
            return False
        await _check_dependents(connection)
        await hypertable.create(connection, TARGET, width)
        await _swap(connection)
        return True

    return await shortly(connection, work)
