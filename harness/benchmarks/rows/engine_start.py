"""Row 8: from the start of a process to its first call of the API, with a Prefect server on this machine.

The peer is a hello-world flow in the engine: it imports Prefect and aiohttp, and the first task of its flow makes the
call. It has no database. Both are given the same settings of Prefect; the server runs already, and its own start is
not counted.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from harness.benchmarks.comparing import alternate
from harness.benchmarks.first_call import Doorbell, beside_peer, doorbell, environment, first_call, give_work
from harness.benchmarks.lines import Line
from harness.benchmarks.world import fresh_database
from tests.support.prefect_server import PrefectServer

__all__ = ["measure"]

_HELLO = """
import asyncio, os
import aiohttp
from prefect import flow, task

@task
async def call():
    url = os.environ["YOUTUBE_API_BASE_URL"] + "/videos:batchGetStats"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, params={"id": "bench000001"}, headers={"X-Goog-Api-Key": "any"}) as answer:
            await answer.read()

@flow
async def hello():
    await call()

asyncio.run(hello())
"""


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """A line for each agent."""
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        home = Path(folder)
        server = PrefectServer(home)
        try:
            await asyncio.to_thread(server.start)
            async with fresh_database(), doorbell() as bell:
                given = await environment(bell, home) | {
                    "PREFECT_API_URL": server.api_url,
                    "PREFECT_HOME": str(home / "client"),
                    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
                    "PREFECT_CLIENT_MAX_RETRIES": "1",
                    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                    "DO_NOT_TRACK": "1",
                }
                agents = ("tracker",) if quick else ("tracker", "hunter")
                seen: set[str] = set()
                measures: dict[str, Callable[[], Awaitable[float]]] = {
                    "peer": partial(_hello, bell, given, server, seen)
                }
                measures |= {agent: partial(_agent, bell, agent, given, server, seen) for agent in agents}
                found = await alternate(1 if quick else runs, measures)
        finally:
            server.kill()
    what = "{} with a Prefect server: start of the process to its first API call".format
    return beside_peer(8, found, what, "hello-world flow in the engine", most=1.0)


async def _agent(bell: Doorbell, agent: str, given: dict[str, str], server: PrefectServer, seen: set[str]) -> float:
    await give_work(agent)
    seconds = await first_call(bell, ["-m", "maia", agent], given)
    run, _ = await asyncio.to_thread(server.newest_run)
    if run["id"] in seen:
        raise RuntimeError(f"the {agent} ran without the Prefect server")
    seen.add(run["id"])
    return seconds


async def _hello(bell: Doorbell, given: dict[str, str], server: PrefectServer, seen: set[str]) -> float:
    seconds = await first_call(bell, ["-c", _HELLO], given)
    run, _ = await asyncio.to_thread(server.newest_run)
    seen.add(run["id"])
    return seconds
