"""A blocking call of a foreign library, off the event loop, that can never hold up the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_in_background"]

T = TypeVar("T")


async def call_in_background(call: Callable[[], T], *, seconds: float, name: str = "background") -> T:
    """Runs a blocking call in a thread of its own and waits at most so many (real) seconds for it.

    asyncio.to_thread would not do: its threads are joined when the loop closes and again when the interpreter ends, so
    a server that never answers would keep a finished agent alive. A daemon thread that overruns is left behind; what it
    answers later is dropped.

    Args:
        call: takes nothing; runs in a copy of the caller's context.
        seconds: the longest wait.
        name: the thread's name.

    Raises:
        TimeoutError: the time is up.
        Exception: whatever the call raised.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def succeed(value: T) -> None:
        if not future.done():
            future.set_result(value)

    def fail(error: Exception) -> None:
        if not future.done():
            future.set_exception(error)

    def run() -> None:
        # RuntimeError: the loop was closed while the call overran, and nobody waits any more
        try:
            value = call()
        except Exception as error:  # noqa: BLE001  handed to the waiter as it is
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(fail, error)
        else:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(succeed, value)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name, daemon=True).start()
    async with asyncio.timeout(seconds):
        return await future
