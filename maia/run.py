"""One process of Maia: under guard, with its row in ``runs``, and told to people where somebody has to look at it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from atlas import events
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError, StatementFailed
from atlas.event_types import FAILED
from atlas.notifier import dispatcher
from maia.orchestration import get_run_logger
from maia.resilience import run_agent, verdict
from maia.runtime import early_result
from maia.runtime.exitcodes import Outcome
from maia.runtime.shutdown import current_stop, run_scope

__all__ = ["recorded", "run_checked", "run_process"]

Work = Callable[[], Awaitable[Mapping[str, Any]]]
"""What a process does; it returns the stats, whose key ``outcome`` says how it went."""


def run_process(
    name: str,
    shard: str,
    work: Work,
    *,
    result_file: Path | None = None,
    check: Callable[[], Awaitable[None]] | None = None,
) -> NoReturn:
    """Runs the work, the settings once checked, and ends the process with the code that says how it went.

    Args:
        name: such as ``hunter``.
        shard: such as ``0/4``.
        work: see ``run_agent``.
        result_file: None: the setting MAIA_RESULT_FILE.
        check: raises a ConfigError for what is wrong with the settings; None: they are checked, and nothing else.
    """
    if result_file is None:
        # a setting that is malformed is reported inside the run, with its own exit code
        with contextlib.suppress(AtlasError):
            result_file = settings.maia_result_file

    if early_result.current is not None:
        early_result.current.path = result_file

    run_agent(name, shard, lambda: run_checked(name, shard, work, check), result_file=result_file)


async def run_checked(
    name: str, shard: str, work: Work, check: Callable[[], Awaitable[None]] | None = None
) -> Mapping[str, Any]:
    """Check the settings, then do the work. Notify people of an end that has no row in ``runs``.

    Args:
        name: such as ``hunter``.
        shard: such as ``0/4``.
        work: see ``run_agent``.
        check: see ``run_process``.
    """
    logger = get_run_logger(__name__)
    with run_scope() as run, run.stop.telling(database.hurry, cancelled_only=True):
        run.opening = True
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
            if error is not run.noted:
                await _tell_of_end(name, shard, error)
            raise


async def recorded(
    agent: str, shard: str, work: Work, *, wave: int | None = None, run_id: str | None = None
) -> Mapping[str, Any]:
    """Does the work, with a row in ``runs`` from its beginning to its end, and tells people of what happened in it.

    Args:
        agent: as the row names it, such as ``hunter``.
        shard: such as ``0/4``.
        work: returns the stats.
        wave: None: the setting MAIA_WAVE.
        run_id: where the setting MAIA_RUN_ID is unset.
    """
    stop = current_stop()
    row = events.Run(agent, shard, run_id=settings.maia_run_id or run_id, wave=wave or settings.maia_wave)
    await row.begin()
    with run_scope() as run:
        run.opening = False
        try:
            stats = await work()
        except BaseException as error:
            outcome, code, text = verdict(error, stop)
            with contextlib.suppress(AtlasError):  # a lost database is what the run ends with anyway
                await row.finish(outcome, code, run.stats, text)
            await _tell(outcome)
            run.noted = error
            raise
    outcome, code, text = verdict(stats, stop)
    try:
        await row.finish(outcome, code, stats, text)
    except StatementFailed as error:
        get_run_logger().warning("how the run ended cannot be noted: %s", error)
    await _tell(outcome)
    return stats


async def _tell_of_end(agent: str, shard: str, error: BaseException) -> None:
    """A run that somebody has to look at, and that ended before its row was written."""
    outcome, code, text = verdict(error, current_stop())
    if outcome in FAILED:
        ended = events.finished(agent, shard, outcome, code, text)
        dispatcher.teller.note(events.EventType.RUN_FINISHED, ended)
        reachable = False
        with contextlib.suppress(AtlasError):  # an embedded server is not started for a message
            reachable = settings.database_url is not None
        await _tell(outcome, reachable=reachable)


async def _tell(outcome: Outcome, *, reachable: bool = True) -> None:
    """Tells people of what there is; a database that is known to be lost, or is not there, is not asked who tells."""
    seconds = current_stop().within_grace(dispatcher.NOTIFY_SECONDS)
    await dispatcher.teller.finish(seconds, shared=reachable and outcome is not Outcome.UNAVAILABLE)
