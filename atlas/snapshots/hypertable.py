"""Store snapshots on TimescaleDB in a hypertable, which creates its chunks by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from atlas.db.queries import sql
from atlas.db.server_info import Inspection
from atlas.snapshots.ddl import execute_generated, run_ddl
from atlas.snapshots.partitions import SNAPSHOTS, Range


def unavailable_reason(found: Inspection) -> str | None:
    """Return why the server cannot have a hypertable, or None if no reason is known without a try."""
    if found.timescaledb is None and found.available is None:
        return "the server does not have TimescaleDB"
    if not found.preloaded:
        # creating the extension would end the connection
        return "the server has TimescaleDB, but does not load it: shared_preload_libraries must name timescaledb"
    return None


async def create(connection: asyncpg.Connection, template: str, width: timedelta) -> None:
    """Create an empty hypertable for the snapshots like another table, in the caller's transaction."""
    await connection.execute(sql("snapshots/common/create_like", table=SNAPSHOTS, template=template))
    await execute_generated(connection, sql("snapshots/common/alter_owner"), SNAPSHOTS, template)
    await connection.execute(
        sql("snapshots/hypertable/create_hypertable", extension=await _extension(connection)), width
    )


async def set_width(connection: asyncpg.Connection, width: timedelta) -> None:
    """Set the time range of new chunks."""
    if await connection.fetchval(sql("snapshots/hypertable/chunk_width")) != width:
        await connection.fetchval(
            sql("snapshots/hypertable/set_chunk_width", extension=await _extension(connection)), width
        )


async def chunks(connection: asyncpg.Connection) -> list[Range]:
    """Return the chunks, the oldest first."""
    return [Range(*row) for row in await connection.fetch(sql("snapshots/hypertable/list_chunks"))]


async def drop_before(connection: asyncpg.Connection, keep_from: datetime) -> list[str]:
    """Drop the chunks whose rows are all older, in a transaction of its own; return their names."""
    old = [chunk.name for chunk in await chunks(connection) if chunk.upper <= keep_from]
    if not old:
        return []
    statement = sql("snapshots/hypertable/drop_chunks", extension=await _extension(connection))
    dropped = {name for (name,) in await run_ddl(connection, lambda: connection.fetch(statement, keep_from))}
    return [name for name in old if name in dropped]


async def _extension(connection: asyncpg.Connection) -> str:
    """Return the schema of TimescaleDB's functions: it need not be on the search_path."""
    return str(await connection.fetchval(sql("snapshots/hypertable/extension_schema")))
