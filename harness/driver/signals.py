"""Run a coroutine until it ends or a signal cancels it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def _nothing() -> None: ...


async def until_signalled(
    work: Coroutine[Any, Any, int], *, begins: Callable[[], None] = _nothing, ended: Callable[[], None] = _nothing
) -> int:
    """Return what the work returns, or 128 + the signal that cancelled it. A second signal does not disturb its end.

    Args:
        work: returns an exit code.
        begins: called when the signal comes.
        ended: called when the work has ended because of it.
    """
    task = asyncio.create_task(work)
    received: list[int] = []

    def on_signal(signum: int) -> None:
        received.append(signum)
        if len(received) == 1:
            begins()
            task.cancel()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, on_signal, signum)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        ended()
        return 128 + received[0]
