"""Snapshots are copied into other tables while shards write; a short lock is enough to put these in their place.

From the beginning, triggers mirror what is written into the copy, in the writer's own transaction; then the rows that
were there before are copied page by page. How far it is stands in a table: a copying that was killed goes on.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.errors import StatementFailed
from atlas.snapshots.steps import perform, shortly

__all__ = ["REPLACED", "Job", "Progress", "Purpose", "abandon", "begin", "clean", "copy", "end", "under_way", "verify"]

logger = logging.getLogger(__name__)

MOVING = "video_stats_log_moving"
REPLACED = "video_stats_log_replaced"
"""What the snapshots were in before, until it is dropped."""

Progress = Callable[[str, int, int], None]
"""Called after each batch with the part that is copied, its pages that are done, and its pages."""

_PAGES = 64  # of a batch: some 6,000 rows, a few ten milliseconds
_OTHERS = 0.2  # seconds between two looks whether another process has copied its batch


class Purpose(StrEnum):
    """What snapshots are copied for."""

    DRAIN = "drain"
    """The default partition's rows go into partitions of their own."""
    CONVERT = "convert"
    """All go into a hypertable."""


@dataclass(frozen=True)
class Job:
    """A copying that has begun and not ended, whoever is at it."""

    id: uuid.UUID
    purpose: Purpose


async def under_way(connection: asyncpg.Connection) -> Job | None:
    """The copying that has begun and not ended."""
    if not await connection.fetchval(sql("snapshots/common/relation_exists"), MOVING):
        return None
    try:
        async with connection.transaction():
            row = await connection.fetchrow(sql("snapshots/conversion/current_copy_job"))
    except asyncpg.UndefinedTableError:
        return None  # another process has brought it to its end meanwhile
    return Job(row["job"], Purpose(row["purpose"]))


async def begin(
    connection: asyncpg.Connection,
    purpose: Purpose,
    make_target: Callable[[], Awaitable[None]],
    *,
    source: str,
    parts: Sequence[str],
    target: str,
) -> Job | None:
    """Makes the table to copy into and has writers mirror into it, unless a copying is under way.

    Args:
        connection: outside a transaction.
        purpose: why.
        make_target: makes the table.
        source: the table whose rows are copied.
        parts: the tables that it consists of, at least one, in the order in which they are copied.
        target: the table's name.

    Returns:
        the copying that is under way now, maybe another process's; None: the snapshots are in no partitions any more.
    """

    async def work() -> Job | None:
        there = await under_way(connection)
        if there is not None or not await connection.fetchval(sql("snapshots/common/is_partitioned")):
            return there
        job = Job(uuid.uuid4(), purpose)
        await make_target()
        await connection.execute(sql("snapshots/conversion/create_copy_table"))
        await perform(connection, sql("snapshots/common/alter_owner"), MOVING)
        await connection.execute(sql("snapshots/conversion/mirror_function", source=source, target=target))
        await connection.execute(
            sql("snapshots/conversion/mirror_insert")
        )  # waits for all who write, and has the next ones wait
        await connection.execute(sql("snapshots/conversion/mirror_update"))
        await connection.execute(sql("snapshots/conversion/mirror_delete"))
        await connection.execute(sql("snapshots/conversion/mirror_truncate"))
        for place, part in enumerate(parts):
            await connection.execute(sql("snapshots/conversion/plan_copy"), job.id, purpose, place, part)
        return job

    return await shortly(connection, work, tries=20)


