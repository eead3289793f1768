"""One run of an agent, from its options to its exit code: cycles until nothing is left to do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from atlas.config import settings
from atlas.notifier import dispatcher
from atlas.utils import KeyRing
from maia.agents.session import RING_OF, AgentSession, Shard, agent_session, check_start
from maia.orchestration import Flow, get_run_logger
from maia.prefect.run_view import RunView, current_view
from maia.run import recorded, run_process
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import merge_stats, record_stats

__all__ = ["AgentOptions", "check", "run", "work"]

_LAST = {Outcome.IDLE, Outcome.QUOTA_EXHAUSTED, Outcome.FAILURE}


@dataclass(frozen=True)
class AgentOptions:
    """The options of a run, from the command line or the parameters of a deployed flow.

    Attributes:
        batch_size: rows of one cycle; None: the setting.
        cycles: how many cycles at most.
        max_minutes: repeat for this time instead, or until nothing is due (real minutes).
        result_file: None: the setting MAIA_RESULT_FILE.
    """

    shard: Shard = field(default_factory=Shard)
    batch_size: int | None = None
    cycles: int = 1
    max_minutes: float | None = None
    result_file: Path | None = None


def run(agent: str, options: AgentOptions) -> NoReturn:
    """Run the agent and end the process with its exit code."""
    run_process(
        agent, str(options.shard), lambda: work(agent, options), result_file=options.result_file,
        check=lambda: check(agent), prefect=True,
    )  # fmt: skip


async def work(agent: str, options: AgentOptions, *, run_id: str | None = None) -> Mapping[str, Any]:
    """Run the agent's cycles in a session of their own, with a row in ``runs``; return the stats.

    Args:
        agent: ``hunter`` or ``tracker``.
        options: of the run.
        run_id: of the row, where the setting MAIA_RUN_ID is unset.
    """
    async with agent_session(agent, options.shard) as session:
        return await recorded(agent, str(options.shard), lambda: _cycles(session, options), run_id=run_id)


async def check(agent: str) -> None:
    """Check the settings that the agent needs. Raises ConfigError."""
    await check_start(KeyRing(RING_OF[agent]))


async def _cycles(session: AgentSession, options: AgentOptions) -> dict[str, Any]:
    """Repeat the flow until its cycles are run, the time is up, or nothing is left to do."""
    from maia.agents.archiving import archive  # noqa: PLC0415

    cycle = _cycle_of(session.agent)
    default = settings.hunter_batch_size if session.agent == "hunter" else settings.tracker_batch_size
    total: dict[str, Any] = {}
    ends = None if options.max_minutes is None else time.monotonic() + options.max_minutes * 60
    number = 0
    session.repeats = True
    logger = get_run_logger(__name__)
    while True:
        number += 1
        began = time.monotonic()
        current_view.set(RunView.of(session.agent, session.shard, cycle=number))
        stats = await cycle(options.batch_size or default)
        logger.info("cycle %d, %.1f s: %s", number, time.monotonic() - began, _summary(stats))
        merge_stats(total, stats)
        record_stats({"cycles": 1})
        dispatcher.default.start()
        outcome = Outcome(stats["outcome"])
        over = number >= options.cycles if ends is None else time.monotonic() >= ends
        if over or outcome in _LAST or session.searches_left == 0:
            break
    rest = {"archived": await archive(session)}
    merge_stats(total, rest)
    record_stats(rest)
    if number > 1 and outcome is Outcome.IDLE:
        # earlier cycles worked until nothing was due, as requested
        total["outcome"] = Outcome.OK
    return {**total, "cycles": number}


def _cycle_of(agent: str) -> Flow[[int], dict[str, Any]]:
    """Return the agent's flow; one agent does not pay for the other's imports."""
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
