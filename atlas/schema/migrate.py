"""Brings the schema up to this release: Alembic's revisions in one transaction, then the "ensure" steps.

Safe when many start at once: the transaction begins with an advisory lock that ends with it (a session lock would get
lost behind PgBouncer). What depends on the server's abilities is an idempotent step after it, tried at every migration.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from atlas.config import settings
from atlas.db.errors import map_driver_errors, read_only
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.db.server_info import Storage, newer_schema, read_state, schema_version
from atlas.errors import ConfigError, Contended
from atlas.schema.name_conflicts import VERSION_TABLE, check_names, check_version, check_version_table
from atlas.snapshots import ensure
from atlas.snapshots.steps import LOCK, Connects

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Migration", "expand", "migrate"]

logger = logging.getLogger(__name__)

_OLDEST_SERVER = 150_000
_LOCK_WAIT = "3s"
"""How long an expansion waits for a table: meanwhile all agents wait behind it. Longer than an autovacuum takes to give
way, which is the server's deadlock_timeout."""
_TRIES, _PAUSE = 4, 2.0  # seconds between two tries


@dataclass(frozen=True)
class Migration:
    """What a migration did.

    Attributes:
        before: the revision found, or None for a database without a schema.
        after: the revision now.
        storage: what the snapshots are in; None where it was left alone.
    """

    before: str | None
    after: str
    storage: Storage | None


async def expand(database: Connects) -> Migration | None:
    """Bring an older schema up to this release, where every missing revision says that it only adds (``expands``).

    Returns None, and changes nothing, where one does more, or where this user may not change the tables.
    Raises Contended where another transaction keeps a table for long, such as an export or a backup.
    """
    for remaining in reversed(range(_TRIES)):
        try:
            return await migrate(database, only_expanding=True)
        except ConfigError as error:
            logger.info("the schema is left as it is: %s", error)
            return None
        except Contended:
            if not remaining:
                raise
        await asyncio.sleep(_PAUSE)
    raise AssertionError("unreachable")


async def migrate(
    database: Connects, *, try_timescaledb: bool = True, prepare_snapshots: bool = True, only_expanding: bool = False
) -> Migration:
    """Runs what is missing. Raises ConfigError for a server that is too old or a user who may not create tables,
    ReadOnly for a server that takes no writes, Contended where another transaction keeps a table.

    Args:
        database: of the user who owns the schema, or is to.
        try_timescaledb: whether snapshots go into a hypertable where they can; otherwise into partitions.
        prepare_snapshots: whether anything is done beyond the revisions; a conversion does the rest by itself.
        only_expanding: raise ConfigError, and change nothing, where a missing revision does more than add.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415  slow to import, needed here alone
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    async def connect() -> asyncpg.Connection:
        return await database.connect(seconds=WHOLE_TABLE)  # a revision may rewrite one, or wait for another migration

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    probe = await database.connect()
    try:
        if probe.get_server_version().major * 10_000 < _OLDEST_SERVER:
            raise ConfigError(
                f"DATABASE_URL: the server is PostgreSQL {probe.get_server_version().major}; Atlas needs 15 or newer."
            )
        with map_driver_errors():
            state = await read_state(probe)
        if state.read_only:
            raise read_only("nothing can be migrated", standby=state.standby)
        try:
            async with engine.begin() as connection:
                before = await connection.run_sync(_upgrade, only_expanding)
        except TimeoutError:
            raise _in_use() from None
        except SQLAlchemyError as error:
            cause = _of_driver(error)
            if isinstance(cause, asyncpg.LockNotAvailableError):
                raise _in_use() from None
            if isinstance(cause, asyncpg.InsufficientPrivilegeError):
                raise ConfigError(
                    "DATABASE_URL: this user may not create tables. Run `atlas migrate` as the owner of the database "
                    f"(GRANT CREATE ON SCHEMA {settings.database_schema} TO …; where the schema is missing, on the "
                    "database)."
                ) from None
            with map_driver_errors():
                raise (cause or error) from None
        with map_driver_errors():
            after = await schema_version(probe)
        if after is None:
            raise ConfigError(
                "The schema was not created: the search_path of this user names no schema to create it in."
            )
        storage = None
        if prepare_snapshots:
            with map_driver_errors():
                storage = await ensure(probe, try_timescaledb=try_timescaledb)
        return Migration(before, after, storage)
    finally:
        await probe.close()
        await engine.dispose()


def _in_use() -> Contended:
    return Contended(
        "the schema is not brought up to date: another transaction holds a table that a revision changes, such as an "
        "export or a backup. Nothing was changed; run this again once it has ended (see pg_stat_activity)."
    )


def _of_driver(error: BaseException | None) -> BaseException | None:
    """The driver's own error below SQLAlchemy's."""
    while error is not None and not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        error = error.__cause__ or error.__context__
    return error


def _upgrade(connection: Connection, only_expanding: bool) -> str | None:
    """In the transaction: the lock first, then every revision that is missing. Returns the revision found."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    if settings.database_schema != "public":
        connection.exec_driver_sql(sql("schema/create_schema"))
    connection.exec_driver_sql(sql("schema/use_schema"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    check_version_table(connection)
    context: Any = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    before: str | None = context.get_current_revision()
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    if before is None or before in {script.revision for script in scripts}:
        missing = [script for script in scripts if before is None or script.revision > before]
        for script in missing if only_expanding else ():
            if not getattr(script.module, "expands", False):
                raise ConfigError(f"Revision {script.revision} does more than add to the schema.")
        if only_expanding:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
        check_names(connection, before)
        command.upgrade(config, "head")
    else:
        check_version(before)
        raise newer_schema(before)
    return before
