"""The shutdown request: what asks a run to end early, and what waits for it.

A rate limit (`ChurnExit`) lets running work finish, because its answers were paid for. A signal (`CancelledExit`)
grants a grace period and then cancels. In both cases nothing new starts, and the stages store what was answered and
release their claims.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from maia.runtime.exits import CancelledExit, ChurnExit

GRACE_SECONDS: Final = 5.0
"""Seconds (real time) that running work has after a signal. `docker stop` kills after 10 s, and a cancelled GitHub
Actions job sends SIGINT, then SIGTERM after 7.5 s; a second signal ends the process at once."""

CLEANUP_SECONDS: Final = 1.0
"""Seconds after the grace for releasing claims; granted once more after the run was cancelled. 5 + 1 + 1 < 7.5."""


class Shutdown:
    """The shutdown request of one run; `current_shutdown()` finds it.

    The first request wins, except that a signal overrides a churn: after a cancellation no container replaces this one.
    All methods are safe in a signal handler, except those that wait: they belong to one event loop.
    """

    def __init__(self, on_second_signal: Callable[[int], None] | None = None) -> None:
        self.handles_signals = False
        """Whether SIGTERM and SIGINT of this process request this shutdown."""
        self.on_second_signal = on_second_signal
        """Called with the signal's number before a second signal ends the process; it must not wait."""
        self._exit: SystemExit | None = None
        self._cancelled_at: float | None = None
        self._callbacks: set[tuple[asyncio.AbstractEventLoop, Callable[[], object], bool]] = set()

    @property
    def requested(self) -> bool:
        """Whether a shutdown was requested: start nothing new."""
        return self._exit is not None

    @property
    def cancelled(self) -> bool:
        """Whether a signal requested it: running work has `GRACE_SECONDS` from then."""
        return self._cancelled_at is not None

    @property
    def exit(self) -> SystemExit | None:
        """The exit that `raise_if_requested` raises; None before a request."""
        return self._exit

    @property
    def grace_left(self) -> float | None:
        """The seconds of grace that remain, 0 when it is over; None without a signal."""
        if self._cancelled_at is None:
            return None
        return max(0.0, self._cancelled_at + GRACE_SECONDS - time.monotonic())

    def within_grace(self, seconds: float) -> float:
        """Return `seconds`, or what is left of the grace if that is less."""
        left = self.grace_left
        return seconds if left is None else min(seconds, left)

    def churn(self, reason: str) -> None:
        """Request a shutdown because of a rate limit; `reason` is one line without a secret."""
        self.request(ChurnExit(reason))

    def cancel(self, signum: int) -> None:
        """Request a shutdown because of a signal."""
        self.request(CancelledExit(signum))

    def request(self, exit_: SystemExit) -> None:
        """Request a shutdown with an exit that was raised."""
        if isinstance(exit_, CancelledExit):
            if self._cancelled_at is None:
                self._cancelled_at = time.monotonic()
                self._exit = exit_
        elif self._exit is None:
            self._exit = exit_
        for loop, callback, cancelled_only in tuple(self._callbacks):
            if self.cancelled or not cancelled_only:
                # From a signal handler the loop may be asleep in select(): only the thread-safe call wakes it.
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(callback)

    def raise_if_requested(self) -> None:
        """Raise the requested exit, if any. Call it after the results are stored."""
        match self._exit:  # a new exception each time: a traceback grows with each raise
            case ChurnExit(reason=reason):
                raise ChurnExit(reason)
            case CancelledExit(signum=signum):
                raise CancelledExit(signum)
            case SystemExit() as other:
                raise other

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - the point is a sleep that ends early
        """Sleep `timeout` seconds (None: without end) or until a request; return whether there is one."""
        event = asyncio.Event()
        with self.on_request(event.set), contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout)
        return self.requested

    async def wait_for(self, work: asyncio.Future[Any]) -> None:
        """Wait until `work` is done or a signal comes; a churn does not end this wait."""
        signalled = asyncio.get_running_loop().create_future()
        with self.on_request(signalled.cancel, cancelled_only=True):
            await asyncio.wait({work, signalled}, return_when=asyncio.FIRST_COMPLETED)

    @contextlib.contextmanager
    def on_request(self, callback: Callable[[], object], *, cancelled_only: bool = False) -> Iterator[None]:
        """Call `callback`, which must not wait, in the running event loop upon a request or if there is one already.

        It may be called more than once. With `cancelled_only`, ignore a churn.
        """
        registered = (asyncio.get_running_loop(), callback, cancelled_only)
        self._callbacks.add(registered)
        try:
            # Looked at after the registration, so that a signal in between is not missed.
            if self.cancelled or (self.requested and not cancelled_only):
                callback()
            yield
        finally:
            self._callbacks.discard(registered)


def install_signal_handlers(shutdown: Shutdown) -> dict[int, Any]:
    """Let SIGTERM and SIGINT request the shutdown; a second signal ends the process at once with 128 + its number.

    A signal that the process was started to ignore stays ignored: Ctrl-C is not meant for a script's background job.
    Return the previous handlers. Outside the main thread, where Python accepts none, do nothing.
    """

    def handler(signum: int, _frame: FrameType | None) -> None:
        if not shutdown.cancelled:
            shutdown.cancel(signum)
            return
        try:
            if shutdown.on_second_signal is not None:
                shutdown.on_second_signal(signum)
        finally:
            os._exit(128 + signum)

    if threading.current_thread() is not threading.main_thread():
        return {}
    shutdown.handles_signals = True
    handled = [each for each in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(each) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


@contextlib.contextmanager
def handle_signals(shutdown: Shutdown) -> Iterator[None]:
    """Install the signal handlers for the length of a block."""
    before = install_signal_handlers(shutdown)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
