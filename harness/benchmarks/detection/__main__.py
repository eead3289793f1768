"""``python -m harness.benchmarks.detection``: judges the product's detector and forecasts.

Each seed is a world of 20,000 videos that the Tracker reads for 14 days. Its readings go into a real database, hour by
hour; after each hour the product's detector judges the videos that were read. Its alerts and forecasts are compared
with the truth of the world and with two baselines; `harness.benchmarks.detection.judge` says how. The exit code is 1 if
a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.benchmarks.detection.feeding import detect
from harness.benchmarks.detection.results import Result, goals, measure, show
from harness.benchmarks.detection.worlds import DEVELOPMENT, JUDGING, sample
from harness.driver.proc import machine

_NAMED = {"development": DEVELOPMENT, "judging": JUDGING}


async def _run(seed: int, videos: int, days: int) -> Result:
    """Measure one seed in this process."""
    began = time.monotonic()
    world = await asyncio.to_thread(sample, seed, videos=videos, days=days)
    found = await detect(world)
    return measure(world, found, time.monotonic() - began)


async def _run_child(seed: int, given: argparse.Namespace, free: asyncio.Semaphore) -> Result:
    """Measure one seed in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="maia-detection-") as folder:
        file = Path(folder) / "result.json"
        command = [sys.executable, "-m", "harness.benchmarks.detection", "--seeds", str(seed), "--child", str(file)]
        async with free:
            child = await asyncio.create_subprocess_exec(
                *command, "--videos", str(given.videos), "--days", str(given.days),
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others in order
            )  # fmt: skip
            try:
                if await child.wait():
                    raise SystemExit(f"seed {seed}: the process ended with {child.returncode}")
            finally:
                if child.returncode is None:
                    child.send_signal(signal.SIGINT)
                    await child.wait()
        result = Result.of(json.loads(file.read_text()))
    print(f"{_clock()} seed {seed} in {result.seconds:.0f} s: {result.line()}", flush=True)
    return result


async def main(given: argparse.Namespace) -> int:
    """Measure all seeds, print the table, and return the exit code."""
    began = time.monotonic()
    print(f"{machine()}; {given.videos:,} videos and {given.days} days a seed; seeds {given.named}", flush=True)
    free = asyncio.Semaphore(given.jobs)
    results = await asyncio.gather(*(_run_child(seed, given, free) for seed in given.chosen))
    whole = Result.sum(results)
    lines = goals(whole)
    print(show(whole, lines, seeds=len(results)))
    met = sum(line.met for line in lines)
    print(f"goals met: {met} of {len(lines)}, in {time.monotonic() - began:.0f} s")
    if given.json:
        plain: dict[str, Any] = {
            "goals": [{"what": line.what, "figure": line.figure, "met": line.met} for line in lines],
            "seeds": [result.plain() for result in results],
        }
        given.json.write_text(json.dumps(plain, indent=1) + "\n")
    return int(met < len(lines))


def dump(given: argparse.Namespace) -> None:
    """Write the files of the seeds."""
    write = importlib.import_module("harness.benchmarks.detection.dump").dump
    for seed in given.chosen:
        print(write(sample(seed, videos=given.videos, days=given.days), given.dump), flush=True)


def _clock() -> str:
    return time.strftime("%H:%M:%S", time.gmtime())


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.detection", description=__doc__)
    parser.add_argument(
        "--seeds", default="judging", metavar="development|judging|N,N", help="which worlds (default judging)"
    )
    parser.add_argument("--videos", type=int, default=20_000, help="videos of a seed (default 20,000)")
    parser.add_argument("--days", type=int, default=14, help="days of a seed (default 14)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds at a time (default: the cores)")
    parser.add_argument("--json", type=Path, help="writes all figures here")
    parser.add_argument(
        "--dump", type=Path, metavar="FOLDER", help="writes the readings and the truth for NumPy instead"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.named = given.seeds
    try:
        given.chosen = _NAMED.get(given.seeds) or tuple(int(seed) for seed in given.seeds.split(","))
    except ValueError:
        parser.error("--seeds: development, judging, or numbers separated by commas")
    if given.dump and set(given.chosen) & set(JUDGING):
        parser.error("--dump: name other seeds; those for judging are not for trying ideas on")
    if min(given.videos, given.days, given.jobs) < 1:
        parser.error("--videos, --days and --jobs: at least 1")
    return given


if __name__ == "__main__":
    asked = _given()
    logging.disable(logging.WARNING)
    try:
        if asked.dump:
            dump(asked)
        elif asked.child:
            one = asyncio.run(_run(asked.chosen[0], asked.videos, asked.days))
            asked.child.write_text(json.dumps(one.plain()))
        else:
            sys.exit(asyncio.run(main(asked)))
    except KeyboardInterrupt:
        sys.exit(130)
