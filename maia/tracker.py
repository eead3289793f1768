"""The Tracker: reads the counts of known videos again, in three zones of age, and so measures how fast they grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from atlas import policy, vault
from atlas.adapters.rows import Presence, TargetRow, VideoUpdate
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import RingExhausted, StatementFailed
from atlas.resources import Video, VideoStats
from maia.absence import WITNESSES, proves_absence
from maia.bounded import run_bounded
from maia.enrichment import archive_when_due
from maia.exitcodes import Outcome
from maia.orchestration import flow, get_run_logger, task
from maia.session import AgentSession, agent_session
from maia.stop import record_stats
from maia.youtube import MAX_IDS, BadRequest, NotFound, RateLimited, StatsList, Stopped, VideoList, YouTubeError

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


@dataclass(frozen=True)
class _Call:
    """One call's worth of videos, at most 50.

    Attributes:
        whole: asks videos.list, which also brings titles and tags, and whose absences count.
        suspect: videos.batchGetStats has left them out in this cycle.
        witnesses: ids that are asked along and were there lately; nothing is written about them.
    """

    targets: Sequence[TargetRow]
    whole: bool
    suspect: bool = False
    witnesses: tuple[str, ...] = ()


@dataclass
class _Answered:
    """What became of one call.

    Attributes:
        suspects: videos that videos.batchGetStats left out.
        unasked: videos that it could not be asked about.
        present: ids of those that are there.
    """

    counts: Counter[str]
    suspects: Sequence[TargetRow] = ()
    unasked: Sequence[TargetRow] = ()
    present: Sequence[str] = ()


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
        stale = _stale()
        # what was never enriched is not due: it is the Hunter's to enrich, which also queues the tags
        old = [t for t in targets if t["enriched_at"] is not None and (t["enriched_at"] <= stale or _due(t, stale))]
        asked = {target["id"] for target in old}
        fresh = [target for target in targets if target["id"] not in asked]
        retired_before = session.dao.retired
        first = await _pass(session, [*_calls(old, whole=True), *_calls(fresh, whole=False)])
        calls = _calls([target for answered in first for target in answered.unasked], whole=True)
        suspects = [target for answered in first for target in answered.suspects]
        if suspects:
            present = [id_ for answered in first for id_ in answered.present]
            witnesses = present[:WITNESSES] or await session.dao.fetch_witnesses(WITNESSES)
            calls += _calls(suspects, whole=True, suspect=True, witnesses=witnesses)
        second = [] if session.over else await _pass(session, calls)
        counts: Counter[str] = Counter()
        if not second:
            counts["left"] = sum(len(call.targets) for call in calls)
        for answered in [*first, *second]:
            counts.update(answered.counts)
        for answered in second:
            # without units, refreshes were asked of batchGetStats: what it left out cannot be asked again now
            counts.update(await _reschedule(session, answered.suspects))
            counts["left"] += len(answered.unasked)
        counts["retired"] = session.dao.retired - retired_before
        return dict(counts)


def _stale() -> datetime:
    """What was read before this time is read again, so that it need not be deleted."""
    return clock.now() - policy.refresh_after(timedelta(days=settings.retention_metadata_days))


def _due(target: TargetRow, stale: datetime) -> bool:
    """Whether the archive's record of a video is so old."""
    return target["archived_at"] is not None and target["archived_at"] <= stale and vault.enabled


def _calls(
    targets: Sequence[TargetRow], *, whole: bool, suspect: bool = False, witnesses: Sequence[str] = ()
) -> list[_Call]:
    known = {target["id"] for target in targets}
    others = tuple(id_ for id_ in witnesses if id_ not in known)
    size = MAX_IDS - len(others)
    return [_Call(targets[i : i + size], whole, suspect, others) for i in range(0, len(targets), size)]


async def _pass(session: AgentSession, calls: Sequence[_Call]) -> list[_Answered]:
    outcomes = await run_bounded(
        calls, lambda call: _call(session, call), limit=settings.youtube_concurrency, stop=session.stop
    )
    answered = []
    for call, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, _Answered):
            answered.append(outcome)
            continue
        if isinstance(outcome, Exception):
            session.note_fatal(outcome)
        answered.append(_Answered(Counter(left=len(call.targets))))
    return answered


