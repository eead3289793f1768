"""``python -m harness.benchmarks``: measures every row against its limit, and prints one table."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import sys
import time
from pathlib import Path

from rich.console import Console

from harness.benchmarks.lines import Line, as_table, write_json
from harness.benchmarks.world import about_machine, machine

SHORT = {
    1: "tracker", 2: "write_path", 3: "claims", 4: "queues", 5: "hunter", 6: "shards", 7: "start", 8: "engine_start",
    10: "container",
}  # fmt: skip
LONG = {9: "million"}
"""Rows 9, 11 and 12 come out of one run."""


async def main(rows: dict[int, str], *, runs: int, quick: bool, json: Path | None) -> None:
    """Measures these rows, one after the other, and prints the table."""
    console = Console(width=160 if not sys.stdout.isatty() else None)
    console.print(f"{machine()}; medians of {runs} alternating runs; API and PostgreSQL share these cores")
    began, lines = time.monotonic(), list[Line]()
    about = about_machine() | {"quick": quick}  # its load before there is any of ours
    for number, name in rows.items():
        console.print(f"{time.monotonic() - began:5.0f} s  row {number}: {name}", highlight=False)
        module = importlib.import_module(f"harness.benchmarks.rows.{name}")
        lines += await module.measure(runs=runs, quick=quick)
        if json is not None:  # a run that is broken off leaves what it has
            write_json(json, about, lines)
    console.print(as_table(lines))
    judged = [line.met for line in lines if line.met is not None]
    console.print(f"goals met: {sum(judged)} of {len(judged)}, in {time.monotonic() - began:.0f} s")


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks", description=__doc__)
    parser.add_argument("--long", action="store_true", help="rows 9, 11 and 12: a million updates and ten minutes")
    parser.add_argument("--rows", help="only these, such as 1,2,5")
    parser.add_argument("--runs", type=int, default=5, help="of each figure, of which the median counts (default 5)")
    parser.add_argument("--quick", action="store_true", help="small tables and short runs: to see that it works")
    parser.add_argument("--json", type=Path, help="writes all figures here")
    given = parser.parse_args()
    there = LONG if given.long else SHORT
    given.chosen = there
    if given.rows:
        try:
            given.chosen = {number: there[number] for number in map(int, given.rows.split(","))}
        except (ValueError, KeyError):
            parser.error(f"--rows: choose from {', '.join(map(str, there))}, separated by commas")
    return given


if __name__ == "__main__":
    asked = _given()
    logging.disable(logging.WARNING)
    asyncio.run(main(asked.chosen, runs=asked.runs, quick=asked.quick, json=asked.json))
