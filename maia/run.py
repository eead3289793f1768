"""One run of an agent: check its settings, write its row in ``runs``, and notify people of what it found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from atlas import events
from atlas.config import settings
from atlas.database import Database, database
from atlas.errors import AtlasError, StatementFailed
from atlas.event_types import FAILED_OUTCOMES
from atlas.notifier import dispatcher
from maia.metrics.measuring import measured
from maia.orchestration import activate, get_run_logger
from maia.resilience import Work, run_agent
from maia.runtime import early_result
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.runtime.run_context import current_shutdown, run_scope
from maia.runtime.run_end import run_end
from maia.runtime.shutdown import Shutdown

_AGENTS = {"hunter", "tracker", "janitor"}

Check = Callable[[], Awaitable[None]]
"""Checks the settings of a run; raises ConfigError."""


def run_process(
    agent: str, shard: str, work: Work, *, result_file: Path | None = None, check: Check | None = None,
    prefect: bool = False, metrics_port: int | None = None,
) -> NoReturn:  # fmt: skip
    """Check the settings (``check``, else ``settings.check``), do the work, and end the process with its exit code.

    ``prefect`` reports the flows to the server of PREFECT_API_URL, if it answers. ``metrics_port`` serves the metrics
    of the run while it lasts.
    """

    async def with_prefect() -> Mapping[str, Any]:
        if prefect:
            # in a thread: importing Prefect takes seconds, and a signal must not wait for it
            await asyncio.to_thread(activate, settings.prefect_api_url, settings.prefect_api_key)
        return await work()

    if result_file is None:
        # a setting that is malformed is with_prefect inside the run, with its own exit code
        with contextlib.suppress(AtlasError):
            result_file = settings.maia_result_file
    if early_result.current is not None:
        early_result.current.path = result_file
    run_agent(
        agent, shard, lambda: run_checked(agent, shard, with_prefect, check, metrics_port), result_file=result_file
    )


async def run_checked(
    agent: str, shard: str, work: Work, check: Check | None = None, metrics_port: int | None = None
) -> Mapping[str, Any]:
    """Check the settings, then do the work; notify people of a failure that has no row in ``runs``."""
    with run_scope() as context, context.shutdown.on_request(database.hurry, cancelled_only=True):
        return await measured(agent, lambda: _checked(agent, shard, work, check), metrics_port)


async def _checked(agent: str, shard: str, work: Work, check: Check | None) -> Mapping[str, Any]:
    logger = get_run_logger(__name__)
    with run_scope() as context:
        context.starting = True
        try:
            if settings.source:
                logger.info(settings.source)
            for warning in settings.warnings:
                logger.warning(warning)
            if check is None:
                settings.check()
            else:
                await check()
            return await work()
        except BaseException as error:
            if error is not context.recorded_error:
                await _notify_of_unrecorded(agent, shard, error)
            raise


async def record_run(
    agent: str, shard: str, work: Work, *, wave: int | None = None, run_id: str | None = None
) -> Mapping[str, Any]:
    """Do the work with a row in ``runs`` from its start to its end, and notify people of its events.

    ``wave`` overrides the setting MAIA_WAVE; the setting MAIA_RUN_ID overrides ``run_id``.
    """
    shutdown = current_shutdown()
    dispatcher.describers[events.EventType.BREAKOUT] = _describe_breakouts
    with run_scope() as context:
        row = events.Run(
            agent, shard, run_id=settings.maia_run_id or run_id, wave=wave or settings.maia_wave,
            url=settings.maia_run_url or context.url,
        )  # fmt: skip
        await row.begin()
        context.starting = False
        try:
            stats = await work()
        except BaseException as error:
            end = run_end(error, shutdown)
            with contextlib.suppress(AtlasError):  # if the database is lost, `error` says so
                await row.finish(end.outcome, end.exit_code, context.stats, end.error)
            await _notify(end.outcome)
            context.recorded_error = error
            raise
    end = run_end(stats, shutdown)
    try:
        await row.finish(end.outcome, end.exit_code, stats, end.error)
    except StatementFailed as error:
        get_run_logger().warning("cannot record how the run ended: %s", error)
    await _notify(end.outcome)
    if agent in _AGENTS:
        await _report_on(end.exit_code, shutdown)
    return stats


async def _describe_breakouts(store: Database, ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    from atlas.rising import describe_breakouts  # noqa: PLC0415  few runs find a breakout

    return await describe_breakouts(store, ids)


async def _report_on(exit_code: int, shutdown: Shutdown) -> None:
    """Send the daily digest if it is due, and call HEARTBEAT_URL after a good run."""
    if settings.notify_digest_at is not None:
        from atlas.digest import send_digest  # noqa: PLC0415  most runs send none

        await send_digest(shutdown.within_grace(dispatcher.NOTIFY_SECONDS))
    if settings.heartbeat_url is not None and exit_code == ExitCode.OK:
        from atlas.notifier.heartbeat import HEARTBEAT_SECONDS, call_heartbeat  # noqa: PLC0415  likewise

        await call_heartbeat(shutdown.within_grace(HEARTBEAT_SECONDS))


async def _notify_of_unrecorded(agent: str, shard: str, error: BaseException) -> None:
    """Notify people of a failure that ended the run before its row was written."""
    end = run_end(error, current_shutdown())
    if end.outcome in FAILED_OUTCOMES:
        ended = events.run_finished(agent, shard, end.outcome, end.exit_code, end.error)
        dispatcher.default.notify(events.EventType.RUN_FINISHED, ended)
        reachable = False
        with contextlib.suppress(AtlasError):  # an embedded server is not started for a message
            reachable = settings.database_url is not None
        await _notify(end.outcome, reachable=reachable)


async def _notify(outcome: Outcome, *, reachable: bool = True) -> None:
    """Send pending notifications; without a reachable database, do not agree with other processes on who sends them."""
    seconds = current_shutdown().within_grace(dispatcher.NOTIFY_SECONDS)
    await dispatcher.default.finish(seconds, shared=reachable and outcome is not Outcome.UNAVAILABLE)
