"""``python -m harness.benchmarks.container``: where the time of one shard goes that runs in a container of the
image."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from atlas.adapters.queue import QueueDAO
from atlas.database import database
from harness.benchmarks.world import api, fresh_database, machine
from tests.support.docker_engine import Containers, Docker
from tests.support.tcp_proxy import wire_to

QUERIES = 10
LATENCY = 0.1  # seconds


@dataclass(frozen=True)
class Split:
    """Seconds of one shard. Its parts come from the engine and from the result file."""

    image_start: float
    """From `docker run` until the engine says that the container is started."""
    python_start: float
    """Until the agent begins: the interpreter and its imports."""
    work: float
    """Until it has its result: connections, claims, the API, what is stored."""
    end: float
    """Until the engine says that the container has ended."""
    clean_up: float
    """Until `docker run` has returned."""


async def one_shard(containers: Containers, agent: str, environment: dict[str, str]) -> Split:
    """Runs one cycle of an agent in a container, as the action does."""
    begun = datetime.now(UTC)
    container = containers.maia(agent, environment=environment)
    await asyncio.to_thread(container.process.wait)
    returned = datetime.now(UTC)
    ended = await asyncio.to_thread(container.end)
    if ended.code or ended.result is None:
        sys.exit(f"the {agent} ended with {ended.code}:\n{ended.output}")
    state = container.state()
    container.remove()
    times = state["StartedAt"], ended.result["started_at"], ended.result["finished_at"], state["FinishedAt"]
    moments = [begun, *map(datetime.fromisoformat, times), returned]
    return Split(*((later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)))


async def measure(image: str, runs: int) -> dict[str, list[Split]]:
    """Every run of both agents."""
    found: dict[str, list[Split]] = {"hunter": [], "tracker": []}
    containers = Containers(Docker(), image)
    async with fresh_database(), wire_to(await database.dsn()) as wire:
        with api(LATENCY) as base_url:
            environment = {
                "DATABASE_URL": wire.dsn(),
                "YOUTUBE_API_BASE_URL": base_url,
                "YOUTUBE_API_KEY_POOL_JSON": json.dumps({"hunting": ["any"], "tracking": ["any"]}),
            }
            try:
                for run in range(runs):
                    await QueueDAO().add([f"query {number} of run {run}" for number in range(QUERIES)])
                    found["hunter"].append(await one_shard(containers, "hunter", environment))
                    await database.fetch("UPDATE videos SET due_at = now() - interval '1 minute'")
                    found["tracker"].append(await one_shard(containers, "tracker", environment))
            finally:
                containers.close()
    return found


async def main(image: str, runs: int) -> None:
    found = await measure(image, runs)
    console = Console()
    console.print(
        f"{machine()}; medians of {runs} runs; hunter: {QUERIES} queries, tracker: 50 videos; API latency "
        f"{LATENCY * 1000:.0f} ms; the engine, PostgreSQL and the API share these cores"
    )
    names = [field.name.replace("_", " ").replace("python", "Python") for field in fields(Split)]
    table = Table("seconds", *names, "whole")
    for agent, splits in found.items():
        parts = [*zip(*map(astuple, splits), strict=True), [sum(astuple(split)) for split in splits]]
        table.add_row(agent, *(f"{statistics.median(part):.2f}" for part in parts))
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.container", description=__doc__)
    parser.add_argument("--image", default="pleiades-maia:latest", help="the image; build it first")
    parser.add_argument("--runs", type=int, default=5, help="runs of each agent, of which the median counts")
    given = parser.parse_args()
    asyncio.run(main(given.image, given.runs))
