"""The embedded PostgreSQL and the API of canned answers that measurements use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from atlas.config import settings
from atlas.database import database
from atlas.db.embedded import start, stop
from atlas.schema.migrate import migrate

POOL = '{"hunting": ["bench-hunting"], "tracking": ["bench-tracking"]}'
"""The agents' keys."""
_shared: list[bool] = []


async def agent_environment(url: str, home: Path, **more: str) -> dict[str, str]:
    """Return the environment of an agent's process: nothing of this one's except PATH."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "DATABASE_URL": await database.dsn(),
        "YOUTUBE_API_BASE_URL": url,
        "YOUTUBE_API_KEY_POOL_JSON": POOL,
        "VAULT_PROVIDER": "off",
        **more,
    }


@contextlib.contextmanager
def api(latency: float, new: int | None = None) -> Iterator[str]:
    """Run the API of canned answers. Yield its base URL. ``new``: of a search's 50 videos, see there."""
    command = [sys.executable, "-m", "harness.benchmarks.canned", str(latency), *([] if new is None else [str(new)])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextlib.asynccontextmanager
async def shared_database() -> AsyncIterator[None]:
    """Give all measurements within the block one database, where speed does not matter."""
    async with fresh_database():
        _shared.append(True)
        yield
        _shared.clear()


@contextlib.asynccontextmanager
async def fresh_database() -> AsyncIterator[None]:
    """Give the process a database, on a migrated embedded server in a folder that is gone afterwards."""
    if _shared:
        yield
        return
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
