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
from maia.agents.api_call import CallFailure, CallPurpose, call_api, skip
from maia.agents.session import CONTROL_IDS_A_CALL, AgentSession, agent_session
from maia.orchestration import get_run_logger, task
from maia.runtime.concurrency import run_bounded
from maia.youtube import MAX_IDS, StatsList, VideoList


@dataclass(frozen=True)
class _StatsCall:
    """One call's worth of videos, at most 50."""

    targets: Sequence[TargetRow]
    refresh: bool
    """Whether videos.list is asked: it also returns titles and tags, and its absences count."""
    suspect: bool = False
    """Whether videos.batchGetStats has left these videos out in this cycle."""
    control_ids: tuple[str, ...] = ()
    """Asked along; nothing is written about them."""


@dataclass
class _CallResult:
    """The result of one call.

    ``suspects`` were left out by videos.batchGetStats, ``unasked`` could not be asked; ``present``: ids in the answer.
    """

    counts: Counter[str]
    suspects: Sequence[TargetRow] = ()
    unasked: Sequence[TargetRow] = ()
    present: Sequence[str] = ()


@task(name="update_stats")
async def update_stats(targets: Sequence[TargetRow]) -> dict[str, int]:
    """Read the counts of claimed videos, 50 a call, YOUTUBE_CONCURRENCY calls at a time; write each answer.

    The first pass asks videos.batchGetStats while its bucket lasts, and videos.list for videos whose metadata, or
    record in the archive, soon has to be deleted. The second pass asks videos.list for what batchGetStats left out:
    only absence there counts. Return counts of videos: updated, absent, unanswered, retired, refreshed, failed, left
    (not asked).
    """
    async with agent_session("tracker") as session:
        session.dao.register_videos(targets)
        retired_before = session.dao.retired
        refreshes = _to_refresh(targets)
        refresh_ids = {target["id"] for target in refreshes}
        others = [target for target in targets if target["id"] not in refresh_ids]
        first = await _make_calls(session, [*_split(refreshes, refresh=True), *_split(others, refresh=False)])
        calls = _split([target for result in first for target in result.unasked], refresh=True)
        if suspects := [target for result in first for target in result.suspects]:
            present = [id_ for result in first for id_ in result.present]
            try:
                control_ids = present[:CONTROL_IDS_A_CALL] or await session.dao.fetch_control_ids(CONTROL_IDS_A_CALL)
            except StatementFailed as error:
                first.append(_skip(session, suspects, error))  # without control ids they would count as absent
            else:
                calls += _split(suspects, refresh=True, suspect=True, control_ids=control_ids)
        second = await _make_calls(session, calls) if calls and not session.over else []
        counts: Counter[str] = Counter()
        if not second:
            counts["left"] = sum(len(call.targets) for call in calls)
        for result in [*first, *second]:
            counts.update(result.counts)
        for result in second:
            # without units, this pass asked batchGetStats: what that left out cannot be asked again now
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


def _split(
    targets: Sequence[TargetRow], *, refresh: bool, suspect: bool = False, control_ids: Sequence[str] = ()
) -> list[_StatsCall]:
    asked = {target["id"] for target in targets}
    controls = tuple(id_ for id_ in control_ids if id_ not in asked)
    size = MAX_IDS - len(controls)
    return [_StatsCall(targets[i : i + size], refresh, suspect, controls) for i in range(0, len(targets), size)]


async def _make_calls(session: AgentSession, calls: Sequence[_StatsCall]) -> list[_CallResult]:
    outcomes = await run_bounded(
        calls, lambda call: _make_call(session, call), limit=settings.youtube_concurrency, shutdown=session.shutdown
    )
    results = []
    for call, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, Exception):
            session.record_fatal(outcome)
        results.append(outcome if isinstance(outcome, _CallResult) else _not_asked(call))
    return results


async def _make_call(session: AgentSession, call: _StatsCall) -> _CallResult:
    """Make one call and write its answer."""
    ids = [target["id"] for target in call.targets]
    if ("units" if call.refresh else "batchGetStats") in session.exhausted:
        return await _without_quota(session, call)
    client, purpose = session.client, _purpose(ids)
    answer: VideoList | StatsList | CallFailure
    if call.refresh:
        answer = await call_api(session, client.videos([*ids, *call.control_ids]), purpose)
    else:
        # a key or a region without the newer method still has videos.list
        fallback = replace(purpose, when_refused="videos.batchGetStats is refused, videos.list is asked")
        answer = await call_api(session, client.batch_get_stats(ids), fallback)
    match answer:
        case CallFailure.EXHAUSTED:
            return await _without_quota(session, call)
        case CallFailure.REFUSED if not call.refresh:
            return _CallResult(Counter(), unasked=call.targets)
        case CallFailure.REFUSED | CallFailure.FAILED:
            session.dao.keep_claims(ids)
            return _CallResult(Counter(failed=len(ids)))
        case CallFailure():
            return _not_asked(call)
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


