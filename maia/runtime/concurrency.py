"""Run a worker over many items at once, with a bound, and return every result even upon a shutdown.

A coroutine that runs in an asyncio task of its own must not let a SystemExit out of it: asyncio throws such an
exception out of the event loop, past all code that awaits the task. `run_bounded` contains it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Final, TypeVar

from maia.runtime.exits import exit_within
from maia.runtime.shutdown import Shutdown

T = TypeVar("T")
R = TypeVar("R")


class Unfinished(Enum):
    """Why `run_bounded` has no result for an item: its claim is to be released."""

    NOT_STARTED = "a shutdown was requested before its turn"
    CUT_OFF = "it was cancelled when the grace after a signal ended"
    EXITED = "it requested the shutdown itself, by ChurnExit or another SystemExit"


NOT_STARTED: Final = Unfinished.NOT_STARTED


async def run_bounded(
    items: Sequence[T], worker: Callable[[T], Awaitable[R]], *, limit: int, shutdown: Shutdown
) -> list[R | Exception | Unfinished]:
    """Run `worker` over `items`, at most `limit` at once; return results, exceptions or `Unfinished` in their order.

    A worker that raises ChurnExit (or any SystemExit, alone or in a group) requests the shutdown: nothing new starts,
    siblings finish. After a signal, siblings have the rest of `GRACE_SECONDS` and are then cancelled; their clean-up
    is awaited. Store the results, then call `shutdown.raise_if_requested()`.

    If the caller itself is cancelled, the workers are cancelled and awaited.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    results: list[R | Exception | Unfinished] = [NOT_STARTED] * len(items)
    queue = iter(enumerate(items))

    async def lane() -> None:
        for index, item in queue:
            if shutdown.requested:
                return
            results[index] = Unfinished.CUT_OFF
            try:
                results[index] = await worker(item)
            except Exception as exc:  # noqa: BLE001 - returned in the result's place
                results[index] = exc
            except (SystemExit, BaseExceptionGroup) as exc:
                if (exit_ := exit_within(exc)) is None:
                    raise
                # Kept inside this task: asyncio would throw it out of the loop, past the siblings.
                results[index] = Unfinished.EXITED
                shutdown.request(exit_)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Cancelled from within, by something that the worker awaited: the lane has more items to serve.

    tasks = [asyncio.create_task(lane()) for _ in range(min(limit, len(items)))]
    lanes = asyncio.gather(*tasks, return_exceptions=True)
    try:
        await shutdown.wait_for(lanes)
        if not lanes.done():
            await asyncio.wait({lanes}, timeout=shutdown.grace_left)
    finally:
        for task in tasks:  # not the gathering, whose CancelledError would be logged as never retrieved
            task.cancel()
        if not lanes.done():
            await asyncio.wait({lanes})
    for task in tasks:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise failure  # such as a KeyboardInterrupt
    return results
