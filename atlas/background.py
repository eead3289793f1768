"""Run a blocking call of a library off the event loop, where it cannot delay the end of the process."""

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
    """Return the result of a blocking call, which runs in a daemon thread and in a copy of the caller's context.

    Raise TimeoutError after these real seconds, and what the call raises. A call that takes longer is left behind
    and its result is dropped. Threads of asyncio.to_thread are joined at the end of the loop and of the interpreter, so
    a server that never answers would keep a finished agent alive.
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
        # RuntimeError: the loop was closed meanwhile, and nothing waits for the result
        try:
            value = call()
        except Exception as error:  # noqa: BLE001  raised again in the task that waits
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(fail, error)
        else:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(succeed, value)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name, daemon=True).start()
    async with asyncio.timeout(seconds):
        return await future
