"""Update the counts of videos in two passes: batchGetStats and the refreshes, then videos.list for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from atlas import policy, vault
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import StatementFailed
from atlas.models.rows import Presence, TargetRow, VideoUpdate
from atlas.models.youtube import Video, VideoStats
from maia.agents.api_call import CallFailure, Work, call_api, skip
from maia.agents.session import CONTROL_IDS, AgentSession, agent_session
from maia.orchestration import get_run_logger, task
from maia.runtime.concurrency import run_bounded
from maia.youtube import MAX_IDS, StatsList, VideoList

__all__ = ["update_stats"]


@dataclass(frozen=True)
class _Call:
    """One call's worth of videos, at most 50.

    Attributes:
        refresh: asks videos.list, which also brings titles and tags, and whose absences count.
        suspect: videos.batchGetStats has left these videos out in this cycle.
        control_ids: known videos that are asked along; nothing is written about them.
    """

    targets: Sequence[TargetRow]
    refresh: bool
    suspect: bool = False
    control_ids: tuple[str, ...] = ()


@dataclass
class _CallResult:
    """The result of one call.

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
    """Ask for the counts of claimed videos, 50 a call, the calls at once (bounded), and write each call's answer.

    The first pass asks videos.batchGetStats while its bucket lasts, and videos.list for videos whose metadata, or
    record in the archive, soon has to be deleted. The second pass asks videos.list for what batchGetStats left out:
    only absence there counts.

    Returns:
        counts of videos: updated, absent, unanswered, retired, refreshed, failed, left (not asked).
    """
    async with agent_session("tracker") as session:
        session.dao.register_videos(targets)
        retired_before = session.dao.retired
        refreshed = {target["id"] for target in _to_refresh(targets)}
        refreshes = [target for target in targets if target["id"] in refreshed]
        others = [target for target in targets if target["id"] not in refreshed]
        first = await _pass(session, [*_calls(refreshes, refresh=True), *_calls(others, refresh=False)])
        calls = _calls([target for result in first for target in result.unasked], refresh=True)
        if suspects := [target for result in first for target in result.suspects]:
            present = [id_ for result in first for id_ in result.present]
            try:
                control_ids = present[:CONTROL_IDS] or await session.dao.fetch_control_ids(CONTROL_IDS)
            except StatementFailed as error:
                first.append(_skip(session, suspects, error))  # without control ids they would count as absent
            else:
                calls += _calls(suspects, refresh=True, suspect=True, control_ids=control_ids)
        second = await _pass(session, calls) if calls and not session.over else []
        counts: Counter[str] = Counter()
        if not second:
            counts["left"] = sum(len(call.targets) for call in calls)
        for result in [*first, *second]:
            counts.update(result.counts)
        for result in second:
            # without units, refreshes were asked of batchGetStats: what it left out cannot be asked again now
            counts.update((await _reschedule(session, result.suspects)).counts)
            counts["left"] += len(result.unasked)
        counts["retired"] = session.dao.retired - retired_before
        return dict(counts)


def _to_refresh(targets: Iterable[TargetRow]) -> list[TargetRow]:
    """Return the videos whose metadata, or record in the archive, soon has to be deleted if it is not read again.

    A video that was never enriched is the Hunter's, which also queues its tags.
    """
    old = _refresh_before()
    return [
        t for t in targets if t["enriched_at"] is not None and (t["enriched_at"] <= old or _archived_before(t, old))
    ]


def _refresh_before() -> datetime:
    return clock.now() - policy.refresh_after(timedelta(days=settings.retention_metadata_days))


def _archived_before(target: TargetRow, time: datetime) -> bool:
    return target["archived_at"] is not None and target["archived_at"] <= time and vault.enabled


def _calls(
    targets: Sequence[TargetRow], *, refresh: bool, suspect: bool = False, control_ids: Sequence[str] = ()
) -> list[_Call]:
    asked = {target["id"] for target in targets}
    controls = tuple(id_ for id_ in control_ids if id_ not in asked)
    size = MAX_IDS - len(controls)
    return [_Call(targets[i : i + size], refresh, suspect, controls) for i in range(0, len(targets), size)]


async def _pass(session: AgentSession, calls: Sequence[_Call]) -> list[_CallResult]:
    outcomes = await run_bounded(
        calls, lambda call: _make(session, call), limit=settings.youtube_concurrency, shutdown=session.shutdown
    )
    results = []
    for call, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, Exception):
            session.record_fatal(outcome)
        results.append(outcome if isinstance(outcome, _CallResult) else _left(call))
    return results


async def _make(session: AgentSession, call: _Call) -> _CallResult:
    """Make one call and write its answer."""
    ids = [target["id"] for target in call.targets]
    if ("units" if call.refresh else "batchGetStats") in session.exhausted:
        return await _without_quota(session, call)
    client, work = session.client, _work(ids)
    answer: VideoList | StatsList | CallFailure
    if call.refresh:
        answer = await call_api(session, client.videos([*ids, *call.control_ids]), work)
    else:
        # a key or a region without the newer method still has videos.list
        fallback = replace(work, when_refused="videos.batchGetStats is refused, videos.list is asked")
        answer = await call_api(session, client.batch_get_stats(ids), fallback)
    match answer:
        case CallFailure.EXHAUSTED:
            return await _without_quota(session, call)
        case CallFailure.REFUSED if not call.refresh:
            return _CallResult(Counter(), unasked=call.targets)
        case CallFailure.REFUSED | CallFailure.FAILED:
            session.dao.set_aside(ids)
            return _CallResult(Counter(failed=len(ids)))
        case CallFailure():
            return _left(call)
    try:
        if isinstance(answer, VideoList):
            result = await _write_refresh(session, call, answer)
        else:
            result = await _write_stats(session, call, answer)
    except StatementFailed as error:
        return _skip(session, call.targets, error)
    method = "videos.list" if call.refresh else "videos.batchGetStats"
    get_run_logger().debug("%s read %d of %d videos: %s", method, len(result.present), len(ids), " ".join(ids))
    return result


