"""What every measurement runs on: an embedded PostgreSQL of its own, and the sandbox as a process of its own."""

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
from atlas.embedded import start, stop
from atlas.schema import migrate

__all__ = ["api", "fresh_database", "machine"]


def machine() -> str:
    """The machine in a line."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


@contextlib.contextmanager
def api(latency: float, **options: str) -> Iterator[str]:
    """A sandbox as a child process; its base URL. Quota is out of the way unless options say otherwise."""
    many = "1000000000"
    given = {"port": "0", "latency": str(latency), "quota-search": many, "quota-units": many, "quota-batch": many}
    arguments = [part for name, value in (given | options).items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "maia", "sandbox", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
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
