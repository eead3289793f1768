"""Enriching: videos.list brings what a search result lacks, tags, counts and duration, and the archive its record.

A search is too dear to lose: what cannot be enriched now is stored as the search knew it, for a later cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from atlas import events, vault
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import AtlasError, RingExhausted, StatementFailed
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import SearchItem, Video
from atlas.quota.reservations import Reservation
from maia.agents.absence import CONTROL_IDS, proves_absence
from maia.agents.session import AgentSession, agent_session
from maia.agents.snowball import Snowball
from maia.orchestration import get_run_logger, task
from maia.runtime.concurrency import run_bounded
from maia.runtime.run_context import current_shutdown
from maia.youtube import MAX_IDS, RateLimited, Stopped, VideoList, YouTubeError

__all__ = ["CALLS_A_CYCLE", "VIDEOS_A_CALL", "archive", "archive_when_due", "enrich", "finish_earlier"]

VIDEOS_A_CALL = MAX_IDS - CONTROL_IDS
"""Unfinished videos that one videos.list call asks about."""

CALLS_A_CYCLE = 10
"""Most calls of one cycle for unfinished videos: a cycle without units may leave 500 of them."""


async def enrich(session: AgentSession, items: Sequence[SearchItem]) -> tuple[list[Video], tuple[Reservation, ...]]:
    """The videos of search results: whole where videos.list answers, as the search knows them where it does not.

    A search is too dear to lose: whatever fails here, its videos are stored, and a later cycle enriches them. After a
    signal it is waited for no longer than the grace.
    """
    partial = {item.id: item.to_video() for item in items}
    if not items or "units" in session.exhausted:
        return list(partial.values()), ()
    (answer,) = await run_bounded(
        [list(partial)], lambda ids: _ask_videos(session, ids), limit=1, shutdown=session.shutdown
    )
    if isinstance(answer, Exception):
        session.record_fatal(answer)
    if not isinstance(answer, VideoList):
        return list(partial.values()), ()
    whole = {video.id: video for video in answer.items}
    return list((partial | {id_: whole[id_] for id_ in partial if id_ in whole}).values()), answer.reservations


async def _ask_videos(session: AgentSession, ids: Sequence[str]) -> VideoList | None:
    """videos.list for at most 50 ids; None, with the reason logged and noted, where it comes to nothing."""
    logger = get_run_logger()
    try:
        return await session.client.videos(ids)
    except RateLimited as error:
        session.churn(error)
    except RingExhausted as error:
        session.record_exhausted(error, "videos are stored without their metadata until then")
    except Stopped:
        pass
    except YouTubeError as error:
        logger.warning("%d videos are not enriched now: %s", len(ids), error)
        session.failures["videos"].record(error, len(ids))
    except StatementFailed as error:
        logger.error("%d videos are not enriched now: %s", len(ids), error)
        session.failures["videos"].record(error, len(ids))
    except AtlasError as error:
        session.record_fatal(error)
    return None


async def archive(session: AgentSession) -> int:
    """Flushes the vault and notes what it holds now. Returns how many; a failure is logged and blocks nothing.

    After a signal it takes no longer than the grace.
    """
    if not vault.pending() or session.shutdown.grace_left == 0:
        return 0
    report = await vault.flush(session.shutdown.grace_left)
    try:
        known = await session.dao.mark_archived(report.stored)
    except StatementFailed as error:
        get_run_logger().warning("%d videos will be archived again: %s", len(report.stored), error)
        return 0
    await _withdraw([id_ for id_ in report.stored if id_ not in known])
    if report.failed:
        await events.emit(events.EventType.ARCHIVE_FAILED, failed=len(report.failed), error=report.error)
    return len(report.stored)


async def archive_when_due(session: AgentSession) -> int:
    """At the end of a cycle: flushes if the buffer is full, or if this is the run's end. Returns how many.

    Not after each cycle: on the Hub a flush is a commit, of which a dataset bears some hundred an hour.
    """
    return await archive(session) if vault.flush_due or session.over or not session.repeats else 0


async def _withdraw(forgotten: Sequence[str]) -> None:
    """Takes out of the archive what was deleted from the database (`atlas forget`) while its record waited here."""
    seconds = current_shutdown().within_grace(60)
    if not forgotten or seconds <= 0:
        return
    try:
        await vault.forget(forgotten, since=(clock.now() - timedelta(days=1)).date(), seconds=seconds)
    except AtlasError as error:
        get_run_logger().error("%d videos that were forgotten are in the archive: %s", len(forgotten), error)


@task(name="finish_earlier")
async def finish_earlier() -> dict[str, int]:
    """Enriches what an earlier cycle could only store as its search knew it, and hands the archive what it never got.

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
        if vault.flush_due:  # or it goes with what the cycle finds
            counts["archived"] += await archive(session)
        await session.dao.release_claims()
        return dict(counts)


async def _finish(session: AgentSession, ids: Sequence[str]) -> Counter[str]:
    dao = session.dao
    try:
        control_ids = [id_ for id_ in await dao.fetch_control_ids(CONTROL_IDS) if id_ not in ids]
    except StatementFailed as error:
        return _left(session, ids, error)
    answer = await _ask_videos(session, [*ids, *control_ids])
    if answer is None:
        if not session.over and "units" not in session.exhausted:
            dao.set_aside(ids)
        return Counter(unfinished_failed=len(ids))
    found = {video.id: video for video in answer.items if video.id in ids}
    missing = [id_ for id_ in ids if id_ not in found]
    proves = proves_absence(answer, ids, control_ids)
    counts: Counter[str] = Counter()
    observed: datetime | None = None

    async def write() -> None:
        nonlocal observed
        async with dao.transaction():
            there = await dao.lock_videos(ids)
            for id_ in set(found) - there:
                del found[id_]  # forgotten since it was claimed: it must not come back by this
            stored = await dao.ingest_video_metadata(list(found.values()))
            observed = stored.at
            snowball = Snowball.configured()
            tags = [query for id_ in stored.newly_enriched for query in snowball.queries(found[id_].tags)]
            room = min(settings.hunter_new_queries_per_search, await dao.queue_room())
            added = await dao.add_to_search_queue(tags, most_new=room)
            if proves:
                await dao.update_video_stats_batch([VideoUpdate(id_, Presence.ABSENT) for id_ in missing])
            await session.ring.settle(answer.reservations)
        counts.update(videos_enriched=len(stored.newly_enriched), queries_new=added)

    try:
        await dao.patiently(write)
    except StatementFailed as error:
        await session.ring.settle(answer.reservations)
        return _left(session, ids, error)
    if not proves:
        dao.set_aside(missing)  # of these nothing is known: not asked again at once
    for video in found.values():
        vault.store_metadata(video.id, video.raw, refetched=True, observed_at=observed)
    return counts


def _left(session: AgentSession, ids: Sequence[str], error: StatementFailed) -> Counter[str]:
    """Leaves these videos to a later process."""
    get_run_logger().error("%d videos are not finished now: %s", len(ids), error)
    session.failures["videos"].record(error, len(ids))
    session.dao.set_aside(ids)
    return Counter(unfinished_failed=len(ids))
