"""Stopping in good order: what asks a run to end, and whom it tells.

Two things end a run early. A rate limit (`ChurnExit`) lets what is running finish, however long its own time limits
allow, because its answers were paid for. A signal (`CancelledExit`) allows a grace and then cuts off. Either way
nothing new starts, and the stages still write what was answered and release their claims.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from maia.runtime.exits import CancelledExit, ChurnExit

__all__ = [
    "CLEANUP_SECONDS",
    "GRACE_SECONDS",
    "CancelledExit",
    "ChurnExit",
    "Run",
    "Stop",
    "current_stop",
    "handle_signals",
    "install_signal_handlers",
    "record_stats",
    "run_scope",
]

GRACE_SECONDS: Final = 5.0
"""Seconds (real time) that work in flight has after a signal. `docker stop` kills after 10 s, and a cancelled GitHub
Actions job sends SIGINT, then SIGTERM after 7.5 s; a second signal ends the process at once."""

CLEANUP_SECONDS: Final = 1.0
"""Seconds after the grace for releasing claims; spent once more after the run itself was cancelled. 5 + 1 + 1 < 7.5."""


class Stop:
    """Whether the run was asked to end, and why. One per run; `current_stop()` finds it.

    The first request wins, except that a signal overrides a churn: who cancels wants no further container.
    All methods are safe in a signal handler; those that wait belong to one event loop.
    """

    def __init__(self) -> None:
        self._exit: SystemExit | None = None
        self._cancelled_at: float | None = None
        self._waiters: set[tuple[asyncio.AbstractEventLoop, Callable[[], object], bool]] = set()

    def __repr__(self) -> str:
        return f"Stop({self._exit!r})"

    @property
    def requested(self) -> bool:
        """True once anything asked for the end: start nothing new."""
        return self._exit is not None

    @property
    def cancelled(self) -> bool:
        """True once a signal asked for the end: what runs has `GRACE_SECONDS` from then."""
        return self._cancelled_at is not None

    @property
    def reason(self) -> str | None:
        """One line saying why the end was asked for; None while it was not."""
        return None if self._exit is None else str(self._exit)

    @property
    def exit(self) -> SystemExit | None:
        """What `raise_if_requested` leaves with; None while nobody asked."""
        return self._exit

    @property
    def grace_left(self) -> float | None:
        """Seconds of the grace that remain (0 when it is over); None while no signal came."""
        if self._cancelled_at is None:
            return None
        return max(0.0, self._cancelled_at + GRACE_SECONDS - time.monotonic())

    def within_grace(self, seconds: float) -> float:
        """So many seconds; after a signal no more of them than are left of the grace."""
        left = self.grace_left
        return seconds if left is None else min(seconds, left)

    def churn(self, reason: str) -> None:
        """Ask for the end because of a rate limit. `reason`: one line, no secret."""
        self.leave(ChurnExit(reason))

    def cancel(self, signum: int) -> None:
        """Ask for the end because signal `signum` came. Callable from a signal handler."""
        self.leave(CancelledExit(signum))

    def leave(self, exit_: SystemExit) -> None:
        """Ask for the end with `exit_`, a SystemExit that somebody raised."""
        if isinstance(exit_, CancelledExit):
            if self._cancelled_at is None:
                self._cancelled_at = time.monotonic()
                self._exit = exit_
        elif self._exit is None:
            self._exit = exit_
        for loop, told, cancelled_only in tuple(self._waiters):
            if self.cancelled or not cancelled_only:
                # From a signal handler the loop may be asleep in select(): only the thread-safe call wakes it.
                with contextlib.suppress(RuntimeError):  # its loop was closed meanwhile
                    loop.call_soon_threadsafe(told)

    def raise_if_requested(self) -> None:
        """Leave with ChurnExit or CancelledExit if the end was asked for. Call it after the results are stored."""
        match self._exit:
            case None:
                return
            case ChurnExit(reason=reason):
                raise ChurnExit(reason)
            case CancelledExit(signum=signum):
                raise CancelledExit(signum)
            case other:
                raise other

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - the point is a sleep that ends early
        """Sleep `timeout` seconds (None: without end), or until the end is asked for; True when it was."""
        return await self._wait(timeout, cancelled_only=False)

    async def wait_cancelled(self) -> None:
        """Sleep until a signal comes; a churn does not end this wait."""
        await self._wait(None, cancelled_only=True)

    async def _wait(self, timeout: float | None, *, cancelled_only: bool) -> bool:  # noqa: ASYNC109
        event = asyncio.Event()
        with self.telling(event.set, cancelled_only=cancelled_only):
            try:
                await asyncio.wait_for(event.wait(), timeout)
            except TimeoutError:
                return self.requested
        return True

    @contextlib.contextmanager
    def telling(self, told: Callable[[], object], *, cancelled_only: bool) -> Iterator[None]:
        """Have `told` called in the running event loop, maybe more than once, when the end is asked for.

        Called at once if that is so already. With `cancelled_only` a churn is none of its business.
        """
        waiter = (asyncio.get_running_loop(), told, cancelled_only)
        self._waiters.add(waiter)
        try:
            # Looked at after the registration, so that a signal in between is not missed.
            if self.cancelled or (self.requested and not cancelled_only):
                told()
            yield
        finally:
            self._waiters.discard(waiter)


@dataclass(slots=True)
class Run:
    """What one run carries through all its calls: its stop, what it has done so far, and its last words.

    `last_words(signum)` is called when a second signal ends the process at once; it must be short and must not wait.
    `handles_signals` is True once SIGTERM and SIGINT of this process go to its stop. `noted` is what ended the run,
    once its row in the database says so and people were told. `opening` is True while the process checks its settings
    and connects: there is nothing to finish or to release, and a signal ends it without a grace.
    """

    stop: Stop = field(default_factory=Stop)
    stats: dict[str, Any] = field(default_factory=dict)
    last_words: Callable[[int], None] | None = None
    handles_signals: bool = False
    noted: BaseException | None = None
    opening: bool = False


_run: ContextVar[Run | None] = ContextVar("maia_run", default=None)


@contextlib.contextmanager
def run_scope(run: Run | None = None) -> Iterator[Run]:
    """Make `run` the current one inside the block; without an argument keep the current one, or begin a new one."""
    chosen = run or _run.get() or Run()
    token = _run.set(chosen)
    try:
        yield chosen
    finally:
        _run.reset(token)


def install_signal_handlers(run: Run) -> dict[int, Any]:
    """Let SIGTERM and SIGINT ask `run.stop` for the end; a second one ends the process at once, with 128 + its number.

    A signal that the process was started to ignore stays ignored: Ctrl-C is not meant for a script's background job.
    Returns the handlers that were there before. Outside the main thread, where Python takes none, it does nothing.
    """

    def handler(signum: int, _frame: FrameType | None) -> None:
        if not run.stop.cancelled:
            run.stop.cancel(signum)
            return
        try:
            if run.last_words is not None:
                run.last_words(signum)
        finally:
            os._exit(128 + signum)

    if threading.current_thread() is not threading.main_thread():
        return {}
    run.handles_signals = True
    heeded = [each for each in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(each) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heeded}


@contextlib.contextmanager
def handle_signals(run: Run) -> Iterator[None]:
    """`install_signal_handlers` for the length of a block.

    Prefect puts a handler of its own in place when a flow run begins, so the flow's body enters this again.
    """
    before = install_signal_handlers(run)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def current_stop() -> Stop:
    """The stop of the run that this code belongs to. Outside any run: a fresh one that nobody will ask to end."""
    run = _run.get()
    return run.stop if run is not None else Stop()


def record_stats(stats: Mapping[str, Any]) -> None:
    """Add to what the current run has done, for the result file of a run that does not come to its end.

    Numbers are summed, mappings merged alike, anything else replaced. Call it where a cycle ends, in a `finally`, so
    that a churn, a signal or a lost database leaves behind what was done before. Outside any run it does nothing.
    """
    run = _run.get()
    if run is not None:
        merge_stats(run.stats, stats)


def merge_stats(into: dict[str, Any], stats: Mapping[str, Any]) -> None:
    """Add the stats of a cycle to those of the cycles before: numbers summed, mappings alike, words replaced."""
    for key, value in stats.items():
        known = into.get(key)
        if isinstance(value, Mapping):
            into[key] = nested = dict(known) if isinstance(known, Mapping) else {}
            merge_stats(nested, value)
        elif _is_number(value) and _is_number(known):
            into[key] = known + value
        else:
            into[key] = value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
