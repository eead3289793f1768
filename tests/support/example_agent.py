"""A small agent that misbehaves in one way: `python -m tests.support.example_agent SCENARIO RESULT_FILE GRACE_SECONDS`.

It says what it does on stdout, a line each, so that a test waits for events and not for time.
"""

import asyncio
import contextlib
import logging
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from maia.orchestration import flow, task
from maia.resilience import run_agent
from maia.runtime import shutdown
from maia.runtime.concurrency import run_bounded
from maia.runtime.exits import ChurnExit
from maia.runtime.run_context import current_shutdown, record_stats


def say(line: str) -> None:
    print(line, flush=True)


async def deaf() -> None:
    say("working")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def stray_churn() -> None:
    async def stray() -> None:
        raise ChurnExit("rate limit in a task of its own")

    task = asyncio.create_task(stray())
    try:
        await current_shutdown().wait()
    finally:
        await asyncio.sleep(0)
        say("cleaned up")
    del task


async def stuck_thread() -> None:
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)


async def work(item: int) -> None:
    if SCENARIO == "churn" and item == 1:
        raise ChurnExit("rate limit on item 1")
    if item == 1:
        say("working")  # the second of two workers: now both are at work
    if SCENARIO in {"churn", "finishes"} or (SCENARIO == "hangs" and item == 0):
        await current_shutdown().wait()
        await asyncio.sleep(0)  # what is running goes on after the request
        say("saw the shutdown")
    if SCENARIO == "hangs":
        await asyncio.Event().wait()


@task(name="process_batch")
async def process_batch(items: list[int]) -> int:
    results = await run_bounded(items, work, limit=2, shutdown=current_shutdown())
    return sum(result is None for result in results)


@flow(name="example_cycle")
async def cycle() -> dict[str, Any]:
    stats: Counter[str] = Counter(cycles=1)
    try:
        stats["done"] = await process_batch([0, 1, 2])
        current_shutdown().raise_if_requested()
    finally:
        record_stats(stats)
        say(f"released done={stats['done']}")
    return dict(stats)


async def main() -> dict[str, Any]:
    misbehave = {"deaf": deaf, "stray-churn": stray_churn, "stuck-thread": stuck_thread}.get(SCENARIO)
    if misbehave is not None:
        await misbehave()
    return await cycle()


if __name__ == "__main__":
    SCENARIO, RESULT = sys.argv[1], Path(sys.argv[2])
    shutdown.GRACE_SECONDS = float(sys.argv[3])  # type: ignore[misc]
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stderr, level=logging.INFO)
    run_agent("hunter", "0/1", main, result_file=RESULT)