async def copy(connection: asyncpg.Connection, job: Job, target: str, progress: Progress) -> None:
    """Copies what is left to copy, in small transactions. Several processes may do so at once."""
    while True:
        try:
            async with connection.transaction():
                row = await connection.fetchrow(sql("snapshots/conversion/claim_copy_part"), job.id)
                if row is not None:
                    left = max(0, row["remaining"] - _PAGES)
                    statement = sql("snapshots/conversion/copy_pages", part=row["part"], target=target)
                    await connection.execute(statement, left, row["remaining"])
                    await connection.execute(sql("snapshots/conversion/update_copy_progress"), row["part"], left)
        except asyncpg.DeadlockDetectedError:
            continue  # with one who deletes: this batch is done again
        if row is not None:
            progress(row["part"], row["pages"] - left, row["pages"])
        elif any(part["remaining"] for part in await connection.fetch(sql("snapshots/common/list_copy_parts"), job.id)):
            await asyncio.sleep(_OTHERS)
        else:
            return


async def verify(connection: asyncpg.Connection, source: str, parts: Sequence[str], target: str) -> int:
    """Compares every row with its copy, and mends what is missing or too much. Shuts nobody out.

    Returns:
        the rows, all of which are in the copy.

    Raises:
        StatementFailed: the two differ still, which should not be possible.
    """
    for _ in range(2):
        rows, lacking, extra = await _differences(connection, parts, target)
        if not lacking and not extra:
            return rows
        for part, (oldest, newest) in lacking.items():
            statement = sql("snapshots/conversion/copy_missing", part=part, target=target)
            await connection.execute(statement, oldest, newest, timeout=WHOLE_TABLE)
        if extra:
            await connection.execute(
                sql("snapshots/conversion/delete_extra", source=source, target=target), timeout=WHOLE_TABLE
            )
    rows, lacking, extra = await _differences(connection, parts, target)
    if lacking or extra:
        raise StatementFailed(
            f"the copy of video_stats_log differs from it (in {', '.join(lacking) or 'rows that it has not'}); the "
            "snapshots stay where they are"
        )
    return rows


async def _differences(
    connection: asyncpg.Connection, parts: Sequence[str], target: str
) -> tuple[int, dict[str, tuple[object, object]], bool]:
    """As of one moment: the rows, the parts of which some are missing with their range, whether the copy has others."""
    rows = 0
    lacking: dict[str, tuple[object, object]] = {}
    missing = 0
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(sql("snapshots/conversion/lock_snapshots_shared"))
        await connection.fetchval(sql("snapshots/common/set_local"), "statement_timeout", "0")
        for part in parts:
            span = await connection.fetchrow(sql("snapshots/common/time_range", table=part), timeout=WHOLE_TABLE)
            if span["oldest"] is None:
                continue
            statement = sql("snapshots/conversion/count_copy_mismatches", part=part, target=target)
            found = await connection.fetchrow(statement, span["oldest"], span["newest"], timeout=WHOLE_TABLE)
            rows += found["rows"]
            missing += found["missing"]
            if found["missing"]:
                lacking[part] = span["oldest"], span["newest"]
        copied = await connection.fetchval(sql("snapshots/conversion/count_rows", table=target), timeout=WHOLE_TABLE)
    return rows, lacking, copied > rows - missing


async def end(connection: asyncpg.Connection) -> None:
    """Ends the mirroring, in the caller's transaction."""
    await connection.execute(sql("snapshots/conversion/drop_mirror"))
    await connection.execute(sql("snapshots/common/drop_table", table=MOVING))


async def abandon(connection: asyncpg.Connection, target: str, job: Job) -> None:
    """Gives up a copying, unless it has ended: what was copied is dropped, the snapshots stay where they are."""

    async def work() -> None:
        if await under_way(connection) != job:
            return
        await end(connection)
        await connection.execute(sql("snapshots/common/drop_table", table=target))

    await shortly(connection, work, tries=20)


async def clean(connection: asyncpg.Connection) -> None:
    """Drops what the snapshots were in before, once nobody needs it."""
    if not await connection.fetchval(sql("snapshots/common/relation_exists"), REPLACED):
        return
    try:
        await shortly(connection, lambda: connection.execute(sql("snapshots/common/drop_table", table=REPLACED)))
    except asyncpg.DependentObjectsStillExistError as error:
        logger.warning("%s holds old snapshots and cannot be dropped: %s (%s)", REPLACED, error, error.detail)
