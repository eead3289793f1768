"""Describe the database: its server, TimescaleDB and its edition, and the schema."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import asyncpg

from atlas.clock import clock
from atlas.db.queries import sql
from atlas.errors import ConfigError, SchemaError
from atlas.schedule_clock import measured_offset

# the newest revision in atlas/migrations/versions; a test compares it with Alembic's head
SCHEMA_VERSION = "0006"

# there is no schema, or another relation has the name of its table
_NO_SCHEMA = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.WrongObjectTypeError)


class Storage(StrEnum):
    """How snapshots are stored."""

    PARTITIONED = "partitioned"
    """Plain PostgreSQL: a partition for each range of time, and a default one."""
    HYPERTABLE = "hypertable"
    """TimescaleDB's chunks."""


@dataclass(frozen=True)
class Inspection:
    """What `atlas status` shows of the database."""

    server: str  # its version, such as 18.4
    name: str
    timescaledb: str | None  # the version of the installed extension
    edition: str | None  # of TimescaleDB: apache or timescale (community)
    available: str | None  # the version of TimescaleDB that could be installed
    preloaded: bool  # whether the server loads TimescaleDB, without which the extension cannot be created
    storage: Storage | None  # None without snapshots, or with those of a release before partitions
    schema: str | None  # the revision; None where there is none
    expected: str = SCHEMA_VERSION


@dataclass(frozen=True)
class State:
    """What decides whether this release can work on a database."""

    schema: str | None  # the revision; None where Atlas has no schema
    encoding: str
    standby: bool
    read_only: bool  # whether transactions of this session accept no writes
    offset: timedelta  # how far the database's clock is ahead of this machine's

    def require(self) -> None:
        """Follow the database's clock. Raise ConfigError where this release cannot work on the database."""
        clock.follow(self.offset)
        if self.encoding != "UTF8":
            raise ConfigError(
                f"DATABASE_URL: the database's encoding is {self.encoding}, which cannot store every title. Create one "
                "with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and move the data (pg_dump, pg_restore)."
            )
        if self.schema is not None and self.schema > SCHEMA_VERSION:
            raise newer_schema(self.schema)


def newer_schema(found: str) -> SchemaError:
    """Return the error for a schema of a later release."""
    return SchemaError(
        f"The database's schema is {found}, newer than this release's {SCHEMA_VERSION}: "
        "update the image or the package."
    )


async def inspect(connection: asyncpg.Connection) -> Inspection:
    """Inspect the database without changing it."""
    row = await connection.fetchrow(sql("schema/inspect_server"))
    schema = await schema_version(connection) if row["has_schema"] else None
    storage = Storage.PARTITIONED if row["kind"] == "p" else None
    if row["has_hypertables"] and await connection.fetchval(sql("snapshots/common/is_hypertable")):
        storage = Storage.HYPERTABLE
    read = ("server", "name", "timescaledb", "edition", "available", "preloaded")
    return Inspection(**{name: row[name] for name in read}, storage=storage, schema=schema)


async def read_state(connection: asyncpg.Connection) -> State:
    """Return the database's state, with one statement where Atlas has a schema. Not for use in a transaction."""
    for statement in (sql("schema/schema_state"), sql("schema/server_state")):
        asked, began = datetime.now(UTC), time.monotonic()
        try:
            row = await connection.fetchrow(statement)
        except _NO_SCHEMA:
            continue
        offset = measured_offset(row["now"], asked, time.monotonic() - began)
        return State(_revision(row["version_num"]), row["encoding"], row["standby"], row["read_only"], offset)
    raise AssertionError("unreachable")


async def schema_version(connection: asyncpg.Connection) -> str | None:
    """Return the revision that the database is at, or None where Atlas has no schema."""
    try:
        return _revision(await connection.fetchval(sql("schema/schema_version")))
    except _NO_SCHEMA:
        return None


def _revision(version: object) -> str | None:
    return version if isinstance(version, str) and is_revision(version) else None


def is_revision(text: str) -> bool:
    """Return whether a text has the form of a revision, of this or any release."""
    return re.fullmatch(r"[0-9]{4}", text) is not None
