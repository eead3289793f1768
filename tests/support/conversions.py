"""Converting installations in tests: as a command in a process of its own, or here."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import asyncpg

from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.snapshots import conversion
from atlas.snapshots.conversion import to_timescaledb

from ..support import snapshot_rows
from .child_processes import child

__all__ = ["convert", "ended", "is_clean", "run", "until_it_waits_for"]

COMMAND = [sys.executable, "-c", "from atlas.cli import main; main()", "migrate"]


def migrating(*arguments: str) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """`atlas migrate` with these arguments, in a process of its own, until the block ends."""
    pipe = asyncio.subprocess.PIPE
    return child(*COMMAND, *arguments, stdout=pipe, stderr=pipe)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out.decode(), err.decode()


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """`atlas migrate` with these arguments, to its end."""
    async with migrating(*arguments) as process:
        return await ended(process)


async def until_it_waits_for(
    connection: asyncpg.Connection, holder: asyncpg.Connection, waiting: asyncio.subprocess.Process | None = None
) -> None:
    """Returns when somebody waits for what another connection holds; the process that is to must not have ended."""
    async with asyncio.timeout(180):
        while not await connection.fetchval(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND $1 = ANY (pg_blocking_pids(pid))",
            holder.get_server_pid(),
        ):
            assert waiting is None or waiting.returncode is None, await ended(waiting)
            await asyncio.sleep(0.01)


async def convert() -> conversion.Conversion | None:
    return await to_timescaledb(Database(), lambda *_: None)


async def is_clean(connection: asyncpg.Connection) -> bool:
    """Whether nothing is left but the hypertable."""
    found = await inspect(connection)
    return found.storage is Storage.HYPERTABLE and await snapshot_rows.tables(connection) == {"video_stats_log"}
