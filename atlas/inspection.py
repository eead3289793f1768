"""What the database is: its server, TimescaleDB and its edition, the schema. For `atlas status`."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from atlas.statements import sql

__all__ = ["SCHEMA_VERSION", "Inspection", "inspect", "schema_version"]

# the newest revision in atlas/migrations/versions; a test compares it with Alembic's head
SCHEMA_VERSION = "0002"


@dataclass(frozen=True)
class Inspection:
    """The database as it was found.

    Attributes:
        server: its version, such as ``18.4``.
        name: the database's.
        timescaledb: the installed extension's version, or None.
        edition: of TimescaleDB: ``apache`` or ``timescale`` (community), or None.
        available: TimescaleDB's version that could be installed, or None.
        hypertable: whether ``video_stats_log`` is one.
        schema: the schema's revision, or None where there is none.
        expected: the revision that this release needs.
    """

    server: str
    name: str
    timescaledb: str | None
    edition: str | None
    available: str | None
    hypertable: bool
    schema: str | None
    expected: str = SCHEMA_VERSION


async def inspect(connection: asyncpg.Connection) -> Inspection:
    """Looks, and changes nothing."""
    row = await connection.fetchrow(sql("inspect_server"))
    schema = await connection.fetchval(sql("schema_version")) if row["has_schema"] else None
    hypertable = row["has_hypertables"] and bool(await connection.fetchval(sql("is_hypertable")))
    return Inspection(
        server=row["server"],
        name=row["name"],
        timescaledb=row["timescaledb"],
        edition=row["edition"],
        available=row["available"],
        hypertable=hypertable,
        schema=schema,
    )


async def schema_version(connection: asyncpg.Connection) -> str | None:
    """The revision that the database is at, or None where Atlas has no schema."""
    try:
        version: str | None = await connection.fetchval(sql("schema_version"))
    except asyncpg.UndefinedTableError:
        return None
    return version
