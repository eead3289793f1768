"""From the spawn of a process to its first call of the API, as the API's server sees it.

The server is in this process, which has nothing else to do meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from atlas.adapters.queue import QueueDAO
from atlas.database import database
from harness.benchmarks.canned import resource

_CALL = 50  # videos
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
    """The API; ``rung`` is when it was first called since it was cleared, by ``time.perf_counter``."""

    url: str = ""
    rung: float | None = None

    def ring(self) -> None:
        if self.rung is None:
            self.rung = time.perf_counter()


@contextlib.asynccontextmanager
async def doorbell() -> AsyncIterator[Doorbell]:
    """Serve on 127.0.0.1. The answers are complete, so that the caller ends without an error."""
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


async def give_work(agent: str) -> None:
    """Make the agent's next claim find enough for one call."""
    if agent == "tracker":
        await database.fetch(_DUE, _CALL)
    else:
        await database.fetch("TRUNCATE search_queue")
        await QueueDAO().add(["a query of the benchmark"])


async def first_call(bell: Doorbell, command: list[str], given: Mapping[str, str]) -> float:
    """Return the seconds from the spawn of `python COMMAND` to its first call. Raises RuntimeError if it ends badly."""
    bell.rung = None
    began = time.perf_counter()
    await run_python(command, given)
    if bell.rung is None:
        raise RuntimeError(f"{' '.join(command)} made no call")
    return bell.rung - began


async def run_python(command: list[str], given: Mapping[str, str]) -> str:
    """Run `python COMMAND` to its end. Return what it wrote to stderr."""
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
