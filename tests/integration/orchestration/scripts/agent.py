"""A small agent for the tests of processes: `agent.py SCENARIO RESULT_FILE [PREFECT_API_URL]`.

It says what it does on stdout, one line each, so that a test waits for events and not for time; where it has to wait
for the test, it reads a line from stdin.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from maia.orchestration import activate, flow, get_run_logger, task
from maia.resilience import run_agent
from maia.runtime.concurrency import run_bounded
from maia.runtime.exits import ChurnExit
from maia.runtime.run_context import current_shutdown, record_stats


def say(line: str) -> None:
    print(line, flush=True)


async def wait_for_the_test() -> None:
    await asyncio.to_thread(sys.stdin.readline)


def foreign_handler(signum: int, _frame: object) -> None:
    from prefect.exceptions import TerminationSignal  # noqa: PLC0415 - not in a plain run

    raise TerminationSignal(signal=signum)


async def stray() -> None:
    raise ChurnExit("rate limit in a task of its own")


async def odd_ends() -> None:
    """Ways to misbehave that need no flow."""
    if SCENARIO == "deaf":
        say("deaf")
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    if SCENARIO == "stray-churn":
        task = asyncio.create_task(stray())
        try:
            await current_shutdown().wait()
        finally:
            await asyncio.sleep(0)
            say("cleaned up")
        del task
    if SCENARIO == "stuck-thread":
        asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)


@task(name="fetch_batch")
async def fetch_batch(size: int) -> list[int]:
    get_run_logger().info("fetching %d", size)
    say("fetched")
    return list(range(size))


async def work(item: int) -> int:
    if SCENARIO == "churn" and item == 1:
        raise ChurnExit("rate limit on item 1")
    if SCENARIO == "churn":
        await current_shutdown().wait()
        await asyncio.sleep(0)  # what is running goes on after the churn
    if item == 1 and SCENARIO in {"term", "term-hang"}:
        say("working")  # the second of two workers: now both are at work
    if SCENARIO == "term":
        await current_shutdown().wait()
        say("worker saw the shutdown")
    if SCENARIO == "term-hang":
        if item == 0:
            await current_shutdown().wait()
            say("saw the first signal")
        await asyncio.Event().wait()
    if SCENARIO == "term-foreign" and item == 0:
        # As in the moments of a flow run in which Prefect's own handler is in place.
        signal.signal(signal.SIGTERM, foreign_handler)
        os.kill(os.getpid(), signal.SIGTERM)
    return item


@task(name="process_batch")
async def process_batch(items: list[int]) -> Counter[str]:
    say("in body")
    if SCENARIO == "server-lost":
        await wait_for_the_test()
    results = await run_bounded(items, work, limit=2, shutdown=current_shutdown())
    return Counter(done=sum(isinstance(result, int) for result in results))


@task(name="last_stage")
async def last_stage() -> None:
    say("last stage")


@flow(name="example_cycle")
async def cycle(size: int = 3) -> dict[str, Any]:
    stats: Counter[str] = Counter(cycles=1)
    try:
        items = await fetch_batch(size)
        stats += await process_batch(items)
        current_shutdown().raise_if_requested()
        if SCENARIO == "error":
            raise ValueError("broken")
        await last_stage()
    finally:
        record_stats(stats)
        say(f"released done={stats['done']}")
    return dict(stats)


async def main() -> dict[str, Any]:
    say("engine" if activate(API_URL) else "plain")
    if SCENARIO == "term-early":
        os.kill(os.getpid(), signal.SIGTERM)
    await odd_ends()
    stats = await cycle(3)
    if SCENARIO == "two-cycles":
        say("first cycle done")
        await wait_for_the_test()
        stats = await cycle(2)
    say(f"prefect imported: {'prefect' in sys.modules}")
    return stats


if __name__ == "__main__":
    SCENARIO, RESULT = sys.argv[1], Path(sys.argv[2])
    API_URL = sys.argv[3] if len(sys.argv) > 3 else None
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stderr, level=logging.INFO)
    run_agent("hunter", "0/1", main, result_file=RESULT)
