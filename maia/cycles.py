"""One run of an agent, from its options to its exit code: cycles until nothing is left to do."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from atlas.config import settings
from atlas.errors import AtlasError
from atlas.notifier import dispatcher
from atlas.utils import KeyRing
from maia.agents.progress import RunProgress
from maia.agents.session import RING_OF, AgentSession, Shard, agent_session, check_start
from maia.orchestration import Flow, get_run_logger
from maia.prefect.run_view import RunView, current_view
from maia.run import record_run, run_process
from maia.runtime.exitcodes import Outcome
from maia.runtime.logs import log_is_on_terminal
from maia.runtime.run_context import merge_stats, record_stats

_FINAL_OUTCOMES = {Outcome.IDLE, Outcome.QUOTA_EXHAUSTED, Outcome.FAILURE}


@dataclass(frozen=True)
class AgentOptions:
    """The options of a run, from the command line or the parameters of a deployed flow."""

    shard: Shard = field(default_factory=Shard)
    batch_size: int | None = None
    """Rows of one cycle; None: the setting."""
    cycles: int = 1
    max_minutes: float | None = None
    """Instead of ``cycles``, repeat for this time (real minutes) or until nothing is due."""
    result_file: Path | None = None
    """None: the setting MAIA_RESULT_FILE."""
    metrics_port: int | None = None
    """Serve the metrics of the run on this port while it lasts."""


def run(agent: str, options: AgentOptions) -> NoReturn:
    """Run the agent and end the process with its exit code."""
    run_process(
        agent, str(options.shard), lambda: work(agent, options), result_file=options.result_file,
        check=lambda: check(agent), prefect=True, metrics_port=options.metrics_port,
    )  # fmt: skip


async def work(agent: str, options: AgentOptions, *, run_id: str | None = None) -> Mapping[str, Any]:
    """Run the agent's cycles in a session of their own, with a row in ``runs``; return the stats."""
    async with agent_session(agent, options.shard) as session:
        return await record_run(agent, str(options.shard), lambda: _run_cycles(session, options), run_id=run_id)


async def check(agent: str) -> None:
    """Check the settings that the agent needs. Raises ConfigError."""
    await check_start(KeyRing(RING_OF[agent]))


async def _run_cycles(session: AgentSession, options: AgentOptions) -> dict[str, Any]:
    """Repeat the flow until its cycles are run, the time is up, or nothing is left to do."""

    cycle = _cycle_of(session.agent)
    default = settings.hunter_batch_size if session.agent == "hunter" else settings.tracker_batch_size
    total: dict[str, Any] = {}
    deadline = None if options.max_minutes is None else time.monotonic() + options.max_minutes * 60
    number = 0
    session.repeats = True
    logger = get_run_logger(__name__)
    async with RunProgress(session, options.cycles, deadline).shown() as progress:
        while True:
            number += 1
            began = time.monotonic()
            current_view.set(RunView.of(session.agent, session.shard, cycle=number))
            stats = await cycle(options.batch_size or default)
            merge_stats(total, stats)
            record_stats({"cycles": 1})
            dispatcher.default.start()
            outcome = Outcome(stats["outcome"])
            over = number >= options.cycles if deadline is None else time.monotonic() >= deadline
            over = over or outcome in _FINAL_OUTCOMES or session.searches_left == 0
            # the first and the last one in any case; of the others, a line a minute
            level = logging.INFO if over else session.log_level
            logger.log(level, "cycle %d, %.1f s: %s", number, time.monotonic() - began, _summary(stats))
            if over:
                break
            session.quiet = True
            await progress.cycle_ended(number, stats)
    rest = {"archived": await session.archive()}
    if session.readings is not None:
        await session.readings.finish(session.shutdown)
        rest["breakouts"] = session.readings.take_breakouts()
    merge_stats(total, rest)
    record_stats(rest)
    if number > 1 and outcome is Outcome.IDLE:
        # earlier cycles worked until nothing was due, as requested
        total["outcome"] = Outcome.OK
    if log_is_on_terminal():
        with contextlib.suppress(AtlasError):  # the work is done
            logger.info("%s", await session.dao.what_comes_next(session.agent))
    return {**total, "cycles": number}


def _cycle_of(agent: str) -> Flow[[int], dict[str, Any]]:
    """Return the agent's flow; import only its own module."""
    if agent == "hunter":
        from maia.hunter import run_hunter_cycle  # noqa: PLC0415

        return run_hunter_cycle
    from maia.tracker import run_tracker_cycle  # noqa: PLC0415

    return run_tracker_cycle


def _summary(stats: Mapping[str, Any]) -> str:
    counts = [f"{name} {value}" for name, value in stats.items() if isinstance(value, int) and value]
    calls = [f"{bucket} {number}" for bucket, number in stats.get("calls", {}).items()]
    calls += [f"{bucket} {number} refused" for bucket, number in stats.get("calls_refused", {}).items()]
    words = f"{stats['outcome']}" + (f" ({stats['reason']})" if "reason" in stats else "")
    return ", ".join([words, *counts, *(["calls: " + " ".join(calls)] if calls else [])])
