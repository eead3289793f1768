"""Store snapshots on plain PostgreSQL in partitions by time, and a default one for all other times.

A partition is named for its first day, such as ``video_stats_log_20261116``. Ranges begin at multiples of
DATABASE_CHUNK_DAYS counted from a Monday. After a change of the setting, new ones begin where the old ones end.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.snapshots.ddl import execute_generated, run_ddl

SNAPSHOTS = "video_stats_log"
DEFAULT = "video_stats_log_default"
AHEAD = 4
"""Number of future partitions, each DATABASE_CHUNK_DAYS wide: the Janitor may pause for that time."""

_ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday


@dataclass(frozen=True)
class Range:
    """A partition or chunk for times from ``lower`` to ``upper`` (UTC, exclusive)."""

    name: str
    lower: datetime
    upper: datetime


def range_of(moment: datetime, width: timedelta, taken: Iterable[Range]) -> Range | None:
    """Return the free range around a moment for a new partition, or None if a partition contains it."""
    lower = moment - (moment - _ORIGIN) % width
    upper = lower + width
    for other in taken:
        if other.lower <= moment < other.upper:
            return None
        if other.upper <= moment:
            lower = max(lower, other.upper)
        else:
            upper = min(upper, other.lower)
    return Range(f"{SNAPSHOTS}_{lower:%Y%m%d}", lower, upper)


def ranges_for(
    moments: Iterable[datetime], width: timedelta, taken: Sequence[Range], *, now: datetime, ahead: int = AHEAD
) -> list[Range]:
    """Return the missing ranges for these moments, and from now until ``ahead`` widths later."""
    new: list[Range] = []

    def cover(moment: datetime) -> datetime:
        """Return the end of the range around a moment; add the range if it is missing."""
        if (found := range_of(moment, width, [*taken, *new])) is not None:
            new.append(found)
        return next(one.upper for one in (*taken, *new) if one.lower <= moment < one.upper)

    for moment in moments:
        cover(moment)
    at = now
    while at <= now + ahead * width:
        at = cover(at)
    return sorted(new, key=lambda one: one.lower)


async def attached(connection: asyncpg.Connection) -> list[Range]:
    """Return the partitions except the default one, the oldest first; an open end becomes the first or last time."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return [
        Range(row["name"], row["lower"] or first, row["upper"] or last)
        for row in await connection.fetch(sql("snapshots/common/list_partitions"), SNAPSHOTS)
        if not row["is_default"]
    ]


async def default(connection: asyncpg.Connection) -> str | None:
    """Return the name of the default partition."""
    rows = await connection.fetch(sql("snapshots/common/list_partitions"), SNAPSHOTS)
    return next((row["name"] for row in rows if row["is_default"]), None)


async def missing(
    connection: asyncpg.Connection, now: datetime, width: timedelta, without: Iterable[Range] = ()
) -> list[Range]:
    """Return the missing partitions for rows of the default one and the near future, as if ``without`` were dropped."""
    days: list[datetime] = []
    source = await default(connection)
    if source is not None and await connection.fetchval(sql("snapshots/common/table_has_rows", table=source)):
        rows = await connection.fetch(
            sql("snapshots/partitions/list_days_with_rows", table=source), timeout=WHOLE_TABLE
        )
        days = [row["day"] for row in rows]
    dropped = set(without)
    return ranges_for(days, width, [one for one in await attached(connection) if one not in dropped], now=now)


async def create_missing(connection: asyncpg.Connection, now: datetime, width: timedelta) -> tuple[list[str], int]:
    """Create the missing partitions, each in a short transaction that moves its rows out of the default one.

    Return the new names, and the number of rows moved.
    """
    if await default(connection) is None:
        await run_ddl(connection, functools.partial(_create_default, connection))
    names, moved = [], 0
    for wanted in await missing(connection, now, width):
        done = await run_ddl(connection, functools.partial(_create, connection, wanted))
        if done is not None:
            names.append(done[0])
            moved += done[1]
    return names, moved


async def drop(connection: asyncpg.Connection, name: str) -> bool:
    """Drop a partition with its rows in a transaction of its own; return False if the table is not partitioned."""

    async def work() -> bool:
        if not await _is_partitioned(connection):
            return False
        await connection.execute(sql("snapshots/common/drop_table", table=name))
        return True

    return await run_ddl(connection, work)


async def _create_default(connection: asyncpg.Connection) -> None:
    if await _is_partitioned(connection) and await default(connection) is None:
        await connection.execute(sql("snapshots/partitions/create_default", table=DEFAULT))
        await execute_generated(connection, sql("snapshots/common/alter_owner"), DEFAULT, SNAPSHOTS)


async def _create(connection: asyncpg.Connection, wanted: Range) -> tuple[str, int] | None:
    """Create one partition; return its name and its rows, or None if another process has created it."""
    if not await _is_partitioned(connection):
        return None
    if any(one.lower < wanted.upper and wanted.lower < one.upper for one in await attached(connection)):
        return None
    name, number = wanted.name, 1
    while await connection.fetchval(sql("snapshots/partitions/relation_kind"), name):
        number += 1
        name = f"{wanted.name}_{number}"
    # otherwise a writer that was routed to the default partition would fail
    await connection.execute(sql("snapshots/common/lock_table", table=SNAPSHOTS))
    source = await default(connection)
    assert source is not None  # noqa: S101  it is created first, and nothing here drops it
    await connection.execute(sql("snapshots/common/create_like", table=name, template=SNAPSHOTS))
    await execute_generated(connection, sql("snapshots/common/alter_owner"), name, SNAPSHOTS)
    move = sql("snapshots/partitions/move_rows", source=source, target=name)
    tag = await connection.execute(move, wanted.lower, wanted.upper, timeout=WHOLE_TABLE)
    attach = sql("snapshots/partitions/attach_partition")
    await execute_generated(connection, attach, name, wanted.lower, wanted.upper)
    return name, int(tag.rpartition(" ")[2])


async def _is_partitioned(connection: asyncpg.Connection) -> bool:
    kind: str | None = await connection.fetchval(sql("snapshots/partitions/relation_kind"), SNAPSHOTS)
    return kind == "p"
