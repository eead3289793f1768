"""Bring the schema up to this release: Alembic's revisions in one transaction, then what depends on the server.

Safe if many start at once: the transaction begins with an advisory lock that ends with it (behind PgBouncer a session
lock would get lost). The steps after it are idempotent, and every migration tries them again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from atlas.config import settings
from atlas.db.errors import map_driver_errors, read_only
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.db.server_info import SCHEMA_VERSION, Storage, is_revision, newer_schema, read_state, schema_version
from atlas.errors import ConfigError, Contended
from atlas.snapshots import ensure
from atlas.snapshots.ddl import SCHEMA_LOCK, Connector

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

logger = logging.getLogger(__name__)

NAMES = (
    "search_queue", "channels", "videos", "video_stats_log", "api_keys", "key_suspensions", "api_calls", "runs",
    "events", "notifications", "count_freezes", "video_growth", "breakouts", "growth_bands",
    "growth_levels", "video_velocity", "video_stats_hourly", "video_stats_daily",
)  # fmt: skip
"""Tables and views of this release, except the table with the revision."""
_VERSION_TABLE = "atlas_schema_version"
_KEY = "video_stats_log_pkey"  # a revision renames it
_OLDEST_SERVER = 150_000
_LOCK_WAIT = "3s"
"""How long an expansion waits for a table, while all agents wait behind it; longer than the server's deadlock_timeout,
after which an autovacuum is cancelled."""
_ATTEMPTS, _PAUSE = 4, 2.0  # seconds between two attempts


@dataclass(frozen=True)
class Migration:
    """What a migration did."""

    before: str | None  # the revision found; None for a database without a schema
    after: str
    storage: Storage | None  # None if the snapshots were not prepared


async def expand(database: Connector) -> Migration | None:
    """Migrate an older schema if every missing revision only adds to it (``expands``).

    Returns None, and changes nothing, if one does more, or if this user may not change the tables.
    Raises Contended where another transaction keeps a table for long, such as an export or a backup.
    """
    in_use = retry_if_exception_type(Contended)
    retry = AsyncRetrying(retry=in_use, stop=stop_after_attempt(_ATTEMPTS), wait=wait_fixed(_PAUSE), reraise=True)
    try:
        return await retry(migrate, database, only_expanding=True)
    except ConfigError as error:
        logger.info("the schema is left as it is: %s", error)
        return None


async def migrate(
    database: Connector, *, try_timescaledb: bool = True, prepare_snapshots: bool = True, only_expanding: bool = False
) -> Migration:
    """Run the missing revisions as the owner of the schema, then set up partitions or a hypertable, and the views.

    A hypertable is tried unless ``try_timescaledb`` is off. With ``only_expanding``, a missing revision that does more
    than add to the schema is a ConfigError, and nothing is changed. Raises ConfigError if server, user or foreign
    tables do not allow it, ReadOnly, and Contended.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415  slow to import, needed here alone
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    async def connect() -> asyncpg.Connection:
        # a revision may rewrite a table, or wait for another migration
        return await database.connect(seconds=WHOLE_TABLE)

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
            with map_driver_errors():
                raise _explained(error) from None
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


def _upgrade(connection: Connection, only_expanding: bool) -> str | None:
    """Take the lock and run every missing revision, in the caller's transaction; return the revision found."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
    if settings.database_schema != "public":
        connection.exec_driver_sql(sql("schema/create_schema"))
    connection.exec_driver_sql(sql("schema/use_schema"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    heads = MigrationContext.configure(connection, opts={"version_table": _VERSION_TABLE}).get_current_heads()
    before = max(heads, default=None)
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    if len(heads) > 1 or (before is not None and not (is_revision(before) and before >= scripts[-1].revision)):
        raise _name_conflict(f"table {_VERSION_TABLE}, whose revision is not Atlas's")
    if before is not None and before > SCHEMA_VERSION:
        raise newer_schema(before)
    if before is None:
        found = connection.exec_driver_sql(sql("schema/find_name_conflicts"), ([*NAMES, _KEY],)).scalars()
        if names := ", ".join(found):
            raise _name_conflict(names)
    if only_expanding:
        for script in scripts:
            if script.revision > (before or "") and not getattr(script.module, "expands", False):
                raise ConfigError(f"Revision {script.revision} does more than add to the schema.")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
    command.upgrade(config, "head")
    return before


def _explained(error: BaseException) -> BaseException:
    """Return our error for SQLAlchemy's, or the driver's error below it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        cause = cause.__cause__ or cause.__context__
    match cause:
        case asyncpg.LockNotAvailableError():
            return _in_use()
        case asyncpg.InsufficientPrivilegeError():
            return ConfigError(
                "DATABASE_URL: this user may not create tables. Run `atlas migrate` as the owner of the database "
                f"(GRANT CREATE ON SCHEMA {settings.database_schema} TO …; where the schema is missing, on the "
                "database)."
            )
        case asyncpg.DuplicateTableError() | asyncpg.DuplicateObjectError():
            return _name_conflict(str(cause.args[0]))
        case asyncpg.UndefinedColumnError() | asyncpg.WrongObjectTypeError():
            return _name_conflict(f"{_VERSION_TABLE}, which is not Atlas's")
    return cause or error


def _in_use() -> Contended:
    return Contended(
        "the schema is not migrated: another transaction, such as an export or a backup, has locked a table that a "
        "revision changes. Nothing was changed; run this again once it has ended (see pg_stat_activity)."
    )


def _name_conflict(what: str) -> ConfigError:
    return ConfigError(
        f"DATABASE_URL: the schema '{settings.database_schema}' has relations of others with names that Atlas needs: "
        f"{what}. Nothing was changed. Name a schema for Atlas alone (DATABASE_SCHEMA), or move or rename them."
    )
