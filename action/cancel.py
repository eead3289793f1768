"""Cancellation of the job: the runner sends SIGINT to this process alone, SIGTERM 7.5 s later, a kill 2.5 s after.

The first signal is remembered and ends what is running, from a separate thread; later signals are ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from action.errors import Cancelled


class Cancel:
    """Remember whether the job was cancelled, and call an action at that moment."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._happened = threading.Event()
        self._lock = threading.Lock()
        self._action: Callable[[], None] | None = None
        self._worker: threading.Thread | None = None

    def install(self) -> None:
        """Handle SIGINT and SIGTERM; call this in the main thread.

        Also if the process was started with SIGINT ignored, as by a runner that is in the background.
        """
        # The handler may interrupt code that holds a lock; SimpleQueue.put is reentrant.
        signals: SimpleQueue[int] = SimpleQueue()
        threading.Thread(target=lambda: self.request(signals.get()), daemon=True, name="cancel").start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda signum, _frame: signals.put(signum))

    def request(self, signum: int) -> None:
        """Cancel the job, as the signal does."""
        with self._lock:
            if self.signum is not None:
                return
            self.signum = signum
            self._happened.set()
            self._begin()

    def _begin(self) -> None:
        if self._action is not None:
            self._worker = threading.Thread(target=self._action, name="cancelling")
            self._worker.start()

    @contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Call `action` once, in a thread, if a cancel comes during the block; wait for that thread at its end."""
        with self._lock:
            self._action = action
            if self.signum is not None:
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._action, worker, self._worker = None, self._worker, None
            if worker is not None:
                worker.join()

    def check(self) -> None:
        """Raise Cancelled if the job was cancelled."""
        if self.signum is not None:
            raise Cancelled(self.signum)

    def wait(self, seconds: float) -> None:
        """Return after `seconds`; raise Cancelled as soon as the job is cancelled."""
        self._happened.wait(seconds)
        self.check()
