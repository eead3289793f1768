"""From the spawn of a process to its first call of the API, as the API's server sees it.

The server is in this process, which has nothing else to do meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from atlas.adapters.queue import QueueDAO
from atlas.database import database
from harness.benchmarks.canned import resource
from harness.benchmarks.comparing import Series
from harness.benchmarks.lines import Goal, Line
from harness.benchmarks.world import POOL

__all__ = ["VIDEOS", "Doorbell", "beside_peer", "doorbell", "environment", "first_call", "give_work", "modules_of"]

VIDEOS = 50
"""The Tracker's first call asks for so many."""

_DUE = """
INSERT INTO videos (id, title, published_at, first_seen_at, zone, due_at, enriched_at)
SELECT 'bench' || lpad(n::text, 6, '0'), 'title', now() - interval '9 days', now() - interval '9 days', 3,
    now() - interval '1 hour', now()
FROM generate_series(1, $1::integer) AS n
ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at
"""
_PATIENCE = 60.0  # seconds: only a defect lasts so long


@dataclass
class Doorbell:
    """The API, which notes when it is first called: a moment of ``time.perf_counter``."""

    url: str = ""
    rung: float | None = None

    def ring(self) -> None:
        """A call has come."""
        if self.rung is None:
            self.rung = time.perf_counter()

    def clear(self) -> None:
        """Forgets it: the next call is the first."""
        self.rung = None


@contextlib.asynccontextmanager
async def doorbell() -> AsyncIterator[Doorbell]:
    """Serves on this machine's own address; its answers are whole, so that what calls it ends in good order."""
    bell = Doorbell()

    async def search(_: web.Request) -> web.Response:
        bell.ring()
        return web.json_response({"kind": "youtube#searchListResponse", "etag": "e", "items": []})

    async def stats(request: web.Request) -> web.Response:
        bell.ring()
        items = [resource(int(id_[5:])) | {"kind": "youtube#videoStats"} for id_ in request.query["id"].split(",")]
        return web.json_response({"kind": "youtube#batchGetStatsResponse", "etag": "e", "items": items})

    app = web.Application()
    app.router.add_get("/search", search)
    app.router.add_get("/videos:batchGetStats", stats)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        bell.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield bell
    finally:
        await runner.cleanup()


async def environment(bell: Doorbell, home: Path) -> dict[str, str]:
    """Of a process that is measured: nothing of this one's but PATH."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "DATABASE_URL": await database.dsn(),
        "YOUTUBE_API_BASE_URL": bell.url,
        "YOUTUBE_API_KEY_POOL_JSON": POOL,
        "VAULT_PROVIDER": "off",
    }


async def give_work(agent: str) -> None:
    """Makes the agent's next claim find what it takes for one call."""
    if agent == "tracker":
        await database.fetch(_DUE, VIDEOS)
    else:
        await database.fetch("TRUNCATE search_queue")
        await QueueDAO().add(["a query of the benchmark"])


async def first_call(bell: Doorbell, command: list[str], given: Mapping[str, str]) -> float:
    """Seconds from the spawn of `python COMMAND` to its first call. The process then ends by itself, and well."""
    bell.clear()
    began = time.perf_counter()
    await _run(command, given)
    if bell.rung is None:
        raise RuntimeError(f"{' '.join(command)} made no call")
    return bell.rung - began


def beside_peer(
    row: int, found: Mapping[str, Series], what: Callable[[str], str], peer: str, *, most: float
) -> list[Line]:
    """A line of the table for each agent: how much later than its peer's, measured under ``peer``, its call comes.

    Args:
        row: of the table.
        found: seconds to the first call of each agent, and of the ``peer``.
        what: says what is measured of an agent.
        peer: what the peer is.
        most: so many seconds later is the goal.
    """
    limit = found["peer"]
    return [
        Line(
            row, what(agent), series.median, "s", peer, limit.median, series.median - limit.median,
            Goal(f"≤ +{most:g} s", most=most), series.noise,
            {"runs": list(series.values), "runs_of_peer": list(limit.values)},
        )
        for agent, series in found.items() if agent != "peer"
    ]  # fmt: skip


async def modules_of(command: list[str], given: Mapping[str, str]) -> set[str]:
    """What `python COMMAND` imports from its start to its end."""
    output = await _run(["-X", "importtime", *command], given)
    lines = [line for line in output.splitlines() if line.startswith("import time:") and "[us]" not in line]
    return {line.rpartition("|")[2].strip() for line in lines}


async def _run(command: list[str], given: Mapping[str, str]) -> str:
    """What it wrote on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=dict(given), cwd=given["HOME"], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _, output = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"{json.dumps(command)} ended with {process.returncode}:\n{output.decode()[-3000:]}")
    return output.decode()
