"""Hunter and Tracker beside what the first public version of this system did: ``python -m
harness.benchmarks.first_version``.

Its figures were measured once, on 2 cores, against a local API and a plain PostgreSQL, in one process, its archive set
to cost nothing. It handled one item after the other. So that figures can be compared, the archive is off here too, and
a search brings 18 new videos of 50; a Hunter's cycle has 30 queries, a Tracker's 1,000 videos. The goal is 20 times its
speed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from atlas.config import settings
from harness.benchmarks.beside import Cycle, speed_of
from harness.benchmarks.comparing import Series
from harness.benchmarks.tables import due_queries, due_videos
from harness.benchmarks.world import POOL, api, fresh_database, machine
from maia.agents.session import agent_session
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle

__all__ = ["FIGURES", "Figure"]

_QUERIES, _VIDEOS = 30, 1_000
_CYCLES = 10
_TIMES = 20.0


@dataclass(frozen=True)
class Figure:
    """What the first version came to.

    Attributes:
        agent: whose it is.
        latency: of the API, in seconds.
        speed: searches stored a second, or videos written a second.
    """

    agent: str
    latency: float
    speed: float


FIGURES = (
    Figure("hunter", 0.0, 6.0),
    Figure("hunter", 0.1, 3.7),
    Figure("tracker", 0.0, 181.0),
    Figure("tracker", 0.1, 148.0),
)


async def main(runs: int, cycles: int) -> None:
    """Measures and prints."""
    console = Console()
    console.print(f"{machine()}; medians of {runs} runs; the API and PostgreSQL share these cores")
    table = Table("what", "Maia", "first version", "ratio", "goal")
    for figure in FIGURES:
        async with fresh_database():
            speed = Series([await _speed(figure, cycles) for _ in range(runs)]).median
        what = "Hunter, searches/s stored" if figure.agent == "hunter" else "Tracker, videos/s written"
        table.add_row(
            f"{what}, API latency {figure.latency * 1000:.0f} ms", f"{speed:,.0f}", f"{figure.speed:g}",
            f"{speed / figure.speed:.0f}x", f"≥ {_TIMES:g}x",
        )  # fmt: skip
    console.print(table)


async def _speed(figure: Figure, cycles: int) -> float:
    async def hunt() -> int:
        searches: int = (await run_hunter_cycle(_QUERIES))["searches"]
        return searches

    async def track() -> int:
        updated: int = (await run_tracker_cycle(_VIDEOS))["updated"]
        return updated

    cycle: Cycle = hunt if figure.agent == "hunter" else track
    prepare, batch = (due_queries, _QUERIES) if figure.agent == "hunter" else (due_videos, _VIDEOS)
    with api(figure.latency) as url, settings.override(youtube_api_base_url=url, youtube_api_key_pool_json=POOL):
        async with agent_session(figure.agent):
            await prepare(batch * (cycles + 1))
            return (await speed_of(cycle, cycles))[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.first_version", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=_CYCLES, help="of each run")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(main(asked.runs, asked.cycles))
