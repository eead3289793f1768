"""The top of a process: run an agent, end in time, with the right exit code, and write the result file."""

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
from atlas.errors import AtlasError
from atlas.redaction import scrub
from maia.runtime.exitcodes import ExitCode, Outcome, entry
from maia.runtime.exits import CancelledExit, exit_within
from maia.runtime.result_file import RunResult
from maia.runtime.run_context import RunContext, run_scope
from maia.runtime.run_end import RunEnd, run_end
from maia.runtime.shutdown import CLEANUP_SECONDS, Shutdown, install_signal_handlers

logger = logging.getLogger(__name__)

Stats = Mapping[str, Any]
Work = Callable[[], Awaitable[Stats]]
"""The work of a run; it returns the stats, whose key ``outcome`` says how it went."""


def run_agent(agent: str, shard: str, work: Work, *, result_file: Path | None = None) -> NoReturn:
    """Run one agent, then end the process; never return.

    `work` opens what it needs, runs the flow, and returns its stats; their key `outcome` (ok, idle, quota-exhausted,
    failure) is the run's outcome, ok where it is missing. What `work` raises becomes an outcome too, and so does a
    shutdown request that it did not raise. The stats of a run that did not return are those given to `record_stats`.

    Write the result file, say on one line of stderr what went wrong, and end with os._exit: neither a thread nor an
    exit handler of a library can delay the end or change the code. Exit handlers do not run, so `work` closes what it
    opened.
    """
    _Process(agent, shard, result_file).run(work)


class _Process:
    def __init__(self, agent: str, shard: str, result_file: Path | None) -> None:
        self._agent = agent
        self._shard = shard
        self._result_file = result_file
        self._started_at = datetime.now(UTC)
        self._context = RunContext(Shutdown(self._end_at_once))

    def run(self, work: Work) -> NoReturn:
        code = int(ExitCode.FAILURE)
        try:
            with run_scope(self._context):
                result = self._run_in_loop(work)
            end = run_end(result, self._context.shutdown)
            code = int(end.exit_code)
            if end.outcome is Outcome.FAILURE and isinstance(result, Exception):
                # what Atlas raises on purpose says what it is; anything else may be a fault of ours
                level = logging.DEBUG if isinstance(result, AtlasError) else logging.ERROR
                logger.log(level, "%s", scrub("".join(traceback.format_exception(result))))
            self._report(end, result if isinstance(result, Mapping) else self._context.stats)
        except BaseException:
            logger.exception("the end of the run could not be reported")
        finally:
            _flush()
            os._exit(code)

    def _run_in_loop(self, work: Work) -> Stats | BaseException:
        # The loop is left open: closing it would wait for threads that cannot be stopped.
        loop = asyncio.new_event_loop()
        running = loop.create_task(_contain(work))
        waiting = loop.create_task(_wait_in_time(running, self._context))
        while True:
            install_signal_handlers(self._context.shutdown)
            try:
                return loop.run_until_complete(waiting)
            except Exception as exc:  # noqa: BLE001 - reported like any failure
                return exc
            except BaseException as exc:
                # Thrown out of the loop by a task that did not contain it, or by a signal handler of Prefect's. The
                # work is still there: it is asked to end, and awaited like any other.
                logger.debug("%s left the event loop", type(exc).__name__, exc_info=exc)
                self._context.shutdown.request(_as_exit(exc))
                if waiting.done():  # it was the waiting that the handler interrupted
                    waiting = loop.create_task(_wait_in_time(running, self._context))

    def _report(self, end: RunEnd, stats: Stats) -> None:
        if end.error is not None:
            # these errors say themselves how to fix them
            row = None if end.outcome in {Outcome.CONFIG, Outcome.UNAVAILABLE} else entry(end.exit_code)
            line = f"{end.error.rstrip('.')}; {row.action}" if row else end.error
            with contextlib.suppress(OSError, ValueError):
                print(f"maia {self._agent}: {line}", file=sys.stderr, flush=True)  # noqa: T201
        if self._result_file is None:
            return
        result = RunResult(
            agent=self._agent,
            shard=self._shard,
            outcome=end.outcome,
            exit_code=end.exit_code,
            started_at=self._started_at + clock.offset,
            finished_at=clock.real(),
            stats=stats,
            error=end.error,
        )
        try:
            result.write(self._result_file)
        except OSError as exc:
            logger.warning("the result file %s cannot be written: %s", self._result_file, exc)

    def _end_at_once(self, signum: int) -> None:
        reason = f"{CancelledExit(signum).reason} a second time, at once"
        self._report(RunEnd(Outcome.CANCELLED, 128 + signum, reason), self._context.stats)
        _flush()


async def _contain(work: Work) -> Stats | BaseException:
    # Nothing may leave this task as an exception: asyncio throws a SystemExit out of the loop, past all clean-up.
    try:
        return await work()
    except BaseException as exc:  # noqa: BLE001 - judged by run_end
        return exc


async def _wait_in_time(running: asyncio.Task[Stats | BaseException], context: RunContext) -> Stats | BaseException:
    """Wait for the work; after a signal only as long as the grace and its clean-up take."""
    shutdown = context.shutdown
    await shutdown.wait_for(running)
    if not running.done() and not context.starting:
        await asyncio.wait({running}, timeout=(shutdown.grace_left or 0.0) + CLEANUP_SECONDS)
    if not running.done():
        running.cancel()
        await asyncio.wait({running}, timeout=CLEANUP_SECONDS)
    return running.result() if running.done() else TimeoutError("the run did not end when it was cancelled")


def _as_exit(exc: BaseException) -> SystemExit:
    """Return the exit for an exception that left the event loop: Prefect's TerminationSignal carries the signal."""
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
