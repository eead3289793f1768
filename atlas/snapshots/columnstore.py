"""The columnstore of TimescaleDB's Community edition: older snapshots kept by column, about ten times smaller.

``python -m harness.benchmarks.storage`` measures it.
"""

from __future__ import annotations

import logging

import asyncpg

from atlas.db.queries import sql
from atlas.snapshots.steps import shortly

__all__ = ["community", "ensure", "ensure_of_aggregate"]

logger = logging.getLogger(__name__)


async def community(connection: asyncpg.Connection) -> str | None:
    """The schema of TimescaleDB's functions where it is the Community edition and holds the snapshots, else None."""
    extension: str | None = await connection.fetchval(sql("snapshots/hypertable/community_edition"))
    if extension is None or not await connection.fetchval(sql("snapshots/common/is_hypertable")):
        return None
    return extension


async def ensure(connection: asyncpg.Connection, extension: str) -> None:
    """Has older chunks of the snapshots put into the columnstore from now on, where they are not.

    Settings that somebody has given the table stay. Raises Contended when it stays in use by others.
    """
    if await connection.fetchval(sql("snapshots/hypertable/has_columnstore")):
        return

    async def work() -> None:
        if await connection.fetchval(sql("snapshots/hypertable/has_columnstore")):
            return  # another process was faster
        await connection.execute(sql("snapshots/hypertable/columnstore_snapshots"))
        await connection.execute(
            sql("snapshots/hypertable/columnstore_policy", extension=extension, relation="video_stats_log")
        )

    try:
        await shortly(connection, work)
    except asyncpg.PostgresError as error:
        logger.warning("video_stats_log stays a rowstore: TimescaleDB cannot make it a columnstore (%s)", error)


async def ensure_of_aggregate(connection: asyncpg.Connection, extension: str, view: str) -> None:
    """Has older chunks of a continuous aggregate put into the columnstore, in the caller's transaction.

    Releases of TimescaleDB before 2.27.2 may refuse it beside a policy that refreshes from the beginning on.
    """
    try:
        async with connection.transaction():
            await connection.execute(sql("snapshots/hypertable/columnstore_aggregate", view=view))
            await connection.execute(sql("snapshots/hypertable/columnstore_policy", extension=extension, relation=view))
    except asyncpg.PostgresError as error:
        logger.warning("%s stays a rowstore: TimescaleDB cannot make it a columnstore (%s)", view, error)