def _work(ids: Sequence[str]) -> Work:
    later = "videos that no other bucket can pay for wait until then"
    return Work("videos", f"{len(ids)} videos are skipped", later, len(ids))


def _left(call: _Call) -> _CallResult:
    return _CallResult(Counter(left=len(call.targets)))


def _skip(session: AgentSession, targets: Sequence[TargetRow], error: StatementFailed) -> _CallResult:
    """Leave these videos to a later process."""
    ids = [target["id"] for target in targets]
    skip(session, _work(ids), error)
    session.dao.set_aside(ids)
    return _CallResult(Counter(failed=len(ids)))


async def _without_quota(session: AgentSession, call: _Call) -> _CallResult:
    if not call.refresh:
        return _CallResult(Counter(), unasked=call.targets)
    if call.suspect:
        return await _reschedule(session, call.targets)
    if "batchGetStats" not in session.exhausted:
        return await _make(session, replace(call, refresh=False))  # a refresh can wait, the counts cannot
    return _left(call)


async def _reschedule(session: AgentSession, targets: Sequence[TargetRow]) -> _CallResult:
    """Reschedule videos of which nothing could be learned: they must not sort first until midnight."""
    try:
        await session.dao.update_video_stats_batch([VideoUpdate(t["id"], Presence.UNANSWERED) for t in targets])
    except StatementFailed as error:
        return _skip(session, targets, error)
    return _CallResult(Counter(unanswered=len(targets)))


async def _write_stats(session: AgentSession, call: _Call, answer: StatsList) -> _CallResult:
    # of an answer that holds other videos too, or one twice, only what was asked for counts, and once
    ids = {target["id"] for target in call.targets}
    found = {item.id: _present(item) for item in answer.items if item.id in ids}
    if answer.extra:
        get_run_logger().warning("videos.batchGetStats answers with unknown members: %s", ", ".join(answer.extra))
    dao, now = session.dao, clock.now()

    async def write() -> int:
        # one statement, which needs no transaction around it
        with session.ring.settling(answer.reservations) as calls:
            updated = await dao.update_video_stats_batch(list(found.values()), calls=calls, at=now)
        if updated < len(found):  # leases have passed, or only the answer to an earlier try was lost
            updated = await dao.snapshots_at(list(found), now)
        return updated

    try:
        updated = await dao.patiently(write)
    except StatementFailed:
        await session.ring.settle(answer.reservations)  # the call was made, whatever became of its answer
        raise
    suspects = [target for target in call.targets if target["id"] not in found]
    return _CallResult(Counter(updated=updated), suspects, present=list(found))


async def _write_refresh(session: AgentSession, call: _Call, answer: VideoList) -> _CallResult:
    ids = {target["id"] for target in call.targets}
    found = {video.id: video for video in answer.items if video.id in ids}
    missing = ids - found.keys()
    proves_absence = answer.proves_absence(ids, call.control_ids)
    if missing and not proves_absence:
        get_run_logger().warning(
            "videos.list left out %d videos, in an answer that proves nothing%s", len(missing), answer.oddity
        )
    absence = Presence.ABSENT if proves_absence else Presence.UNANSWERED
    updates = [*(_present(video) for video in found.values()), *(VideoUpdate(id_, absence) for id_ in missing)]
    dao = session.dao

    async def write() -> tuple[int, Collection[str]]:
        async with dao.transaction():
            existing = await dao.lock_videos(ids)
            # a video that was erased since it was claimed must not be stored again
            await dao.ingest_video_metadata([video for video in found.values() if video.id in existing])
            with session.ring.settling(answer.reservations) as calls:
                return await dao.update_video_stats_batch(updates, calls=calls), existing

    try:
        updated, existing = await dao.patiently(write)
    except StatementFailed:
        await session.ring.settle(answer.reservations)
        raise
    old = _refresh_before()
    for target in call.targets if vault.enabled else ():
        video = found.get(target["id"])
        if video is not None and video.id in existing and _needs_record(target, video, old):
            vault.store_metadata(video.id, video.raw)
    counts = Counter(updated=updated, refreshed=len(found))
    counts["absent" if proves_absence else "unanswered"] = len(missing)
    return _CallResult(counts, present=list(found))


def _needs_record(target: TargetRow, video: Video, old: datetime) -> bool:
    # without batchGetStats the same videos come this way every hour: not each answer is archived
    return (
        target["archived_at"] is None
        or _archived_before(target, old)
        or policy.publish_time_moved(target["published_at"], video.published_at)
    )


def _present(item: Video | VideoStats) -> VideoUpdate:
    return VideoUpdate(
        item.id, Presence.PRESENT, item.views, item.likes, item.comments, item.published_at, item.duration
    )
