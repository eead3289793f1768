"""Rows of the default partition get partitions of their own.

They land there where no partition was made ahead, where a release before partitions has left them, or when the schedule
clock runs fast. A partition cannot be attached while the default one holds rows of its range, so both are made anew
beside it (``atlas.snapshots.moving``) and put in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.snapshots import moving
from atlas.snapshots.moving import REPLACED, Job, Progress, Purpose
from atlas.snapshots.partitions import (
    DEFAULT,
    SNAPSHOTS,
    Range,
    attached,
    create,
    create_default,
    default,
    ranges_for,
)
from atlas.snapshots.steps import perform, shortly

__all__ = ["TARGET", "drain", "new_ranges"]

logger = logging.getLogger(__name__)

TARGET = "video_stats_log_draining"
_REST = "video_stats_log_draining_rest"
_MOST = 100  # new partitions at once: those of older rows wait for the next time


class _Changed(Exception):
    """Another process has given the rows their partitions meanwhile."""


def _silent(part: str, done: int, pages: int) -> None:
    """Tells nobody."""


async def new_ranges(connection: asyncpg.Connection, now: datetime, width: timedelta) -> list[Range]:
    """The partitions that rows of the default one lack, and with them those ahead of now; none: no row lacks one."""
    source = await default(connection)
    if source is None or not await connection.fetchval(sql("snapshots/common/table_has_rows", table=source)):
        return []
    rows = await connection.fetch(sql("snapshots/conversion/list_days_with_rows", table=source), timeout=WHOLE_TABLE)
    days = [row["day"] for row in rows]
    taken = await attached(connection)
    for_rows = ranges_for(days, width, taken, now=now, ahead=-1)[-_MOST:]
    return sorted([*for_rows, *ranges_for((), width, [*taken, *for_rows], now=now)], key=_lower) if for_rows else []


def _lower(one: Range) -> datetime:
    return one.lower


async def drain(
    connection: asyncpg.Connection, now: datetime, width: timedelta, progress: Progress = _silent
) -> tuple[list[str], int]:
    """Moves the rows of the default partition that no partition holds yet into new ones.

    Another process may be at it too; one that was killed is gone on with.

    Returns:
        the names of the new partitions, and how many rows were in the default one.
    """
    job = await moving.under_way(connection)
    if job is None:
        before = await attached(connection)
        wanted = await new_ranges(connection, now, width)
        source = await default(connection)
        # what an earlier draining replaced and nobody could drop yet has the name that the next one needs
        if not wanted or source is None or await connection.fetchval(sql("snapshots/common/relation_exists"), REPLACED):
            return [], 0

        async def make_target() -> None:
            if await attached(connection) != before:
                raise _Changed
            await _make_target(connection, wanted)

        try:
            job = await moving.begin(
                connection, Purpose.DRAIN, make_target, source=source, parts=[source], target=TARGET
            )
        except _Changed:
            return [], 0
    if job is None or job.purpose is not Purpose.DRAIN:
        return [], 0
    try:
        await moving.copy(connection, job, TARGET, progress)
        source = await default(connection)
        if source is None:
            return [], 0
        rows = await moving.verify(connection, source, [source], TARGET)
        made = await shortly(connection, lambda: _swap(connection, job), tries=20)
    except asyncpg.UndefinedTableError:
        return [], 0  # another process has brought it to its end
    except asyncpg.InvalidObjectDefinitionError as error:
        logger.warning("the rows of the default partition stay there until the next run: %s", error)
        await moving.abandon(connection, TARGET, job)
        return [], 0
    await moving.clean(connection)
    return made, rows if made else 0


async def _make_target(connection: asyncpg.Connection, wanted: Sequence[Range]) -> None:
    await connection.execute(sql("snapshots/conversion/create_partitioned_like", table=TARGET))
    await perform(connection, sql("snapshots/common/alter_owner"), TARGET)
    for one in wanted:
        await create(connection, one, parent=TARGET)
    await create_default(connection, _REST, parent=TARGET)


async def _swap(connection: asyncpg.Connection, job: Job) -> list[str]:
    """Attaches the new partitions and takes the old default one away; no row is read for it."""
    if await moving.under_way(connection) != job:
        return []  # another process was faster
    await connection.execute(sql("snapshots/conversion/lock_snapshots"))
    await moving.end(connection)
    source = await default(connection)
    assert source is not None  # noqa: S101  only this function takes it away
    await connection.execute(sql("snapshots/conversion/detach_partition", parent=SNAPSHOTS, table=source))
    await connection.execute(sql("snapshots/conversion/rename_table", table=source, new_name=REPLACED))
    await connection.execute(
        sql("snapshots/conversion/rename_index", index=f"{DEFAULT}_pkey", new_name=f"{REPLACED}_pkey")
    )
    new = await attached(connection, TARGET)
    for one in new:
        await connection.execute(sql("snapshots/conversion/detach_partition", parent=TARGET, table=one.name))
        await perform(connection, sql("snapshots/common/attach_partition"), SNAPSHOTS, one.name, one.lower, one.upper)
        await connection.execute(sql("snapshots/common/drop_range_check", table=one.name))
    await connection.execute(sql("snapshots/conversion/detach_partition", parent=TARGET, table=_REST))
    await connection.execute(sql("snapshots/conversion/rename_table", table=_REST, new_name=DEFAULT))
    await connection.execute(
        sql("snapshots/conversion/rename_index", index=f"{_REST}_pkey", new_name=f"{DEFAULT}_pkey")
    )
    await connection.execute(sql("snapshots/common/attach_default", parent=SNAPSHOTS, table=DEFAULT))
    await connection.execute(sql("snapshots/common/drop_table", table=TARGET))
    return [one.name for one in new]
