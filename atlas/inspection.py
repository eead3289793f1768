"""What the database is: its server, TimescaleDB and its edition, the schema. For `atlas status`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from atlas.statements import sql

__all__ = ["SCHEMA_VERSION", "Inspection", "Storage", "inspect", "is_revision", "schema_version"]

# the newest revision in atlas/migrations/versions; a test compares it with Alembic's head
SCHEMA_VERSION = "0004"


class Storage(StrEnum):
    """What the snapshots are kept in."""

    PARTITIONED = "partitioned"
    """Plain PostgreSQL: one partition for each range of time, and a default one."""
    HYPERTABLE = "hypertable"
    """TimescaleDB's chunks."""


@dataclass(frozen=True)
class Inspection:
    """The database as it was found.

    Attributes:
        server: its version, such as ``18.4``.
        name: the database's.
        timescaledb: the installed extension's version, or None.
        edition: of TimescaleDB: ``apache`` or ``timescale`` (community), or None.
        available: TimescaleDB's version that could be installed, or None.
        preloaded: whether the server loads TimescaleDB, without which the extension cannot be created.
        storage: what the snapshots are kept in, or None: in a table of a release before partitions, or nowhere.
        schema: the schema's revision, or None where there is none.
        expected: the revision that this release needs.
    """

    server: str
    name: str
    timescaledb: str | None
    edition: str | None
    available: str | None
    preloaded: bool
    storage: Storage | None
    schema: str | None
    expected: str = SCHEMA_VERSION


async def inspect(connection: asyncpg.Connection) -> Inspection:
    """Looks, and changes nothing."""
    row = await connection.fetchrow(sql("inspect_server"))
    schema = await schema_version(connection) if row["has_schema"] else None
    storage = Storage.PARTITIONED if row["kind"] == "p" else None
    if row["has_hypertables"] and await connection.fetchval(sql("is_hypertable")):
        storage = Storage.HYPERTABLE
    return Inspection(
        server=row["server"],
        name=row["name"],
        timescaledb=row["timescaledb"],
        edition=row["edition"],
        available=row["available"],
        preloaded=row["preloaded"],
        storage=storage,
        schema=schema,
    )


async def schema_version(connection: asyncpg.Connection) -> str | None:
    """The revision that the database is at, or None where Atlas has no schema: nothing, or something of another's."""
    try:
        version = await connection.fetchval(sql("schema_version"))
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.WrongObjectTypeError):
        return None
    return version if isinstance(version, str) and is_revision(version) else None


def is_revision(text: str) -> bool:
    """Whether this is written as a revision of ours, be it of a later release."""
    return re.fullmatch(r"[0-9]{4}", text) is not None
