"""Convert installations in tests: as a command in a process of its own, or in this one."""

from __future__ import annotations

import asyncio

import asyncpg

from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.snapshots.conversion import Conversion, to_timescaledb

from .commands import atlas
from .snapshot_rows import tables

__all__ = ["convert", "ended", "is_clean", "run"]


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Return exit code, stdout and stderr of a process once it has ended."""
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out.decode(), err.decode()


async def run(*arguments: str) -> tuple[int, str, str]:
    """Run `atlas migrate` with these arguments to its end."""
    done = await atlas("migrate", *arguments)
    return done.code, done.out, done.stderr


async def convert() -> Conversion | None:
    """Convert the configured database."""
    return await to_timescaledb(Database(), lambda _: None, lambda *_: None)


async def is_clean(connection: asyncpg.Connection) -> bool:
    """Return whether the hypertable is the only table left."""
    found = await inspect(connection)
    return found.storage is Storage.HYPERTABLE and await tables(connection) == {"video_stats_log"}