async def _call(session: AgentSession, call: _Call) -> _Answered:
    ids = [target["id"] for target in call.targets]
    bucket = "units" if call.whole else "batchGetStats"
    if bucket in session.exhausted:
        return await _without_quota(session, call)
    logger = get_run_logger()
    try:
        if call.whole:
            return await _write_whole(session, call, await session.client.videos([*ids, *call.witnesses]))
        return await _write_stats(session, call, await session.client.batch_get_stats(ids))
    except RateLimited as error:
        logger.critical("rate limit: this process ends so that a fresh one goes on (%s)", error)
        session.stop.churn(str(error))
    except RingExhausted as error:
        if bucket not in session.exhausted:
            session.exhausted.add(bucket)
            logger.critical("%s", error)
        return await _without_quota(session, call)
    except Stopped:
        pass
    except (BadRequest, NotFound) as error:
        if not call.whole:
            # a key or a region without the newer method still has videos.list
            logger.warning("videos.batchGetStats is refused, videos.list is asked: %s", error)
            return _Answered(Counter(), unasked=call.targets)
        return _skipped(session, ids, error)
    except (YouTubeError, StatementFailed) as error:
        return _skipped(session, ids, error)
    return _Answered(Counter(left=len(ids)))


def _skipped(session: AgentSession, ids: Sequence[str], error: YouTubeError | StatementFailed) -> _Answered:
    get_run_logger().error("%d videos are skipped: %s", len(ids), error)
    session.dao.set_aside(ids)
    return _Answered(Counter(failed=len(ids)))


async def _without_quota(session: AgentSession, call: _Call) -> _Answered:
    if not call.whole:
        return _Answered(Counter(), unasked=call.targets)
    if call.suspect:
        return _Answered(await _reschedule(session, call.targets))
    if "batchGetStats" not in session.exhausted:
        return await _call(session, replace(call, whole=False))  # a refresh can wait, the counts cannot
    return _Answered(Counter(left=len(call.targets)))


async def _reschedule(session: AgentSession, targets: Sequence[TargetRow]) -> Counter[str]:
    """Videos of which nothing could be learned are due like the others: they must not sort first until midnight."""
    updates = [VideoUpdate(target["id"], Presence.UNANSWERED) for target in targets]
    await session.dao.update_video_stats_batch(updates)
    return Counter(unanswered=len(updates))


async def _write_stats(session: AgentSession, call: _Call, answer: StatsList) -> _Answered:
    updates = [_present(item) for item in answer.items]
    updated, _ = await _write(session, updates, answer, ())
    found = {update.id for update in updates}
    suspects = [target for target in call.targets if target["id"] not in found]
    return _Answered(Counter(updated=updated), suspects, present=[update.id for update in updates])


async def _write_whole(session: AgentSession, call: _Call, answer: VideoList) -> _Answered:
    ids = {target["id"] for target in call.targets}
    found = {video.id: video for video in answer.items if video.id in ids}
    missing = [id_ for id_ in ids if id_ not in found]
    proves = proves_absence(answer, len(ids), call.witnesses)
    if missing and not proves:
        get_run_logger().warning("videos.list left out %d videos, in an answer that proves nothing", len(missing))
    absence = Presence.ABSENT if proves else Presence.UNANSWERED
    updates = [*(_present(video) for video in found.values()), *(VideoUpdate(id_, absence) for id_ in missing)]
    updated, there = await _write(session, updates, answer, list(found.values()))
    stale = _stale()
    for target in call.targets:
        # without batchGetStats the same videos come this way hour by hour: one record in so long is enough
        if (
            target["id"] in found
            and target["id"] in there
            and vault.enabled
            and (target["archived_at"] is None or _due(target, stale))
        ):
            vault.store_metadata(target["id"], found[target["id"]].raw)
    counts = Counter(updated=updated, refreshed=len(found))
    counts["absent" if proves else "unanswered"] = len(missing)
    return _Answered(counts, present=list(found))


