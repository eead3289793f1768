"""The Tracker: read the counts of known videos again, in three zones of age, and so measure how fast they grow."""

from __future__ import annotations

from collections import Counter
from typing import Any

from atlas.clock import clock
from atlas.models.rows import TargetRow
from maia.agents.readings_watch import ReadingsWatch
from maia.agents.session import AgentSession, agent_session
from maia.agents.stats_calls import update_stats
from maia.orchestration import flow, get_run_logger, task
from maia.runtime.exitcodes import Outcome

__all__ = ["fetch_targets", "run_tracker_cycle", "update_stats"]

# counts that are always in a run's stats
_COUNTS = ("targets", "updated", "absent", "retired", "refreshed", "archived", "failed", "breakouts")


@task(name="fetch_targets")
async def fetch_targets(batch_size: int = 50) -> list[TargetRow]:
    """Claim at most ``batch_size`` videos that are due, zone 1 before 2 before 3."""
    async with agent_session("tracker") as session:
        targets = await session.dao.fetch_tracker_targets(batch_size)
        zones = Counter(target["zone"] for target in targets)
        counts = dict(sorted(zones.items())) if zones else ""
        get_run_logger().log(session.log_level, "claimed %d videos %s", len(targets), counts)
        return targets


@flow(name="run_tracker_cycle")
async def run_tracker_cycle(batch_size: int = 50) -> dict[str, Any]:
    """Run one cycle: claim at most ``batch_size`` videos that are due, ask for their counts, write.

    Return the counts of ``update_stats``, ``targets`` (claimed), ``archived`` (videos), ``breakouts`` (new
    ones), ``calls`` and, if any, ``calls_refused`` (by bucket), and ``outcome``: ``ok``, ``idle``,
    ``quota-exhausted`` or ``failure``. Raise as ``run_hunter_cycle``, and StatementFailed if the claim itself fails.
    """
    async with agent_session("tracker") as session:
        stats: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        session.begin_cycle()
        began = clock.now()
        try:
            targets = await fetch_targets(batch_size)
            stats["targets"] = len(targets)
            readings = session.readings = session.readings or ReadingsWatch(session.dao)
            ids = [target["id"] for target in targets]
            await readings.settle(ids)
            stats.update(await update_stats(targets))
            stats["archived"] += await session.archive_when_due()
            if session.fatal is None:
                if targets:
                    await readings.add(ids, began)
                if session.over or not session.repeats:
                    await readings.finish(session.shutdown)
                stats["breakouts"] = readings.take_breakouts()
            session.raise_if_over()
        finally:
            await session.end_cycle(stats)
        return {**stats, **session.cycle_calls(), **await _outcome(session, stats)}


async def _outcome(session: AgentSession, stats: Counter[str]) -> dict[str, Any]:
    if session.exhausted and stats["left"]:
        reason = "; ".join(session.exhausted.values())
        return {"outcome": Outcome.QUOTA_EXHAUSTED, "reason": reason, "exhausted": sorted(session.exhausted)}
    if not stats["targets"]:
        return {"outcome": Outcome.IDLE, "reason": await session.dao.why_no_targets()}
    if stats["failed"] and not stats["updated"] and not stats["absent"]:
        error = f"{stats['failed']} of {stats['targets']} videos failed: {session.failures['videos']}"
        return {"outcome": Outcome.FAILURE, "error": error}
    return {"outcome": Outcome.OK}
