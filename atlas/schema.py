"""Brings the schema up to this release: Alembic's revisions in one transaction, then the "ensure" steps.

Safe when many start at once: the transaction begins with an advisory lock that ends with it (a session lock would get
lost behind PgBouncer). What depends on the server's abilities is an idempotent step after it, tried at every migration.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg

from atlas.config import settings
from atlas.connecting import translated
from atlas.errors import ConfigError
from atlas.inspection import inspect, schema_version
from atlas.statements import sql

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Migration", "migrate"]

logger = logging.getLogger(__name__)

_LOCK = 0x41544C4153  # "ATLAS": one migration at a time in one database
_OLDEST_SERVER = 150_000


@dataclass(frozen=True)
class Migration:
    """What a migration did.

    Attributes:
        before: the revision found, or None for a database without a schema.
        after: the revision now.
        hypertable: whether ``video_stats_log`` is a TimescaleDB hypertable.
    """

    before: str | None
    after: str
    hypertable: bool


class Connects(Protocol):
    """What gives connections of one's own: a ``Database``."""

    async def connect(self) -> asyncpg.Connection:
        """A new connection."""


async def migrate(database: Connects) -> Migration:
    """Runs what is missing. Raises ConfigError for a server that is too old or a user who may not create tables."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415  slow to import, needed here alone
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    engine = create_async_engine("postgresql+asyncpg://", async_creator=database.connect, poolclass=NullPool)
    probe = await database.connect()
    try:
        if probe.get_server_version().major * 10_000 < _OLDEST_SERVER:
            raise ConfigError(
                f"DATABASE_URL: the server is PostgreSQL {probe.get_server_version().major}; Atlas needs 15 or newer."
            )
        try:
            async with engine.begin() as connection:
                before = await connection.run_sync(_upgrade)
        except SQLAlchemyError as error:
            cause = _of_driver(error)
            if isinstance(cause, asyncpg.InsufficientPrivilegeError):
                raise ConfigError(
                    "DATABASE_URL: this user may not create tables. Run `atlas migrate` as the owner of the database "
                    "(GRANT CREATE ON SCHEMA public TO …)."
                ) from None
            with translated():
                raise (cause or error) from None
        with translated():
            after = await schema_version(probe)
        if after is None:
            raise ConfigError(
                "The schema was not created: the search_path of this user names no schema to create it in."
            )
        return Migration(before, after, await _ensure_hypertable(probe))
    finally:
        await probe.close()
        await engine.dispose()


def _of_driver(error: BaseException | None) -> BaseException | None:
    """The driver's own error below SQLAlchemy's."""
    while error is not None and not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        error = error.__cause__ or error.__context__
    return error


def _upgrade(connection: Connection) -> str | None:
    """In the transaction: the lock first, then every revision that is missing. Returns the revision found."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    if settings.database_schema != "public":
        connection.exec_driver_sql(sql("create_schema"))
    connection.exec_driver_sql(sql("use_schema"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    context: Any = MigrationContext.configure(connection, opts={"version_table": "atlas_schema_version"})
    before: str | None = context.get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is None or before in known:
        command.upgrade(config, "head")
    else:
        logger.info("the schema is %s, newer than this release knows: nothing to do", before)
    return before


async def _ensure_hypertable(connection: asyncpg.Connection) -> bool:
    """Makes ``video_stats_log`` a hypertable where TimescaleDB can be had and the table is empty still."""
    found = await inspect(connection)
    if found.hypertable or found.available is None:
        return found.hypertable
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            if (await inspect(connection)).hypertable:
                return True  # another migration was faster
            if await connection.fetchval(sql("any_snapshot")):
                logger.warning("TimescaleDB is there, but video_stats_log holds rows already and stays a plain table")
                return False
            await connection.execute(sql("create_hypertable"))
    except asyncpg.PostgresError as error:
        logger.warning("TimescaleDB is there but cannot be used (%s): video_stats_log stays a plain table", error)
        return False
    return True
