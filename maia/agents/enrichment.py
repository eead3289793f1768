"""Enrich videos: read their tags, counts and duration with videos.list, and queue the tags (the Snowball).

A search is too expensive to lose: a video that cannot be enriched now is stored as the search has it, and a later cycle
enriches it.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from atlas import search_terms, vault
from atlas.config import settings
from atlas.errors import StatementFailed
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import SearchItem, Video
from atlas.quota.ledger import Reservation
from maia.agents.api_call import CallFailure, CallPurpose, call_api, skip
from maia.agents.session import CONTROL_IDS_A_CALL, AgentSession, agent_session
from maia.orchestration import task
from maia.runtime.concurrency import run_bounded
from maia.youtube import MAX_IDS, VideoList

VIDEOS_A_CALL = MAX_IDS - CONTROL_IDS_A_CALL
"""Unfinished videos that one videos.list call asks about."""

CALLS_A_CYCLE = 10
"""Most calls of one cycle for unfinished videos; a cycle without units may leave 500 such videos."""


SHORTEST, LONGEST = 2, 100  # characters; YouTube's own limit for all tags of a video together is 500


async def enrich(session: AgentSession, items: Sequence[SearchItem]) -> tuple[list[Video], tuple[Reservation, ...]]:
    """Return the videos of search results, enriched where videos.list answers, and the reservations of that call.

    After a signal it waits for the answer no longer than the grace.
    """
    videos = {item.id: item.to_video() for item in items}
    if not items or "units" in session.exhausted:
        return list(videos.values()), ()
    (answer,) = await run_bounded(
        [list(videos)], lambda ids: call_api(session, session.client.videos(ids), _purpose(ids)),
        limit=1, shutdown=session.shutdown,
    )  # fmt: skip
    if isinstance(answer, Exception):
        session.record_fatal(answer)
    if not isinstance(answer, VideoList):
        return list(videos.values()), ()
    videos.update((video.id, video) for video in answer.items if video.id in videos)
    return list(videos.values()), answer.reservations


def _purpose(ids: Sequence[str]) -> CallPurpose:
    later = "videos are stored without their metadata until then"
    return CallPurpose("videos", f"{len(ids)} videos are not enriched now", later, len(ids))


@task(name="finish_earlier")
async def finish_earlier() -> dict[str, int]:
    """Enrich videos that earlier cycles stored without metadata, and archive those that never were.

    One unit for up to 45 videos, at most 10 units a cycle. Return counts: unfinished, unfinished_failed,
    videos_enriched, queries_new, archived (videos).
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
            counts["archived"] += await session.archive()
        await session.dao.release_claims()
        return dict(counts)


async def _finish(session: AgentSession, ids: Sequence[str]) -> Counter[str]:
    dao, purpose = session.dao, _purpose(ids)
    failed = Counter(unfinished_failed=len(ids))
    try:
        control_ids = [id_ for id_ in await dao.fetch_control_ids(CONTROL_IDS_A_CALL) if id_ not in ids]
    except StatementFailed as error:
        skip(session, purpose, error)
        dao.keep_claims(ids)
        return failed
    answer = await call_api(session, session.client.videos([*ids, *control_ids]), purpose)
    if isinstance(answer, CallFailure):
        if answer in {CallFailure.REFUSED, CallFailure.FAILED}:
            dao.keep_claims(ids)
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
        await session.write(write, answer.reservations)
    except StatementFailed as error:
        skip(session, purpose, error)
        dao.keep_claims(ids)
        return failed
    if not proves_absence:
        dao.keep_claims(missing)  # the answer proves nothing about these: do not claim them again in this process
    for video in found.values():
        vault.store_metadata(video.id, video.raw, refetched=True, observed_at=observed)
    return counts


def snowball(tags: Iterable[str]) -> list[str]:
    """Return the queries of one video's tags, each once, in their order, as HUNTER_TAGS_PER_VIDEO and the patterns say.

    A tag has to match HUNTER_TAG_ALLOW and must not match HUNTER_TAG_DENY.
    """
    allow, deny = _pattern(settings.hunter_tag_allow), _pattern(settings.hunter_tag_deny)
    queries: dict[str, None] = {}
    for tag in tags:
        if len(queries) >= settings.hunter_tags_per_video:
            break
        query = normalise(tag)
        if query and (not allow or allow.search(query)) and not (deny and deny.search(query)):
            queries[query] = None
    return list(queries)


def normalise(tag: str) -> str | None:
    """Return the tag in the form of ``atlas.search_terms``, without ``#`` around it; None if too short or too long."""
    text = search_terms.normalise(tag).strip("# ")
    return text if SHORTEST <= len(text) <= LONGEST else None


@functools.cache
def _pattern(text: str | None) -> re.Pattern[str] | None:
    return re.compile(text, re.IGNORECASE) if text else None
