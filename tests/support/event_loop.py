"""An event loop in a thread, for tests that are not coroutines and need something running beside them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self, TypeVar

T = TypeVar("T")

PATIENCE = 90.0  # seconds: only a defect lasts so long, even on a busy machine


class Background:
    """Runs coroutines, and holds what they open, in a thread of its own until the block ends."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._opened = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="background", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.run(self._opened.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = PATIENCE) -> T:
        """What the coroutine returns; it runs in the thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Opens it in the thread; the end of the block closes it."""
        return self.run(self._opened.enter_async_context(context))
