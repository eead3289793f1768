"""``python -m benchmarks``: prints the table."""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics

from rich.console import Console
from rich.table import Table

from benchmarks import first_version
from benchmarks.agents import hunter_speed, tracker_speed
from benchmarks.claims import claim_latency
from benchmarks.world import fresh_database, machine

_SIZES = (10_000, 100_000, 1_000_000)


async def main(*, runs: int, sizes: tuple[int, ...]) -> None:
    console = Console()
    console.print(f"{machine()}; medians of {runs} runs; the API and PostgreSQL share these cores")
    async with fresh_database():
        table = Table("what", "Maia", "first version", "ratio", "goal")
        for latency in (0.0, 0.1):
            hunts = [await hunter_speed(latency, batch=30, cycles=6) for _ in range(runs)]
            searches = statistics.median(speed for speed, _ in hunts)
            before = first_version.HUNTER_SEARCHES[latency]
            label = f"API latency {latency * 1000:.0f} ms"
            row = f"{searches:,.0f}", f"{before:g}", f"{searches / before:.0f}x", "≥ 20x"
            table.add_row(f"Hunter, searches/s stored, {label}", *row)
            tracked = statistics.median([await tracker_speed(latency, batch=1000, cycles=5) for _ in range(runs)])
            before = first_version.TRACKER_VIDEOS[latency]
            row = f"{tracked:,.0f}", f"{before:g}", f"{tracked / before:.0f}x", "≥ 20x"
            table.add_row(f"Tracker, videos/s written, {label}", *row)
        console.print(table)
    async with fresh_database():
        claims = Table("claim of 50 due videos out of", "p50", "p99", "p50 beside the smallest")
        figures = await claim_latency(sizes)
        for size, (middle, worst) in figures.items():
            claims.add_row(f"{size:,}", f"{middle:.2f} ms", f"{worst:.2f} ms", f"{middle / figures[sizes[0]][0]:.2f}x")
        console.print(claims)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each speed, of which the median counts")
    parser.add_argument("--largest", type=int, default=_SIZES[-1], help="rows of the largest table")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(main(runs=given.runs, sizes=tuple(size for size in _SIZES if size <= given.largest)))
