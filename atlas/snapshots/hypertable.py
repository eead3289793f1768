"""Snapshots on TimescaleDB: a hypertable, whose chunks make themselves."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from atlas.db.queries import sql
from atlas.db.server_info import Inspection
from atlas.snapshots.partitions import Range
from atlas.snapshots.steps import perform, shortly

__all__ = ["chunks", "create", "drop_before", "set_width", "why_not"]


def why_not(found: Inspection) -> str | None:
    """Why there can be no hypertable, as far as can be seen without trying; None: nothing speaks against it."""
    if found.timescaledb is None and found.available is None:
        return "the server does not have TimescaleDB"
    if not found.preloaded:
        # asking for the extension all the same would end the connection
        return "the server has TimescaleDB, but does not load it: shared_preload_libraries must name timescaledb"
    return None


async def create(connection: asyncpg.Connection, name: str, width: timedelta) -> None:
    """Makes an empty hypertable like the table of the snapshots, in the caller's transaction."""
    await connection.execute(sql("snapshots/common/create_like", table=name))
    await perform(connection, sql("snapshots/common/alter_owner"), name)
    await connection.execute(
        sql("snapshots/hypertable/create_hypertable", table=name, extension=await _extension(connection)), width
    )


async def set_width(connection: asyncpg.Connection, width: timedelta) -> None:
    """Has the chunks to come hold this much time."""
    if await connection.fetchval(sql("snapshots/hypertable/chunk_width")) != width:
        await connection.fetchval(
            sql("snapshots/hypertable/set_chunk_width", extension=await _extension(connection)), width
        )


async def chunks(connection: asyncpg.Connection) -> list[Range]:
    """The chunks, the oldest first."""
    return [
        Range(row["name"], row["lower"], row["upper"])
        for row in await connection.fetch(sql("snapshots/hypertable/list_chunks"))
    ]


async def drop_before(connection: asyncpg.Connection, keep_from: datetime) -> list[str]:
    """Drops the chunks that hold nothing younger, in a step of its own. Returns their names."""

    old = [chunk.name for chunk in await chunks(connection) if chunk.upper <= keep_from]
    if not old:
        return []
    statement = sql("snapshots/hypertable/drop_chunks", extension=await _extension(connection))
    dropped = {name for (name,) in await shortly(connection, lambda: connection.fetch(statement, keep_from))}
    return [name for name in old if name in dropped]


async def _extension(connection: asyncpg.Connection) -> str:
    """The schema of TimescaleDB's functions: it need not be on the search_path."""
    return str(await connection.fetchval(sql("snapshots/hypertable/extension_schema")))
