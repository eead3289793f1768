"""One run: its settings checked, its row in ``runs`` written, and people notified where somebody has to look at it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from atlas import events
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError, StatementFailed
from atlas.event_types import FAILED_OUTCOMES
from atlas.notifier import dispatcher
from maia.orchestration import activate, get_run_logger
from maia.resilience import run_agent
from maia.runtime import early_result
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import current_shutdown, run_scope
from maia.runtime.run_end import run_end

__all__ = ["recorded", "run_checked", "run_process"]

Work = Callable[[], Awaitable[Mapping[str, Any]]]
"""The work of a run; it returns the stats, whose key ``outcome`` says how it went."""
Check = Callable[[], Awaitable[None]]
"""Checks the settings of a run; raises ConfigError."""


def run_process(
    agent: str,
    shard: str,
    work: Work,
    *,
    result_file: Path | None = None,
    check: Check | None = None,
    prefect: bool = False,
) -> NoReturn:
    """Check the settings, do the work, and end the process with its exit code.

    Args:
        agent: such as ``hunter``.
        shard: such as ``0/4``.
        work: see ``run_agent``.
        result_file: None: the setting MAIA_RESULT_FILE.
        check: None: ``settings.check``.
        prefect: report the flows to the server of PREFECT_API_URL, if it answers.
    """

    async def reported() -> Mapping[str, Any]:
        if prefect:
            # in a thread: importing Prefect takes seconds, in which a signal is to end the process
            await asyncio.to_thread(activate, settings.prefect_api_url, settings.prefect_api_key)
        return await work()

    if result_file is None:
        # a setting that is malformed is reported inside the run, with its own exit code
        with contextlib.suppress(AtlasError):
            result_file = settings.maia_result_file
    if early_result.current is not None:
        early_result.current.path = result_file
    run_agent(agent, shard, lambda: run_checked(agent, shard, reported, check), result_file=result_file)


async def run_checked(agent: str, shard: str, work: Work, check: Check | None = None) -> Mapping[str, Any]:
    """Check the settings, then do the work; notify people of a failure that has no row in ``runs``."""
    logger = get_run_logger(__name__)
    with run_scope() as context, context.shutdown.on_request(database.hurry, cancelled_only=True):
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
            if error is not context.recorded:
                await _notify_of_unrecorded(agent, shard, error)
            raise


async def recorded(
    agent: str, shard: str, work: Work, *, wave: int | None = None, run_id: str | None = None
) -> Mapping[str, Any]:
    """Do the work with a row in ``runs`` from its start to its end, and notify people of its events.

    Args:
        agent: as the row names it, such as ``hunter``.
        shard: such as ``0/4``.
        work: returns the stats.
        wave: None: the setting MAIA_WAVE.
        run_id: where the setting MAIA_RUN_ID is unset.
    """
    shutdown = current_shutdown()
    row = events.Run(agent, shard, run_id=settings.maia_run_id or run_id, wave=wave or settings.maia_wave)
    await row.begin()
    with run_scope() as context:
        context.starting = False
        try:
            stats = await work()
        except BaseException as error:
            end = run_end(error, shutdown)
            with contextlib.suppress(AtlasError):  # a lost database is the error that the run ends with anyway
                await row.finish(end.outcome, end.exit_code, context.stats, end.error)
            await _notify(end.outcome)
            context.recorded = error
            raise
    end = run_end(stats, shutdown)
    try:
        await row.finish(end.outcome, end.exit_code, stats, end.error)
    except StatementFailed as error:
        get_run_logger().warning("cannot record how the run ended: %s", error)
    await _notify(end.outcome)
    return stats


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
    """Send what is pending; do not ask a database that is lost or absent which process sends it."""
    seconds = current_shutdown().within_grace(dispatcher.NOTIFY_SECONDS)
    await dispatcher.default.finish(seconds, shared=reachable and outcome is not Outcome.UNAVAILABLE)
