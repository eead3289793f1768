"""Databases for tests: a migrated template on a server, and a copy of it for each test."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncpg

from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import migrate

C = TypeVar("C", bound=asyncpg.Connection)

__all__ = ["WAITING", "closing", "execute", "fresh_database", "make_template", "with_database"]

# a session of this database that waits for a lock; the locks of transactions belong to no database, so a session is
# known by another lock that it holds
WAITING = """
SELECT count(DISTINCT pid) FROM pg_locks AS waiting JOIN pg_locks AS held USING (pid)
WHERE NOT waiting.granted AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def with_database(dsn: str, name: str) -> str:
    """The same server's address with another database."""
    head, _, query = dsn.partition("?")
    base = head.rsplit("/", 1)[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")


@contextlib.asynccontextmanager
async def closing(opening: Awaitable[C]) -> AsyncIterator[C]:
    """Wait for a connection, and close it when the block ends."""
    connection = await opening
    try:
        yield connection
    finally:
        await connection.close()


async def execute(dsn: str, *statements: str) -> None:
    """Runs statements one by one, each in a transaction of its own."""
    async with closing(asyncpg.connect(dsn)) as connection:
        for statement in statements:
            await connection.execute(statement)


async def make_template(
    dsn: str,
    template: str,
    *,
    try_timescaledb: bool = True,
    prepare: Callable[[str, str], Awaitable[None]] | None = None,
) -> None:
    """Makes a database with the schema that others are copied from, in place of one of that name.

    ``prepare`` is given both names, and may do more to it before nobody can connect to it any more.
    """
    await execute(dsn, f"DROP DATABASE IF EXISTS {template} WITH (FORCE)", f"CREATE DATABASE {template}")
    with settings.override(database_url=with_database(dsn, template)):
        await migrate(Database(), try_timescaledb=try_timescaledb)
    if prepare is not None:
        await prepare(dsn, template)
    # TimescaleDB's own worker would connect to it, and a template must have no session
    await execute(
        dsn,
        f"ALTER DATABASE {template} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{template}'",
    )


@contextlib.asynccontextmanager
async def fresh_database(dsn: str, template: str) -> AsyncIterator[str]:
    """The DSN of a copy of the template, until the block ends."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await execute(dsn, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield with_database(dsn, name)
    finally:
        await execute(dsn, f"DROP DATABASE {name} WITH (FORCE)")
