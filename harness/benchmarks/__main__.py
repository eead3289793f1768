"""``python -m harness.benchmarks``: measures every row against its limit, and prints one table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import logging
import time
from pathlib import Path

from harness.benchmarks.lines import Line, as_table, write_json
from harness.benchmarks.world import shared_database
from harness.driver.proc import about_machine, machine
from harness.driver.screen import Screen

SHORT = {
    1: "agents.measure_tracker", 2: "write_path.measure", 3: "claims.measure", 4: "queues.measure",
    5: "agents.measure_hunter", 6: "shards.measure", 7: "start.measure", 8: "start.measure_engine",
    10: "container.measure",
}  # fmt: skip
LONG = {9: "million.measure", 13: "commands.measure"}
"""Rows 9, 11 and 12 come out of one run."""


async def main(rows: dict[int, str], *, runs: int, quick: bool, json: Path | None) -> None:
    """Measure these rows, one after the other, and print the table."""
    screen = Screen(width=160)
    screen.say(f"{machine()}; medians of {runs} alternating runs; API and PostgreSQL share these cores")
    began, lines = time.monotonic(), list[Line]()
    about = about_machine() | {"quick": quick}  # its load before there is any of ours
    async with shared_database() if quick else contextlib.nullcontext():
        for number, name in rows.items():
            module, _, measure = name.partition(".")
            screen.say(f"{time.monotonic() - began:5.0f} s  row {number}: {module}")
            rows_of = importlib.import_module(f"harness.benchmarks.rows.{module}")
            lines += await getattr(rows_of, measure)(runs=runs, quick=quick)
            if json is not None:  # a run that is broken off leaves what it has
                write_json(json, about, lines)
    screen.show(as_table(lines))
    judged = [line.met for line in lines if line.met is not None]
    screen.say(f"goals met: {sum(judged)} of {len(judged)}, in {time.monotonic() - began:.0f} s")


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks", description=__doc__)
    parser.add_argument("--long", action="store_true", help="rows 9 and 11 to 13, with a million videos")
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