def _present(item: Video | VideoStats) -> VideoUpdate:
    return VideoUpdate(item.id, Presence.PRESENT, item.views, item.likes, item.comments)


async def _write(
    session: AgentSession, updates: Sequence[VideoUpdate], answer: StatsList | VideoList, whole: Sequence[Video]
) -> tuple[int, Collection[str]]:
    """How many were updated and, of whole ones, the ids of those that have a row still."""
    dao, moment = session.dao, clock.now()

    async def update(at: datetime | None = None) -> int:
        with session.ring.settling(answer.tickets) as calls:
            return await dao.update_video_stats_batch(updates, calls=calls, at=at)

    async def write() -> tuple[int, Collection[str]]:
        if not whole and all(update.presence == Presence.PRESENT for update in updates):
            # one statement, which needs no transaction around it
            updated = await update(moment)
            if updated < len(updates):  # leases have passed, or only the answer to an earlier try was lost
                updated = await dao.snapshots_at([update.id for update in updates], moment)
            return updated, ()
        there: Collection[str] = ()
        async with dao.transaction():
            if whole:
                there = await dao.lock_videos([update.id for update in updates])
                # one that was forgotten since it was claimed must not come back by this
                await dao.ingest_video_metadata([video for video in whole if video.id in there])
            return await update(), there

    try:
        return await dao.patiently(write)
    except StatementFailed:
        await session.ring.settle(answer.tickets)  # the call was made, whatever became of its answer
        raise


@flow(name="run_tracker_cycle")
async def run_tracker_cycle(batch_size: int = 50) -> dict[str, Any]:
    """One cycle: claim videos that are due, ask for their counts, write.

    Args:
        batch_size: most videos of this cycle; above 50 it is split into several calls that run at once.

    Returns:
        the counts of ``update_stats``, ``targets`` (claimed), ``archived`` (videos), ``breakouts`` (with
        BREAKOUT_VIEWS_PER_HOUR), ``calls`` (by bucket) and ``outcome``: ``ok``, ``idle``, ``quota-exhausted`` or
        ``failure``.

    Raises:
        ChurnExit: a rate limit; everything answered is stored, claims are released.
        CancelledExit: a signal, likewise.
        ConfigError, DatabaseUnavailable; StatementFailed where the claim itself is refused.
    """
    async with agent_session("tracker") as session:
        stats: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        before = Counter(session.ring.calls)
        session.exhausted.clear()  # a new day may have begun since the last cycle
        began = clock.now()
        try:
            targets = await fetch_targets(batch_size)
            stats["targets"] = len(targets)
            stats.update(await update_stats(targets))
            stats.update(await _breakouts(session, targets, began))
            stats["archived"] += await archive_when_due(session)
            session.raise_if_over()
        finally:
            record_stats({**stats, "calls": dict(session.ring.calls - before)})
            await session.dao.release_claims()
        return {**stats, "calls": dict(session.ring.calls - before), **await _outcome(session, stats)}


async def _breakouts(session: AgentSession, targets: Sequence[TargetRow], since: datetime) -> dict[str, int]:
    """Emits the breakouts among the videos of this cycle, if BREAKOUT_VIEWS_PER_HOUR asks for them."""
    threshold = settings.breakout_views_per_hour
    if threshold is None or not targets or session.fatal is not None or session.stop.cancelled:
        return {}
    try:
        return {"breakouts": await session.dao.note_breakouts([t["id"] for t in targets], since, threshold)}
    except StatementFailed as error:
        get_run_logger().warning("breakouts cannot be told: %s", error)
        return {}


async def _outcome(session: AgentSession, stats: Counter[str]) -> dict[str, Any]:
    if session.exhausted and stats["left"]:
        return {"outcome": Outcome.QUOTA_EXHAUSTED, "exhausted": sorted(session.exhausted)}
    if not stats["targets"]:
        return {"outcome": Outcome.IDLE, "reason": await session.dao.why_no_targets()}
    if stats["failed"] and not stats["updated"] and not stats["absent"]:
        return {"outcome": Outcome.FAILURE, "error": f"all {stats['failed']} videos failed; the errors say why"}
    return {"outcome": Outcome.OK}
