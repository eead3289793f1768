"""Fan-out: many items at once, but not too many, and every answer brought home whatever asks for the end.

A coroutine that runs in an asyncio task of its own must not let a SystemExit out of it: asyncio throws such an
exception out of the event loop itself, past everyone who waits. `run_bounded` contains it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Final, TypeVar

from maia.runtime.exits import exit_within
from maia.runtime.shutdown import Stop

__all__ = ["NOT_STARTED", "Unfinished", "run_bounded"]

T = TypeVar("T")
R = TypeVar("R")


class Unfinished(Enum):
    """Stands in `run_bounded`'s list for an item without a result: its claim is to be released."""

    NOT_STARTED = "the end was asked for before its turn came"
    CUT_OFF = "it ran when a signal came, and its grace went by"
    LEFT = "it asked for the end itself, by ChurnExit or another SystemExit"


NOT_STARTED: Final = Unfinished.NOT_STARTED


async def run_bounded(
    items: Sequence[T], worker: Callable[[T], Awaitable[R]], *, limit: int, stop: Stop
) -> list[R | Exception | Unfinished]:
    """Run `worker` over `items`, at most `limit` at once, and bring everything home.

    Returns, in the order of `items`: the worker's result, the exception it raised, or what became of it (`Unfinished`).
    A worker that raises ChurnExit (or any SystemExit, alone or in a group) sets `stop`: nothing new starts, siblings
    finish. After a signal, siblings have the rest of `GRACE_SECONDS` and are then cancelled; their own clean-up is
    awaited. What a worker raises never comes out of here: store the results, then call `stop.raise_if_requested()`.

    Raises ValueError for a limit below 1. If the caller itself is cancelled, so are the workers, and it waits for them.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    results: list[R | Exception | Unfinished] = [NOT_STARTED] * len(items)
    queue = iter(enumerate(items))

    async def lane() -> None:
        for index, item in queue:
            if stop.requested:
                return
            results[index] = Unfinished.CUT_OFF
            try:
                results[index] = await worker(item)
            except Exception as exc:  # noqa: BLE001 - handed to the caller in the result's place
                results[index] = exc
            except (SystemExit, BaseExceptionGroup) as exc:
                if (exit_ := exit_within(exc)) is None:
                    raise
                # Kept inside this task: asyncio would throw it out of the loop, past the siblings.
                results[index] = Unfinished.LEFT
                stop.leave(exit_)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Cancelled from within, by something that the worker awaited: the lane has more items to serve.

    over = asyncio.get_running_loop().create_future()
    pending: set[asyncio.Task[None]] = set()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    def ended(task: asyncio.Task[None]) -> None:
        pending.discard(task)
        if not task.cancelled():
            task.exception()  # the first is raised below; of the others nobody asks
        if not pending:
            end()

    lanes = [asyncio.create_task(lane()) for _ in range(min(limit, len(items)))]
    for task in lanes:
        pending.add(task)
        task.add_done_callback(ended)
    try:
        if lanes:
            with stop.telling(end, cancelled_only=True):
                await over
            if pending:
                await asyncio.wait(pending, timeout=stop.grace_left)
    finally:
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)
    for task in lanes:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise failure  # nothing that a worker may raise: a KeyboardInterrupt, say
    return results
