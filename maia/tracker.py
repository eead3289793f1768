"""The Tracker: reads the counts of known videos again, in three zones of age, and so measures how fast they grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from atlas.clock import clock
from atlas.config import settings
from atlas.errors import StatementFailed
from atlas.models.rows import TargetRow
from maia.agents.absence import CONTROL_IDS
from maia.agents.enrichment import archive_when_due
from maia.agents.session import AgentSession, agent_session
from maia.agents.stats_calls import Answered, Call, aged, read, reschedule, skip
from maia.orchestration import flow, get_run_logger, task
from maia.runtime.concurrency import run_bounded
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import record_stats
from maia.youtube import MAX_IDS

__all__ = ["fetch_targets", "run_tracker_cycle", "update_stats"]

# what a run's stats always have, 0 or not
_COUNTS = ("targets", "updated", "absent", "retired", "refreshed", "archived", "failed")


@task(name="fetch_targets")
async def fetch_targets(batch_size: int = 50) -> list[TargetRow]:
    """Claims at most ``batch_size`` videos that are due, zone 1 before 2 before 3."""
    async with agent_session("tracker") as session:
        targets = await session.dao.fetch_tracker_targets(batch_size)
        zones = Counter(target["zone"] for target in targets)
        get_run_logger().info("claimed %d videos %s", len(targets), dict(sorted(zones.items())) if zones else "")
        return targets


@task(name="update_stats")
async def update_stats(targets: Sequence[TargetRow]) -> dict[str, int]:
    """Asks for the counts of claimed videos, 50 a call, the calls at once (bounded), and writes each call's answer.

    videos.batchGetStats first, while its bucket lasts; what it leaves out is asked of videos.list in a second pass, and
    only absence there counts. Videos whose metadata, or record in the archive, has soon to be deleted are asked of
    videos.list at once.

    Returns:
        counts of videos: updated, absent, unanswered, retired, refreshed, failed, left (not asked).
    """
    async with agent_session("tracker") as session:
        session.dao.hold_targets(targets)
        old = aged(targets)
        asked = {target["id"] for target in old}
        fresh = [target for target in targets if target["id"] not in asked]
        retired_before = session.dao.retired
        first = await _pass(session, [*_calls(old, whole=True), *_calls(fresh, whole=False)])
        calls = _calls([target for answered in first for target in answered.unasked], whole=True)
        suspects = [target for answered in first for target in answered.suspects]
        if suspects:
            present = [id_ for answered in first for id_ in answered.present]
            try:
                control_ids = present[:CONTROL_IDS] or await session.dao.fetch_control_ids(CONTROL_IDS)
            except StatementFailed as error:
                first.append(skip(session, suspects, error))  # asked without them, they would be believed to be gone
            else:
                calls += _calls(suspects, whole=True, suspect=True, control_ids=control_ids)
        second = await _pass(session, calls) if calls and not session.over else []
        counts: Counter[str] = Counter()
        if not second:
            counts["left"] = sum(len(call.targets) for call in calls)
        for answered in [*first, *second]:
            counts.update(answered.counts)
        for answered in second:
            # without units, refreshes were asked of batchGetStats: what it left out cannot be asked again now
            counts.update((await reschedule(session, answered.suspects)).counts)
            counts["left"] += len(answered.unasked)
        counts["retired"] = session.dao.retired - retired_before
        return dict(counts)


def _calls(
    targets: Sequence[TargetRow], *, whole: bool, suspect: bool = False, control_ids: Sequence[str] = ()
) -> list[Call]:
    known = {target["id"] for target in targets}
    others = tuple(id_ for id_ in control_ids if id_ not in known)
    size = MAX_IDS - len(others)
    return [Call(targets[i : i + size], whole, suspect, others) for i in range(0, len(targets), size)]


async def _pass(session: AgentSession, calls: Sequence[Call]) -> list[Answered]:
    outcomes = await run_bounded(
        calls, lambda call: read(session, call), limit=settings.youtube_concurrency, shutdown=session.shutdown
    )
    answered = []
    for call, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, Answered):
            answered.append(outcome)
            continue
        if isinstance(outcome, Exception):
            session.record_fatal(outcome)
        answered.append(Answered(Counter(left=len(call.targets))))
    return answered


@flow(name="run_tracker_cycle")
async def run_tracker_cycle(batch_size: int = 50) -> dict[str, Any]:
    """One cycle: claim videos that are due, ask for their counts, write.

    Args:
        batch_size: most videos of this cycle; above 50 it is split into several calls that run at once.

    Returns:
        the counts of ``update_stats``, ``targets`` (claimed), ``archived`` (videos), ``breakouts`` (with
        BREAKOUT_VIEWS_PER_HOUR), ``calls`` (by bucket), ``calls_refused`` (those that cost nothing, where there are
        any) and ``outcome``: ``ok``, ``idle``, ``quota-exhausted`` or ``failure``.

    Raises:
        ChurnExit: a rate limit; everything answered is stored, claims are released.
        CancelledExit: a signal, likewise.
        ConfigError, DatabaseUnavailable; StatementFailed where the claim itself is refused.
    """
    async with agent_session("tracker") as session:
        stats: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        before = Counter(session.ring.calls), Counter(session.ring.refused)
        session.begin_cycle()
        began = clock.now()
        try:
            targets = await fetch_targets(batch_size)
            stats["targets"] = len(targets)
            stats.update(await update_stats(targets))
            if session.fatal is None and not session.shutdown.cancelled:
                await session.counts.add((target["id"] for target in targets), began)
            stats.update(await _breakouts(session, targets, began))
            stats["archived"] += await archive_when_due(session)
            session.raise_if_over()
        finally:
            record_stats({**stats, **session.calls_since(*before)})
            record_stats({"released": await session.dao.release_claims()})
        return {**stats, **session.calls_since(*before), **await _outcome(session, stats)}


async def _breakouts(session: AgentSession, targets: Sequence[TargetRow], since: datetime) -> dict[str, int]:
    """Emits the breakouts among the videos of this cycle, if BREAKOUT_VIEWS_PER_HOUR asks for them."""
    threshold = settings.breakout_views_per_hour
    if threshold is None or not targets or session.fatal is not None or session.shutdown.cancelled:
        return {}
    try:
        return {"breakouts": await session.dao.record_breakouts([t["id"] for t in targets], since, threshold)}
    except StatementFailed as error:
        get_run_logger().warning("breakouts cannot be told: %s", error)
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
