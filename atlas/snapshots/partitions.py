"""Snapshots on plain PostgreSQL: one partition for each range of time, and a default one for all that fits in none.

A partition is named for its first day, such as ``video_stats_log_20261116``. Ranges begin at multiples of
DATABASE_CHUNK_DAYS counted from a Monday; where the setting has changed, new ones begin where the old ones end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from atlas.db.queries import sql
from atlas.snapshots import moving
from atlas.snapshots.steps import perform, shortly

__all__ = [
    "AHEAD",
    "DEFAULT",
    "SNAPSHOTS",
    "Range",
    "attached",
    "create",
    "create_default",
    "default",
    "drop",
    "ensure_default",
    "make_ahead",
    "may_change",
    "range_of",
    "ranges_for",
]

SNAPSHOTS = "video_stats_log"
DEFAULT = "video_stats_log_default"
AHEAD = 4
"""So many widths ahead of now have their partitions already: a janitor may be away for as long."""

_ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday
_NAMES = 100  # of one day; more are nobody's doing but a person's


@dataclass(frozen=True)
class Range:
    """A partition and what it holds, from ``lower`` until before ``upper`` (UTC)."""

    name: str
    lower: datetime
    upper: datetime


def range_of(moment: datetime, width: timedelta, taken: Iterable[Range]) -> Range | None:
    """The range that a new partition for this moment has, no part of which is taken; None: the moment is taken."""
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
    """The new ranges that hold these moments, and all time from now until ``ahead`` widths later."""
    new: list[Range] = []
    for moment in moments:
        found = range_of(moment, width, [*taken, *new])
        if found is not None:
            new.append(found)
    at = now
    while at <= now + ahead * width:
        found = range_of(at, width, [*taken, *new])
        if found is not None:
            new.append(found)
        at = next(other.upper for other in (*taken, *new) if other.lower <= at < other.upper)
    return sorted(new, key=lambda one: one.lower)


async def attached(connection: asyncpg.Connection, parent: str = SNAPSHOTS) -> list[Range]:
    """The partitions but the default one, the oldest first; an end that is open reaches to the end of time."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return [
        Range(row["name"], row["lower"] or first, row["upper"] or last)
        for row in await connection.fetch(sql("snapshots/common/list_partitions"), parent)
        if not row["is_default"]
    ]


async def default(connection: asyncpg.Connection) -> str | None:
    """The partition of the rows that fit in no range."""
    rows = await connection.fetch(sql("snapshots/common/list_partitions"), SNAPSHOTS)
    return next((row["name"] for row in rows if row["is_default"]), None)


async def create(connection: asyncpg.Connection, wanted: Range, *, parent: str = SNAPSHOTS) -> Range:
    """Makes one partition, in the caller's transaction. Rows of other ranges are written and read meanwhile.

    Returns:
        it, with the name that it has: another one where a table of that name is there already.
    """
    name = wanted.name
    for number in range(2, _NAMES):
        if not await connection.fetchval(sql("snapshots/common/relation_exists"), name):
            break
        name = f"{wanted.name}_{number}"
    await connection.execute(sql("snapshots/common/create_like", table=name))
    await perform(connection, sql("snapshots/common/alter_owner"), name)
    await perform(connection, sql("snapshots/partitions/add_range_check"), name, wanted.lower, wanted.upper)
    await perform(connection, sql("snapshots/common/attach_partition"), parent, name, wanted.lower, wanted.upper)
    if parent == SNAPSHOTS:
        await connection.execute(sql("snapshots/common/drop_range_check", table=name))
    return Range(name, wanted.lower, wanted.upper)


async def create_default(connection: asyncpg.Connection, name: str, *, parent: str = SNAPSHOTS) -> None:
    """Makes the partition for all that fits in no other, in the caller's transaction."""
    await connection.execute(sql("snapshots/common/create_like", table=name))
    await perform(connection, sql("snapshots/common/alter_owner"), name)
    await connection.execute(sql("snapshots/common/attach_default", parent=parent, table=name))


async def ensure_default(connection: asyncpg.Connection) -> None:
    """Makes the default partition where somebody has taken it away."""

    async def work() -> None:
        if await may_change(connection) and await default(connection) is None:
            await create_default(connection, DEFAULT)

    if await default(connection) is None:
        await shortly(connection, work)


async def make_ahead(connection: asyncpg.Connection, now: datetime, width: timedelta) -> list[str]:
    """Makes the partitions of the time to come, and the default one where it is missing. Returns the names of those.

    The default partition should hold next to nothing, since it is read once for each new one: see
    ``atlas.snapshots.draining``.
    """

    async def work() -> list[str]:
        if not await may_change(connection):
            return []
        new = ranges_for((), width, await attached(connection), now=now)
        return [(await create(connection, one)).name for one in new]

    await ensure_default(connection)
    if not ranges_for((), width, await attached(connection), now=now):
        return []  # nearly always: no lock is asked for
    return await shortly(connection, work)


async def drop(connection: asyncpg.Connection, name: str) -> bool:
    """Drops one partition with its rows, in a step of its own. Returns whether it did."""

    async def work() -> bool:
        if not await may_change(connection):
            return False
        await connection.execute(sql("snapshots/common/drop_table", table=name))
        return True

    return await shortly(connection, work)


async def may_change(connection: asyncpg.Connection) -> bool:
    """Whether the partitions may be others after this step: not while they are copied, nor in a hypertable's place."""
    return (
        bool(await connection.fetchval(sql("snapshots/common/is_partitioned")))
        and await moving.under_way(connection) is None
    )
