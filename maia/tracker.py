"""The Tracker: read the counts of known videos again, in three zones of age, and so measure how fast they grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from atlas.clock import clock
from atlas.config import settings
from atlas.errors import StatementFailed
from atlas.models.rows import TargetRow
from maia.agents.archiving import archive_when_due
from maia.agents.counts_watch import CountsWatch
from maia.agents.session import AgentSession, agent_session
from maia.agents.stats_calls import update_stats
from maia.orchestration import flow, get_run_logger, task
from maia.runtime.exitcodes import Outcome

__all__ = ["fetch_targets", "run_tracker_cycle", "update_stats"]

# what a run's stats always have, 0 or not
_COUNTS = ("targets", "updated", "absent", "retired", "refreshed", "archived", "failed")


@task(name="fetch_targets")
async def fetch_targets(batch_size: int = 50) -> list[TargetRow]:
    """Claim at most ``batch_size`` videos that are due, zone 1 before 2 before 3."""
    async with agent_session("tracker") as session:
        targets = await session.dao.fetch_tracker_targets(batch_size)
        zones = Counter(target["zone"] for target in targets)
        get_run_logger().info("claimed %d videos %s", len(targets), dict(sorted(zones.items())) if zones else "")
        return targets


@flow(name="run_tracker_cycle")
async def run_tracker_cycle(batch_size: int = 50) -> dict[str, Any]:
    """Run one cycle: claim videos that are due, ask for their counts, write.

    Args:
        batch_size: most videos of this cycle; above 50 it is split into several calls that run at once.

    Returns:
        The counts of ``update_stats``, ``targets`` (claimed), ``archived`` (videos), ``breakouts`` (with
        BREAKOUT_VIEWS_PER_HOUR), ``calls`` (by bucket), ``calls_refused`` (those that cost nothing, where there are
        any) and ``outcome``: ``ok``, ``idle``, ``quota-exhausted`` or ``failure``.

    Raises:
        ChurnExit: a rate limit; everything answered is stored, claims are released.
        CancelledExit: a signal, likewise.
        ConfigError, DatabaseUnavailable; StatementFailed where the claim itself is refused.
    """
    async with agent_session("tracker") as session:
        stats: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        session.begin_cycle()
        began = clock.now()
        try:
            targets = await fetch_targets(batch_size)
            stats["targets"] = len(targets)
            stats.update(await update_stats(targets))
            if targets and session.fatal is None and not session.shutdown.cancelled:
                stats.update(await _watch_growth(session, [target["id"] for target in targets], began))
            stats["archived"] += await archive_when_due(session)
            session.raise_if_over()
        finally:
            await session.end_cycle(stats)
        return {**stats, **session.cycle_calls(), **await _outcome(session, stats)}


async def _watch_growth(session: AgentSession, ids: Sequence[str], since: datetime) -> dict[str, int]:
    """Watch for frozen counts, and record breakouts if BREAKOUT_VIEWS_PER_HOUR is set."""
    session.counts = session.counts or CountsWatch(session.dao)
    await session.counts.add(ids, since)
    if (threshold := settings.breakout_views_per_hour) is None:
        return {}
    try:
        return {"breakouts": await session.dao.record_breakouts(ids, since, threshold)}
    except StatementFailed as error:
        get_run_logger().warning("cannot record breakouts: %s", error)
        return {}


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