def _purpose(ids: Sequence[str]) -> CallPurpose:
    later = "videos that no other bucket can pay for wait until then"
    return CallPurpose("videos", f"{len(ids)} videos are skipped", later, len(ids))


def _not_asked(call: _StatsCall) -> _CallResult:
    return _CallResult(Counter(left=len(call.targets)))


def _skip(session: AgentSession, targets: Sequence[TargetRow], error: StatementFailed) -> _CallResult:
    """Leave these videos to a later process."""
    ids = [target["id"] for target in targets]
    skip(session, _purpose(ids), error)
    session.dao.keep_claims(ids)
    return _CallResult(Counter(failed=len(ids)))


async def _without_quota(session: AgentSession, call: _StatsCall) -> _CallResult:
    if not call.refresh:
        return _CallResult(Counter(), unasked=call.targets)
    if call.suspect:
        return await _reschedule(session, call.targets)
    if "batchGetStats" not in session.exhausted:
        return await _make_call(session, replace(call, refresh=False))  # a refresh can wait, the counts cannot
    return _not_asked(call)


async def _reschedule(session: AgentSession, targets: Sequence[TargetRow]) -> _CallResult:
    """Reschedule videos of which nothing could be learned: they must not sort first until midnight."""
    try:
        await session.dao.update_video_stats_batch([VideoUpdate(t["id"], Presence.UNANSWERED) for t in targets])
    except StatementFailed as error:
        return _skip(session, targets, error)
    return _CallResult(Counter(unanswered=len(targets)))


async def _write_stats(session: AgentSession, call: _StatsCall, answer: StatsList) -> _CallResult:
    # an answer may have other videos, or one twice: take each requested video once
    ids = {target["id"] for target in call.targets}
    found = {item.id: _update_of(item) for item in answer.items if item.id in ids}
    if answer.extra:
        get_run_logger().warning("videos.batchGetStats answers with unknown members: %s", ", ".join(answer.extra))
    dao, now = session.dao, clock.now()

    async def write() -> int:
        # one statement, which needs no transaction around it
        with session.ring.settling(answer.reservations) as calls:
            updated = await dao.update_video_stats_batch(list(found.values()), calls=calls, at=now)
        if updated < len(found):  # leases have passed, or an earlier try wrote them and was not answered
            updated = await dao.snapshots_at(list(found), now)
        return updated

    updated = await session.write(write, answer.reservations)
    suspects = [target for target in call.targets if target["id"] not in found]
    return _CallResult(Counter(updated=updated), suspects, present=list(found))


async def _write_refresh(session: AgentSession, call: _StatsCall, answer: VideoList) -> _CallResult:
    ids = {target["id"] for target in call.targets}
    found = {video.id: video for video in answer.items if video.id in ids}
    missing = ids - found.keys()
    proves_absence = answer.proves_absence(ids, call.control_ids)
    if missing and not proves_absence:
        get_run_logger().warning(
            "videos.list left out %d videos, in an answer that proves nothing%s", len(missing), answer.oddity
        )
    absence = Presence.ABSENT if proves_absence else Presence.UNANSWERED
    updates = [*(_update_of(video) for video in found.values()), *(VideoUpdate(id_, absence) for id_ in missing)]
    dao = session.dao

    async def write() -> tuple[int, Collection[str]]:
        async with dao.transaction():
            existing = await dao.lock_videos(ids)
            # a video that was erased since it was claimed must not be stored again
            await dao.ingest_video_metadata([video for video in found.values() if video.id in existing])
            with session.ring.settling(answer.reservations) as calls:
                return await dao.update_video_stats_batch(updates, calls=calls), existing

    updated, existing = await session.write(write, answer.reservations)
    old = _refresh_before()
    for target in call.targets if vault.enabled else ():
        video = found.get(target["id"])
        if video is not None and video.id in existing and _needs_record(target, video, old):
            vault.store_metadata(video.id, video.raw)
    counts = Counter(updated=updated, refreshed=len(found))
    counts["absent" if proves_absence else "unanswered"] = len(missing)
    return _CallResult(counts, present=list(found))


def _needs_record(target: TargetRow, video: Video, old: datetime) -> bool:
    # without batchGetStats the same videos are read here every hour: do not archive each answer
    return (
        target["archived_at"] is None
        or _archived_before(target, old)
        or policy.publish_time_moved(target["published_at"], video.published_at)
    )


def _update_of(item: Video | VideoStats) -> VideoUpdate:
    counts = item.views, item.likes, item.comments
    return VideoUpdate(item.id, Presence.PRESENT, *counts, item.published_at, item.duration)
