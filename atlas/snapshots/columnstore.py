"""Set up the columnstore of TimescaleDB's Community edition, which compresses older snapshots."""

from __future__ import annotations

import logging

import asyncpg

from atlas.db.queries import sql
from atlas.snapshots.ddl import run_ddl

logger = logging.getLogger(__name__)


async def community(connection: asyncpg.Connection) -> str | None:
    """Return the schema of TimescaleDB's functions if it is the Community edition and stores the snapshots."""
    extension: str | None = await connection.fetchval(sql("snapshots/hypertable/community_edition"))
    if extension is None or not await connection.fetchval(sql("snapshots/common/is_hypertable")):
        return None
    return extension


async def ensure(connection: asyncpg.Connection, extension: str) -> None:
    """Put older chunks of the snapshots into the columnstore from now on, unless the table has settings for it.

    Raises Contended if the table stays in use by others.
    """

    async def work() -> None:
        if await connection.fetchval(sql("snapshots/hypertable/has_columnstore")):
            return
        await connection.execute(sql("snapshots/hypertable/columnstore_snapshots"))
        policy = sql("snapshots/hypertable/columnstore_policy", extension=extension, relation="video_stats_log")
        await connection.execute(policy)

    try:
        if not await connection.fetchval(sql("snapshots/hypertable/has_columnstore")):  # nearly never
            await run_ddl(connection, work)
    except asyncpg.PostgresError as error:
        logger.warning("video_stats_log stays a rowstore: TimescaleDB cannot make it a columnstore (%s)", error)


async def ensure_for_aggregate(connection: asyncpg.Connection, extension: str, view: str) -> None:
    """Put older chunks of a continuous aggregate into the columnstore, in the caller's transaction.

    TimescaleDB before 2.27.2 may refuse it if a policy refreshes from the beginning.
    """
    try:
        async with connection.transaction():
            await connection.execute(sql("snapshots/hypertable/columnstore_aggregate", view=view))
            await connection.execute(sql("snapshots/hypertable/columnstore_policy", extension=extension, relation=view))
    except asyncpg.PostgresError as error:
        logger.warning("%s stays a rowstore: TimescaleDB cannot make it a columnstore (%s)", view, error)
