"""The top of a process: runs one agent, and sees to it that it ends in time, with the right code and its result.

What the agents need to stop in good order lives in `maia.runtime.shutdown` and `maia.runtime.concurrency`, the exit
codes in
`maia.runtime.exitcodes`; all are given on here, so that `maia.resilience` is the one name to import from.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from atlas.clock import clock
from atlas.errors import AtlasError, ConfigError, DatabaseUnavailable
from atlas.redaction import scrub
from maia.errors import Unconfirmed
from maia.runtime.concurrency import NOT_STARTED, Unfinished, run_bounded
from maia.runtime.exitcodes import EXIT_CODES, ExitCode, ExitCodeEntry, Outcome, entry
from maia.runtime.exits import CancelledExit, ChurnExit, exit_within, leaves
from maia.runtime.result_file import RunResult, describe, one_line, outcome_of
from maia.runtime.shutdown import (
    CLEANUP_SECONDS,
    GRACE_SECONDS,
    Run,
    Stop,
    current_stop,
    handle_signals,
    install_signal_handlers,
    record_stats,
    run_scope,
)

__all__ = [
    "CLEANUP_SECONDS",
    "EXIT_CODES",
    "GRACE_SECONDS",
    "NOT_STARTED",
    "CancelledExit",
    "ChurnExit",
    "ExitCode",
    "ExitCodeEntry",
    "Outcome",
    "Run",
    "Stop",
    "Unfinished",
    "current_stop",
    "handle_signals",
    "record_stats",
    "run_agent",
    "run_bounded",
    "run_scope",
    "verdict",
]

logger = logging.getLogger(__name__)

Stats = Mapping[str, Any]
Ending = Stats | BaseException
"""What came of `main`: the stats it returned, or what it raised."""


def run_agent(
    agent: str, shard: str, main: Callable[[], Awaitable[Stats]], *, result_file: Path | None = None
) -> NoReturn:
    """Run one agent, then end the process; never returns.

    `main` opens what it needs, runs the flow, and returns its stats; their key `outcome` (ok, idle, quota-exhausted,
    failure) is the run's outcome, ok where it is missing. What `main` raises becomes an outcome too, and so does a
    stop that was asked for and not raised. The stats of a run that did not return are those given to `record_stats`.

    Writes the result file, says on one line of stderr what went wrong, and leaves with os._exit: neither a thread nor
    an exit handler of a library can delay the end or change the code. Exit handlers do not run, so `main` closes what
    it opened.
    """
    _Guard(agent, shard, result_file).end(main)


def verdict(ending: Ending, stop: Stop) -> tuple[Outcome, int, str | None]:
    """The outcome, the exit code and the one-line error of a run.

    A signal decides over everything. Then what was raised: a SystemExit, alone or in a group, before any other
    exception. A churn that was only asked for does not hide a lost database: it promises that everything is stored.
    """
    raised = ending if isinstance(ending, BaseException) else None
    exit_ = exit_within(raised) if raised is not None else None
    if stop.cancelled or (stop.requested and raised is None):
        exit_ = stop.exit
    if exit_ is not None:
        return _of_exit(exit_)
    if raised is None:
        assert isinstance(ending, Mapping)  # noqa: S101 - for the type checker
        return outcome_of(ending)
    parts = leaves(raised)
    for kind, outcome in ((ConfigError, Outcome.CONFIG), (DatabaseUnavailable, Outcome.UNAVAILABLE)):
        for part in parts:
            if isinstance(part, kind):
                return outcome, outcome.exit_code, describe(part)
    for part in parts:
        if isinstance(part, Unconfirmed):
            return Outcome.FAILURE, ExitCode.USAGE, describe(part)
    if any(isinstance(part, KeyboardInterrupt) for part in parts):
        return _of_exit(CancelledExit(signal.SIGINT))
    return Outcome.FAILURE, ExitCode.FAILURE, "; ".join(dict.fromkeys(describe(part) for part in parts))


def _of_exit(exit_: SystemExit) -> tuple[Outcome, int, str]:
    reason = one_line(str(exit_))
    if isinstance(exit_, CancelledExit):
        return Outcome.CANCELLED, 128 + exit_.signum, reason
    if isinstance(exit_, ChurnExit):
        return Outcome.CHURN, ExitCode.CHURN, reason
    for outcome in (Outcome.UNAVAILABLE, Outcome.CONFIG):
        if exit_.code == outcome.exit_code:
            return outcome, outcome.exit_code, f"left with code {exit_.code}"
    # A code that some library chose, success included, says nothing of ours.
    return Outcome.FAILURE, ExitCode.FAILURE, f"something called sys.exit({one_line(repr(exit_.code))})"


class _Guard:
    """One run under guard."""

    def __init__(self, agent: str, shard: str, result_file: Path | None) -> None:
        self._agent = agent
        self._shard = shard
        self._result_file = result_file
        self._started_at = datetime.now(UTC)
        self._run = Run(last_words=self._last_words)

    def end(self, main: Callable[[], Awaitable[Stats]]) -> NoReturn:
        code = int(ExitCode.FAILURE)
        try:
            with run_scope(self._run):
                ending = self._drive(main)
            outcome, code, error = verdict(ending, self._run.stop)
            if outcome is Outcome.FAILURE and isinstance(ending, Exception):
                # what Atlas raises on purpose says what it is; anything else may be a fault of ours
                level = logging.DEBUG if isinstance(ending, AtlasError) else logging.ERROR
                logger.log(level, "%s", scrub("".join(traceback.format_exception(ending))))
            self._report(outcome, code, error, ending if isinstance(ending, Mapping) else self._run.stats)
        except BaseException:
            logger.exception("the end of the run could not be reported")
        finally:
            _flush()
            os._exit(code)

    def _drive(self, main: Callable[[], Awaitable[Stats]]) -> Ending:
        # The loop is left open: closing it would wait for threads that nobody can stop.
        loop = asyncio.new_event_loop()
        work = loop.create_task(_contain(main))
        guard = loop.create_task(_bring_home(work, self._run))
        while True:
            install_signal_handlers(self._run)
            try:
                return loop.run_until_complete(guard)
            except Exception as exc:  # noqa: BLE001 - the guard itself failed: reported like any failure
                return exc
            except BaseException as exc:
                # Thrown out of the loop by a task that nobody contained, or by a signal handler of Prefect's. The
                # work is still there: it is asked to end, and brought home like any other.
                logger.debug("%s left the event loop", type(exc).__name__, exc_info=exc)
                self._run.stop.leave(_as_exit(exc))
                if guard.done():  # it was the guard that the handler interrupted
                    guard = loop.create_task(_bring_home(work, self._run))

    def _report(self, outcome: Outcome, code: int, error: str | None, stats: Stats) -> None:
        if error is not None:
            # these errors say themselves how to mend them
            row = None if outcome in {Outcome.CONFIG, Outcome.UNAVAILABLE} else entry(code)
            advice = f"; {row.action}" if row else ""
            with contextlib.suppress(OSError, ValueError):
                said = error.rstrip(".") if advice else error
                print(f"maia {self._agent}: {said}{advice}", file=sys.stderr, flush=True)  # noqa: T201
        if self._result_file is None:
            return
        result = RunResult(
            agent=self._agent,
            shard=self._shard,
            outcome=outcome,
            exit_code=code,
            started_at=self._started_at + clock.offset,
            finished_at=clock.real(),
            stats=stats,
            error=error,
        )
        try:
            result.write(self._result_file)
        except OSError as exc:
            logger.warning("the result file %s cannot be written: %s", self._result_file, exc)

    def _last_words(self, signum: int) -> None:
        exit_ = CancelledExit(signum)
        self._report(Outcome.CANCELLED, 128 + signum, f"{exit_.reason} a second time, at once", self._run.stats)
        _flush()


async def _contain(main: Callable[[], Awaitable[Stats]]) -> Ending:
    # Nothing may leave this task as an exception: asyncio throws a SystemExit out of the loop, past all clean-up.
    try:
        return await main()
    except BaseException as exc:  # noqa: BLE001 - carried to the guard, which judges it
        return exc


async def _bring_home(work: asyncio.Task[Ending], run: Run) -> Ending:
    """Wait for `work`; after a signal only as long as the grace and its clean-up take."""
    stop = run.stop
    signalled = asyncio.create_task(stop.wait_cancelled())
    try:
        await asyncio.wait({work, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and not run.opening:
            await asyncio.wait({work}, timeout=(stop.grace_left or 0.0) + CLEANUP_SECONDS)
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=CLEANUP_SECONDS)
    finally:
        signalled.cancel()
    return work.result() if work.done() else TimeoutError("the run did not end when it was told to")


def _as_exit(exc: BaseException) -> SystemExit:
    """What to make of an exception that left the event loop: Prefect's TerminationSignal carries the signal."""
    if isinstance(exc, KeyboardInterrupt):
        return CancelledExit(signal.SIGINT)
    if isinstance(number := getattr(exc, "signal", None), int):
        return CancelledExit(number)
    return exit_within(exc) or SystemExit(int(ExitCode.FAILURE))


def _flush() -> None:
    handlers = [handler for name in (None, "maia", "atlas") for handler in logging.getLogger(name).handlers]
    for flush in (*(handler.flush for handler in handlers), sys.stdout.flush, sys.stderr.flush):
        with contextlib.suppress(Exception):  # a reader that went away must not change the exit code
            flush()
