"""Convert a plain installation to TimescaleDB: `atlas migrate --to-timescaledb`.

Everything is one transaction: it locks the snapshots, copies them into a hypertable, and drops the old table. If it
ends early, the installation is unchanged. The table with the schema's revision is locked too, so that a
process that starts meanwhile waits before it spends any quota.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from atlas.config import settings
from atlas.db.errors import map_driver_errors
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.db.server_info import Storage, inspect
from atlas.errors import ConfigError, StatementFailed
from atlas.snapshots import hypertable
from atlas.snapshots.ddl import Connector, execute_generated, run_ddl
from atlas.snapshots.partitions import SNAPSHOTS
from atlas.snapshots.views import ensure_views

_REPLACED = "video_stats_log_replaced"
_ATTEMPTS = 30  # to lock the tables, a second or more each
_PAGES = 2_048  # copied by one statement: some 200,000 rows, a second or two
_PAGES_PER_SECOND = 1_000
"""The speed of a small server; see docs/timescaledb.md."""

Progress = Callable[[str, int, int], None]
"""Called with the step, the pages done, and all pages."""


@dataclass(frozen=True)
class Estimate:
    """The size of the snapshots (bytes without indexes), and the estimated seconds of the conversion."""

    size: int
    seconds: float


@dataclass(frozen=True)
class Conversion:
    """The number of snapshots copied, and the seconds during which they were locked."""

    rows: int
    seconds: float


async def to_timescaledb(
    database: Connector, announce: Callable[[Estimate], None], progress: Progress
) -> Conversion | None:
    """Move the snapshots into a hypertable; return None if they are in one already.

    ``announce`` is called before the tables are locked. Raises ConfigError if the server cannot have TimescaleDB or an
    object that depends on the table would be lost, and Contended if other transactions kept the table locked.
    """
    connection = await database.connect()
    try:
        with map_driver_errors():
            found = await inspect(connection)
            if found.storage is Storage.HYPERTABLE:
                return None
            if (reason := hypertable.unavailable_reason(found)) is not None:
                raise ConfigError(f"DATABASE_URL: snapshots cannot go into a hypertable: {reason}.")
            await _check_dependents(connection)
            pages = sum([pages for _, pages in await _parts(connection, SNAPSHOTS)])
            announce(Estimate(pages * 8192, pages / _PAGES_PER_SECOND))
            began = time.monotonic()
            try:
                rows = await run_ddl(connection, lambda: _convert(connection, progress), attempts=_ATTEMPTS)
            except asyncpg.InsufficientPrivilegeError as error:
                raise ConfigError(
                    f"DATABASE_URL: this user may not convert video_stats_log ({error}). Run it as the owner of the "
                    "tables."
                ) from None
            return None if rows is None else Conversion(rows, time.monotonic() - began)
    finally:
        await connection.close()


async def convert_empty(connection: asyncpg.Connection) -> bool:
    """Create a hypertable if there are no snapshots yet; return whether they are in one now."""

    async def work() -> bool:
        if await connection.fetchval(sql("snapshots/common/table_has_rows", table=SNAPSHOTS)):
            return False
        await _convert(connection, lambda *_: None)
        return True

    return await run_ddl(connection, work)


async def _convert(connection: asyncpg.Connection, progress: Progress) -> int | None:
    """Convert in the caller's transaction; return the rows, or None where another process has converted."""
    await _create_extension(connection)
    # in the order of readers: views, then tables
    views = [row["name"] for row in await connection.fetch(sql("snapshots/common/list_views"))]
    for table in ("atlas_schema_version", *views, SNAPSHOTS):
        await connection.execute(sql("snapshots/common/lock_table", table=table))
    if (await inspect(connection)).storage is Storage.HYPERTABLE:
        return None
    await _check_dependents(connection)
    rename = sql("snapshots/conversion/rename_table", table=SNAPSHOTS, new_name=_REPLACED)
    await connection.execute(rename)
    rename = sql("snapshots/conversion/rename_index", index=f"{SNAPSHOTS}_pkey", new_name=f"{_REPLACED}_pkey")
    await connection.execute(rename)
    await hypertable.create(connection, _REPLACED, timedelta(days=settings.database_chunk_days))
    rows = await _copy(connection, progress)
    await execute_generated(connection, sql("snapshots/common/grants"), _REPLACED, SNAPSHOTS)
    await ensure_views(connection)
    await connection.execute(sql("snapshots/common/drop_table", table=_REPLACED))
    return rows


async def _create_extension(connection: asyncpg.Connection) -> None:
    try:
        async with connection.transaction():
            await connection.execute(sql("snapshots/conversion/create_extension"))
    except asyncpg.PostgresError as error:
        raise ConfigError(
            f"DATABASE_URL: the extension timescaledb cannot be created ({error}). Have an administrator of the "
            "database run CREATE EXTENSION timescaledb, then run this again."
        ) from None


async def _check_dependents(connection: asyncpg.Connection) -> None:
    found = [row["dependent"] for row in await connection.fetch(sql("snapshots/conversion/find_dependents"))]
    if found:
        raise ConfigError(
            f"video_stats_log is used by {', '.join(found)}, which would be lost with the old table. Drop these, "
            "run this again, and create them anew."
        )


async def _parts(connection: asyncpg.Connection, table: str) -> list[tuple[str, int]]:
    """Return the partitions with their pages, the newest first, the default one last."""
    rows = await connection.fetch(sql("snapshots/common/list_partitions"), table)
    return [(row["name"], row["pages"]) for row in reversed(rows)]


async def _copy(connection: asyncpg.Connection, progress: Progress) -> int:
    """Copy all rows, the newest partition first; return how many."""
    parts = await _parts(connection, _REPLACED)
    rows, done, total = 0, 0, sum(pages for _, pages in parts)
    for part, pages in parts:
        statement = sql("snapshots/conversion/copy_pages", part=part)
        for first in range(0, pages, _PAGES):
            last = min(first + _PAGES, pages)
            tag = await connection.execute(statement, first, last, timeout=WHOLE_TABLE)
            rows += int(tag.rpartition(" ")[2])
            done += last - first
            progress("pages copied", done, total)
    count = await connection.fetchval(sql("snapshots/common/count_rows", table=_REPLACED), timeout=WHOLE_TABLE)
    if rows != count:
        raise StatementFailed(f"copied {rows:,} of {count:,} snapshots: video_stats_log stays as it is")
    return rows
