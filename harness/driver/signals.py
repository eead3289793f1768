"""Run a coroutine until it ends or a signal cancels it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["until_signalled"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_signalled(
    work: Coroutine[Any, Any, int], *, begins: Callable[[], None] | None = None, ended: Callable[[], None] | None = None
) -> int:
    """What the work returns; 128 + the signal where one cancelled it. A second signal does not disturb its endings.

    Args:
        work: returns an exit code; it is cancelled once.
        begins: called when the signal comes.
        ended: called when the work has ended because of it.
    """
    task = asyncio.create_task(work)
    received: list[int] = []

    def on_signal(signum: int) -> None:
        received.append(signum)
        if len(received) == 1:
            if begins is not None:
                begins()
            task.cancel()

    for signum in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signum, on_signal, signum)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        if ended is not None:
            ended()
        return 128 + received[0]
