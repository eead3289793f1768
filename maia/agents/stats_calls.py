"""Reading videos' counts: what one call asks YouTube, what becomes of its answer, and of videos that it leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from atlas import policy, vault
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import RingExhausted, StatementFailed
from atlas.models.rows import Presence, TargetRow, VideoUpdate
from atlas.models.youtube import Video, VideoStats
from maia.agents.absence import proves_absence
from maia.agents.session import AgentSession
from maia.orchestration import get_run_logger
from maia.youtube import BadRequest, NotFound, RateLimited, StatsList, Stopped, VideoList, YouTubeError

__all__ = ["Answered", "Call", "aged", "read", "reschedule", "skip"]


@dataclass(frozen=True)
class Call:
    """One call's worth of videos, at most 50.

    Attributes:
        whole: asks videos.list, which also brings titles and tags, and whose absences count.
        suspect: videos.batchGetStats has left them out in this cycle.
        control_ids: ids that are asked along and were there lately; nothing is written about them.
    """

    targets: Sequence[TargetRow]
    whole: bool
    suspect: bool = False
    control_ids: tuple[str, ...] = ()


@dataclass
class Answered:
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


def aged(targets: Sequence[TargetRow]) -> list[TargetRow]:
    """Those whose metadata, or record in the archive, has soon to be deleted if it is not read again."""
    stale = _stale()
    # what was never enriched is not due: it is the Hunter's to enrich, which also queues the tags
    return [t for t in targets if t["enriched_at"] is not None and (t["enriched_at"] <= stale or _due(t, stale))]


def _stale() -> datetime:
    """What was read before this time is read again, so that it need not be deleted."""
    return clock.now() - policy.refresh_after(timedelta(days=settings.retention_metadata_days))


def _due(target: TargetRow, stale: datetime) -> bool:
    """Whether the archive's record of a video is so old."""
    return target["archived_at"] is not None and target["archived_at"] <= stale and vault.enabled


async def read(session: AgentSession, call: Call) -> Answered:
    """Makes one call and writes its answer. What is wrong with it alone is logged and counted.

    Raises:
        ConfigError, DatabaseUnavailable: it is not this call's alone.
    """
    ids = [target["id"] for target in call.targets]
    bucket = "units" if call.whole else "batchGetStats"
    if bucket in session.exhausted:
        return await _without_quota(session, call)
    logger = get_run_logger()
    try:
        if call.whole:
            answered = await _write_whole(session, call, await session.client.videos([*ids, *call.control_ids]))
        else:
            answered = await _write_stats(session, call, await session.client.batch_get_stats(ids))
    except RateLimited as error:
        session.churn(error)
    except RingExhausted as error:
        session.record_exhausted(error, "videos that no other bucket can pay for wait until then")
        return await _without_quota(session, call)
    except Stopped:
        pass
    except (BadRequest, NotFound) as error:
        if not call.whole:
            # a key or a region without the newer method still has videos.list
            logger.warning("videos.batchGetStats is refused, videos.list is asked: %s", error)
            return Answered(Counter(), unasked=call.targets)
        return skip(session, call.targets, error)
    except (YouTubeError, StatementFailed) as error:
        return skip(session, call.targets, error)
    else:
        method = "videos.list" if call.whole else "videos.batchGetStats"
        logger.debug("%s read %d of %d videos: %s", method, len(answered.present), len(ids), " ".join(ids))
        return answered
    return Answered(Counter(left=len(ids)))


def skip(session: AgentSession, targets: Sequence[TargetRow], error: YouTubeError | StatementFailed) -> Answered:
    """Leaves these videos to a later process."""
    ids = [target["id"] for target in targets]
    get_run_logger().error("%d videos are skipped: %s", len(ids), error)
    session.failures["videos"].record(error, len(ids))
    session.dao.set_aside(ids)
    return Answered(Counter(failed=len(ids)))


async def _without_quota(session: AgentSession, call: Call) -> Answered:
    if not call.whole:
        return Answered(Counter(), unasked=call.targets)
    if call.suspect:
        return await reschedule(session, call.targets)
    if "batchGetStats" not in session.exhausted:
        return await read(session, replace(call, whole=False))  # a refresh can wait, the counts cannot
    return Answered(Counter(left=len(call.targets)))


async def reschedule(session: AgentSession, targets: Sequence[TargetRow]) -> Answered:
    """Videos of which nothing could be learned are due like the others: they must not sort first until midnight."""
    updates = [VideoUpdate(target["id"], Presence.UNANSWERED) for target in targets]
    try:
        await session.dao.update_video_stats_batch(updates)
    except StatementFailed as error:
        return skip(session, targets, error)
    return Answered(Counter(unanswered=len(updates)))


async def _write_stats(session: AgentSession, call: Call, answer: StatsList) -> Answered:
    # of an answer that holds other videos too, or one twice, only what was asked for counts, and once
    ids = {target["id"] for target in call.targets}
    found = {item.id: _present(item) for item in answer.items if item.id in ids}
    if answer.extra:
        get_run_logger().warning("videos.batchGetStats answers with unknown members: %s", ", ".join(answer.extra))
    updates = list(found.values())
    updated, _ = await _write(session, updates, answer, ())
    suspects = [target for target in call.targets if target["id"] not in found]
    return Answered(Counter(updated=updated), suspects, present=[update.id for update in updates])


async def _write_whole(session: AgentSession, call: Call, answer: VideoList) -> Answered:
    ids = {target["id"] for target in call.targets}
    found = {video.id: video for video in answer.items if video.id in ids}
    missing = [id_ for id_ in ids if id_ not in found]
    proves = proves_absence(answer, ids, call.control_ids)
    if missing and not proves:
        get_run_logger().warning(
            "videos.list left out %d videos, in an answer that proves nothing%s", len(missing), answer.oddity
        )
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
            and (
                target["archived_at"] is None
                or _due(target, stale)
                or policy.publish_time_moved(target["published_at"], found[target["id"]].published_at)
            )
        ):
            vault.store_metadata(target["id"], found[target["id"]].raw)
    counts = Counter(updated=updated, refreshed=len(found))
    counts["absent" if proves else "unanswered"] = len(missing)
    return Answered(counts, present=list(found))


def _present(item: Video | VideoStats) -> VideoUpdate:
    return VideoUpdate(
        item.id, Presence.PRESENT, item.views, item.likes, item.comments, item.published_at, item.duration
    )


async def _write(
    session: AgentSession, updates: Sequence[VideoUpdate], answer: StatsList | VideoList, whole: Sequence[Video]
) -> tuple[int, Collection[str]]:
    """How many were updated and, of whole ones, the ids of those that have a row still."""
    dao, moment = session.dao, clock.now()

    async def update(at: datetime | None = None) -> int:
        with session.ring.settling(answer.reservations) as calls:
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
        await session.ring.settle(answer.reservations)  # the call was made, whatever became of its answer
        raise
