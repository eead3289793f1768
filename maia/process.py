"""One process of Maia: under guard, with its row in ``runs``, and told to people where somebody has to look at it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from atlas import events, notifier
from atlas.config import settings
from atlas.errors import AtlasError, StatementFailed
from maia.exitcodes import Outcome
from maia.resilience import run_agent, verdict
from maia.stop import current_stop, run_scope

__all__ = ["recorded", "run_process"]

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[Mapping[str, Any]]]
"""What a process does; it returns the stats, whose key ``outcome`` says how it went."""


def run_process(name: str, shard: str, work: Work, *, result_file: Path | None = None) -> NoReturn:
    """Runs the work, the settings once checked, and ends the process with the code that says how it went.

    Args:
        name: such as ``hunter``.
        shard: such as ``0/4``.
        work: see ``run_agent``.
        result_file: None: the setting MAIA_RESULT_FILE.
    """
    if result_file is None:
        # a setting that is malformed is reported inside the run, with its own exit code
        with contextlib.suppress(AtlasError):
            result_file = settings.maia_result_file

    async def main() -> Mapping[str, Any]:
        try:
            settings.check()
            return await work()
        except BaseException as error:
            await _tell_people(f"maia {name} {shard}", error)
            raise

    run_agent(name, shard, main, result_file=result_file)


async def recorded(agent: str, shard: str, work: Work, *, wave: int | None = None) -> Mapping[str, Any]:
    """Does the work, with a row in ``runs`` from its beginning to its end.

    Args:
        agent: as the row names it, such as ``hunter``.
        shard: such as ``0/4``.
        work: returns the stats.
        wave: None: the setting MAIA_WAVE.
    """
    stop = current_stop()
    row = events.Run(agent, shard, run_id=settings.maia_run_id, wave=wave or settings.maia_wave)
    await row.begin()
    try:
        stats = await work()
    except BaseException as error:
        outcome, code, text = verdict(error, stop)
        with contextlib.suppress(AtlasError):  # a lost database is what the run ends with anyway
            if outcome is Outcome.CHURN:
                await events.emit(events.EventType.CHURN, agent=agent, reason=text)
            with run_scope() as run:
                await row.finish(outcome, code, run.stats, text)
        raise
    outcome, code, text = verdict(stats, stop)
    try:
        await row.finish(outcome, code, stats, text)
    except StatementFailed as error:
        logger.warning("how the run ended cannot be noted: %s", error)
    return stats


async def _tell_people(who: str, error: BaseException) -> None:
    """A run that somebody has to look at is told over NOTIFY_URLS; silent when unset."""
    outcome, code, text = verdict(error, current_stop())
    if outcome in {Outcome.FAILURE, Outcome.CONFIG, Outcome.UNAVAILABLE}:
        with contextlib.suppress(AtlasError):
            await notifier.notify(f"{who}: {outcome} ({code})", text or "", level="error")
