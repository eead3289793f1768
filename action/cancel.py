"""A cancelled job: the runner sends SIGINT to this process alone, SIGTERM 7.5 s later, and kills it after 2.5 s more.

The first signal ends what is running, in a thread of its own, and is remembered; the others change nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from action.errors import Cancelled

__all__ = ["Cancel"]


class Cancel:
    """Whether the job was cancelled, and what is to be done at that moment."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._happened = threading.Event()
        self._lock = threading.Lock()
        self._action: Callable[[], None] | None = None
        self._worker: threading.Thread | None = None

    def install(self) -> None:
        """Take SIGINT and SIGTERM of this process, from the main thread.

        Also where it was started to ignore SIGINT, as by a runner in the background: the runner means this process.
        """
        # The main thread may hold any lock at this moment; SimpleQueue.put is the one thing made for that.
        signals: SimpleQueue[int] = SimpleQueue()
        threading.Thread(target=lambda: self.request(signals.get()), daemon=True, name="cancel").start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda signum, _frame: signals.put(signum))

    def request(self, signum: int) -> None:
        """Cancel, as that signal does."""
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
        """Let a cancel during the block call `action` once, in a thread; wait for that thread at the block's end."""
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
