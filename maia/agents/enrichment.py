"""Enriching: videos.list brings what a search result lacks: tags, counts, duration, and the archive's record.

A search is too expensive to lose: what cannot be enriched now is stored as the search has it, for a later cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from atlas import vault
from atlas.config import settings
from atlas.errors import StatementFailed
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import SearchItem, Video
from atlas.quota.reservations import Reservation
from maia.agents.api_call import CallFailure, Work, call_api, skip
from maia.agents.archiving import archive
from maia.agents.session import CONTROL_IDS, AgentSession, agent_session
from maia.agents.snowball import snowball
from maia.orchestration import task
from maia.runtime.concurrency import run_bounded
from maia.youtube import MAX_IDS, VideoList

__all__ = ["CALLS_A_CYCLE", "VIDEOS_A_CALL", "enrich", "finish_earlier"]

VIDEOS_A_CALL = MAX_IDS - CONTROL_IDS
"""Unfinished videos that one videos.list call asks about."""

CALLS_A_CYCLE = 10
"""Most calls of one cycle for unfinished videos: a cycle without units may leave 500 of them."""


async def enrich(session: AgentSession, items: Sequence[SearchItem]) -> tuple[list[Video], tuple[Reservation, ...]]:
    """Return the videos of search results, enriched where videos.list answers, and the reserved calls of that.

    After a signal the answer is waited for no longer than the grace.
    """
    videos = {item.id: item.to_video() for item in items}
    if not items or "units" in session.exhausted:
        return list(videos.values()), ()
    (answer,) = await run_bounded(
        [list(videos)], lambda ids: call_api(session, session.client.videos(ids), _work(ids)),
        limit=1, shutdown=session.shutdown,
    )  # fmt: skip
    if isinstance(answer, Exception):
        session.record_fatal(answer)
    if not isinstance(answer, VideoList):
        return list(videos.values()), ()
    videos.update((video.id, video) for video in answer.items if video.id in videos)
    return list(videos.values()), answer.reservations


def _work(ids: Sequence[str]) -> Work:
    later = "videos are stored without their metadata until then"
    return Work("videos", f"{len(ids)} videos are not enriched now", later, len(ids))


@task(name="finish_earlier")
async def finish_earlier() -> dict[str, int]:
    """Enrich what an earlier cycle stored as its search had it, and archive what never was.

    One unit for up to 45 videos, at most 10 units a cycle.

    Returns:
        counts: unfinished, unfinished_failed, videos_enriched, queries_new, archived (videos).
    """
    async with agent_session("hunter") as session:
        counts: Counter[str] = Counter()
        for _ in range(CALLS_A_CYCLE):
            if session.over or "units" in session.exhausted:
                break
            targets = await session.dao.fetch_unfinished(VIDEOS_A_CALL, archive=vault.enabled)
            if not targets:
                break
            counts["unfinished"] += len(targets)
            counts.update(await _finish(session, [target["id"] for target in targets]))
            if len(targets) < VIDEOS_A_CALL:
                break
        if vault.flush_due:  # otherwise it is flushed with what the cycle finds
            counts["archived"] += await archive(session)
        await session.dao.release_claims()
        return dict(counts)


async def _finish(session: AgentSession, ids: Sequence[str]) -> Counter[str]:
    dao, work = session.dao, _work(ids)
    failed = Counter(unfinished_failed=len(ids))
    try:
        control_ids = [id_ for id_ in await dao.fetch_control_ids(CONTROL_IDS) if id_ not in ids]
    except StatementFailed as error:
        skip(session, work, error)
        dao.set_aside(ids)
        return failed
    answer = await call_api(session, session.client.videos([*ids, *control_ids]), work)
    if isinstance(answer, CallFailure):
        if answer in {CallFailure.REFUSED, CallFailure.FAILED}:
            dao.set_aside(ids)
        return failed
    found = {video.id: video for video in answer.items if video.id in ids}
    missing = [id_ for id_ in ids if id_ not in found]
    proves_absence = answer.proves_absence(ids, control_ids)
    counts: Counter[str] = Counter()
    observed: datetime | None = None

    async def write() -> None:
        nonlocal observed
        async with dao.transaction():
            existing = await dao.lock_videos(ids)
            for id_ in set(found) - existing:
                del found[id_]  # erased since it was claimed: it must not be stored again
            stored = await dao.ingest_video_metadata(list(found.values()))
            observed = stored.at
            tags = [query for id_ in stored.newly_enriched for query in snowball(found[id_].tags)]
            room = min(settings.hunter_new_queries_per_search, await dao.queue_room())
            added = await dao.add_to_search_queue(tags, most_new=room)
            if proves_absence:
                await dao.update_video_stats_batch([VideoUpdate(id_, Presence.ABSENT) for id_ in missing])
            await session.ring.settle(answer.reservations)
        counts.update(videos_enriched=len(stored.newly_enriched), queries_new=added)

    try:
        await dao.patiently(write)
    except StatementFailed as error:
        await session.ring.settle(answer.reservations)
        skip(session, work, error)
        dao.set_aside(ids)
        return failed
    if not proves_absence:
        dao.set_aside(missing)  # nothing is known of these: they are not asked again at once
    for video in found.values():
        vault.store_metadata(video.id, video.raw, refetched=True, observed_at=observed)
    return counts
