"""What every measurement runs on: an embedded PostgreSQL of its own, and an API of canned answers in a process."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from atlas.config import settings
from atlas.database import database
from atlas.db.embedded import start, stop
from atlas.schema.migrate import migrate

__all__ = ["POOL", "about_machine", "api", "fresh_database", "machine"]

POOL = '{"hunting": ["bench-hunting"], "tracking": ["bench-tracking"]}'
"""The agents' keys."""


def about_machine() -> dict[str, object]:
    """The machine, for the JSON: cores, memory in MiB, system, Python, and how busy it was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def machine() -> str:
    """The machine in a line."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


@contextlib.contextmanager
def api(latency: float, new: int | None = None) -> Iterator[str]:
    """The API of canned answers as a child process; its base URL. ``new``: of a search's 50 videos, see there."""
    command = [sys.executable, "-m", "harness.benchmarks.canned", str(latency), *([] if new is None else [str(new)])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextlib.asynccontextmanager
async def fresh_database() -> AsyncIterator[None]:
    """The process's database, on a migrated embedded server in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        server = await start(Path(folder) / "postgres")
        try:
            with settings.override(database_url=server.dsn, vault_provider="off"):
                await migrate(database)
                async with database.session():
                    yield
        finally:
            await server.leave()
            await stop(Path(folder) / "postgres")
