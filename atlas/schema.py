"""Brings the schema up to this release: Alembic's revisions in one transaction, then the "ensure" steps.

Safe when many start at once: the transaction begins with an advisory lock that ends with it (a session lock would get
lost behind PgBouncer). What depends on the server's abilities is an idempotent step after it, tried at every migration.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from atlas.database import schema_version
from atlas.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from atlas.database import Database

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


async def migrate(database: Database) -> Migration:
    """Runs what is missing. Raises ConfigError for a server that is too old or a user who may not create tables."""
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
        except Exception as error:
            if _cause(error, asyncpg.InsufficientPrivilegeError):
                raise ConfigError(
                    "DATABASE_URL: this user may not create tables. Run `atlas migrate` as the owner of the database "
                    "(GRANT CREATE ON SCHEMA public TO …)."
                ) from None
            raise
        after = await schema_version(probe)
        if after is None:
            raise ConfigError(
                "The schema was not created: the search_path of this user names no schema to create it in."
            )
        return Migration(before, after, await _ensure_hypertable(probe))
    finally:
        await probe.close()
        await engine.dispose()


def _cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind) or isinstance(getattr(error, "orig", None), kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _upgrade(connection: Connection) -> str | None:
    """In the transaction: the lock first, then every revision that is missing. Returns the revision found."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
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
    if await _is_hypertable(connection):
        return True
    if not await connection.fetchval("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"):
        return False
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            if await _is_hypertable(connection) or await connection.fetchval("SELECT 1 FROM video_stats_log LIMIT 1"):
                return await _is_hypertable(connection)
            await connection.execute(
                "SELECT create_hypertable('video_stats_log', by_range('observed_at', INTERVAL '7 days'))"
            )
    except asyncpg.PostgresError as error:
        logger.warning("TimescaleDB is there but cannot be used (%s): video_stats_log stays a plain table", error)
        return False
    return True


async def _is_hypertable(connection: asyncpg.Connection) -> bool:
    if not await connection.fetchval("SELECT to_regclass('timescaledb_information.hypertables')"):
        return False
    return bool(
        await connection.fetchval(
            "SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_name = 'video_stats_log'"
        )
    )
