"""The Hunter: discover videos through search queries, and feed their tags back as new queries (Snowball)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from atlas import vault
from atlas.adapters.search_rounds import PageRead
from atlas.config import settings
from atlas.errors import StatementFailed
from atlas.models.rows import TopicRow, TopicStatus
from atlas.quota.buckets import Bucket
from atlas.times import iso
from maia.agents.api_call import SETTING_OF, CallFailure, CallPurpose, call_api, skip
from maia.agents.enrichment import enrich, finish_earlier, snowball
from maia.agents.session import AgentSession, agent_session
from maia.orchestration import flow, get_run_logger, task
from maia.runtime.concurrency import run_bounded
from maia.runtime.exitcodes import Outcome
from maia.runtime.shutdown import Shutdown
from maia.youtube import SearchPage

__all__ = ["SearchResult", "fetch_batch", "ingest_results", "run_hunter_cycle", "search_youtube"]

# counts that are always in a run's stats
_COUNTS = (
    "topics", "searches", "failed", "videos_found", "videos_new", "videos_enriched", "queries_new", "archived",
)  # fmt: skip


@dataclass
class SearchResult:
    """The result of one topic's search: its page, or why there is none."""

    topic: TopicRow
    page: SearchPage | None = None
    failure: CallFailure | None = None


@task(name="fetch_batch")
async def fetch_batch(batch_size: int = 10) -> list[TopicRow]:
    """Claim at most ``batch_size`` queries that are due."""
    async with agent_session("hunter") as session:
        topics = await session.dao.fetch_hunter_batch(batch_size)
        get_run_logger().log(session.log_level, "claimed %d queries", len(topics))
        return topics


@task(name="search_youtube")
async def search_youtube(topics: Sequence[TopicRow]) -> list[SearchResult]:
    """Search each topic's next page, at most YOUTUBE_CONCURRENCY at a time; leave out topics that were not searched.

    Upon a rate limit, running calls finish and no new one starts; the flow raises ChurnExit after storing the results.
    Where settings restrict the search, the first search of a process runs alone: if YouTube refuses a setting, only
    that search is spent.
    """
    async with agent_session("hunter") as session:
        restricted = any(getattr(settings, name) is not None for name in SETTING_OF.values())
        alone = int(restricted and not session.ring.calls[Bucket.SEARCH])
        results = []
        for part in (topics[:alone], topics[alone:]):
            for outcome in await run_bounded(
                part, lambda topic: _search(session, topic), limit=settings.youtube_concurrency,
                shutdown=session.shutdown,
            ):  # fmt: skip
                if isinstance(outcome, SearchResult):
                    results.append(outcome)
                elif isinstance(outcome, Exception):
                    session.record_fatal(outcome)
        session.dao.keep_claims([result.topic["id"] for result in results if result.failure is CallFailure.FAILED])
        return results


async def _search(session: AgentSession, topic: TopicRow) -> SearchResult | None:
    if session.fatal is not None or "search" in session.exhausted or session.searches_left == 0:
        return None
    search = session.client.search(
        topic["query_term"],
        page_token=topic["next_page_token"],
        published_after=topic["published_after"],
        published_before=topic["published_before"],
        region=settings.hunter_region,
        language=settings.hunter_language,
        safe_search=settings.hunter_safe_search,
        category=settings.hunter_category,
    )
    answer = await call_api(session, search, _purpose(topic))
    match answer:
        case CallFailure.NOT_ASKED | CallFailure.EXHAUSTED:
            return None
        case CallFailure():
            return SearchResult(topic, failure=answer)
    return SearchResult(topic, answer)


def _purpose(topic: TopicRow) -> CallPurpose:
    return CallPurpose("searches", f"'{_term(topic)}' is skipped", "the other queries wait until then")


def _term(topic: TopicRow) -> str:
    return topic["display_term"] or topic["query_term"]


@task(name="ingest_results")
async def ingest_results(results: Sequence[SearchResult]) -> dict[str, int]:
    """Store what the searches found, one transaction per search: videos, channels, first snapshots, tags, page token,
    end of the lease. New videos are enriched first (videos.list), since search results hold neither tags nor counts.

    Return counts: searches, refused, restarted, unread (answers without a readable result, asked again later), failed,
    videos_found, unreadable (results that name no video), videos_new, videos_enriched, queries_new, archived.
    """
    async with agent_session("hunter") as session:
        answered = [result for result in results if result.failure is not CallFailure.FAILED]
        counts: Counter[str] = Counter(failed=len(results) - len(answered))
        try:
            counts.update(await _ingest_all(session, answered))
        finally:
            # count the searches whose results could not be stored, too
            pages = [result.page for result in answered if result.page]
            await session.ring.settle([reservation for page in pages for reservation in page.reservations])
        counts["archived"] += await session.archive_when_due()
        return dict(counts)


async def _ingest_all(session: AgentSession, results: Sequence[SearchResult]) -> Counter[str]:
    counts: Counter[str] = Counter()
    if not results:
        return counts
    published = {item.id: item.published_at for result in results if result.page for item in result.page.items}
    batch = _Batch(await session.dao.queue_room(), await session.dao.known_videos(published))
    # with a new Shutdown: a requested one must not stop the storing
    outcomes = await run_bounded(
        results, lambda result: _ingest(session, result, batch), limit=settings.youtube_concurrency, shutdown=Shutdown()
    )
    for result, outcome in zip(results, outcomes, strict=True):
        if isinstance(outcome, Counter):
            counts.update(outcome)
        elif isinstance(outcome, StatementFailed):
            skip(session, _purpose(result.topic), outcome)
            counts["failed"] += 1
            session.dao.keep_claims([result.topic["id"]])
        elif isinstance(outcome, Exception):
            session.record_fatal(outcome)
    return counts


@dataclass
class _Batch:
    """The state that the searches of one batch share."""

    room: int
    """How many queries the queue may still take."""
    known: Collection[str]
    """Videos that are stored with the same publish time: they are not enriched again."""
    taken: set[str] = field(default_factory=set)
    """Videos that a search of this batch enriches: the others do not ask for them."""


async def _ingest(session: AgentSession, result: SearchResult, batch: _Batch) -> Counter[str]:
    dao, topic = session.dao, result.topic
    dao.register_topic(topic)
    if result.failure is CallFailure.PAGE_REFUSED:
        get_run_logger().warning("'%s': YouTube refused the page token; the round goes on without it", _term(topic))
        await dao.restart_round(topic["id"])
        return Counter(searches=1, restarted=1)
    if result.page is None:
        await dao.update_search_state(topic["id"], None, 0, TopicStatus.WAITING, read=False)
        return Counter(searches=1, refused=1)
    page = result.page
    # an empty page is the last one of a list if it follows a page that was read, and nothing follows it
    is_last = page.next_page_token is None and topic["page"] > 0
    if not page.items and (page.dropped or page.extra or (page.total_results and not is_last)):
        return await _ask_again(session, topic, page)
    items = list({item.id: item for item in page.items}.values())
    unknown = [item for item in items if item.id not in batch.known]
    new = [item for item in unknown if item.id not in batch.taken]
    # also store, not enriched, what another search enriches: that one may fail, and this page is not read again
    shared = [item.to_video() for item in unknown if item.id in batch.taken]
    batch.taken.update(item.id for item in new)
    enriched, reservations = await enrich(session, new)
    videos = [*enriched, *shared]
    counts: Counter[str] = Counter(searches=1, videos_found=len(items))
    if page.dropped:
        get_run_logger().warning("'%s': %d results cannot be read", _term(topic), page.dropped)
        counts["unreadable"] = page.dropped
    most_new = max(0, min(settings.hunter_new_queries_per_search, batch.room))
    batch.room -= most_new
    published = [item.published_at for item in page.items if item.published_at is not None]
    observed: datetime | None = None

    async def write() -> None:
        nonlocal observed
        async with dao.transaction():
            stored = await dao.ingest_video_metadata(videos, found_by=topic["id"])
            observed = stored.at
            tags = [query for v in videos if v.id in stored.newly_enriched for query in snowball(v.tags)]
            added = await dao.add_to_search_queue(tags, most_new=most_new, topic=topic["query_term"])
            with session.ring.settling([*page.reservations, *reservations]) as calls:
                listed = len(page.items) + page.dropped
                read = PageRead(page.next_page_token, listed, published, len(stored.created))
                await dao.record_page(topic["id"], read, len(items), calls=calls)
        counts.update(videos_new=len(stored.created), videos_enriched=len(stored.newly_enriched), queries_new=added)

    try:
        await session.write(write, reservations)
    finally:
        batch.room += most_new - counts["queries_new"]
    _log_search(topic, counts)
    for video in videos if vault.enabled else ():
        if not video.partial:
            vault.store_metadata(video.id, video.raw, observed_at=observed)
    return counts


async def _ask_again(session: AgentSession, topic: TopicRow, page: SearchPage) -> Counter[str]:
    """Leave the page to be read again: its answer has no readable result, though YouTube counts some."""
    total = max(page.total_results, page.dropped)
    get_run_logger().warning(
        "'%s': no readable result, of %d that YouTube counts%s", topic["query_term"], total, page.oddity
    )

    async def write() -> None:
        async with session.dao.transaction():
            with session.ring.settling(page.reservations) as calls:
                await session.dao.record_unreadable_page(topic["id"], total, calls=calls)

    await session.dao.retry(write)
    return Counter(searches=1, unread=1)


def _log_search(topic: TopicRow, counts: Counter[str]) -> None:
    """Log which query found what (`--verbose`)."""
    after, before = topic["published_after"], topic["published_before"]
    get_run_logger().debug(
        "'%s', page %d: %d results, %d new videos, %d new queries; published from %s to %s",
        _term(topic), topic["round_pages"] + 1, counts["videos_found"], counts["videos_new"], counts["queries_new"],
        iso(after) if after else "the beginning", iso(before) if before else "now",
    )  # fmt: skip


@flow(name="run_hunter_cycle")
async def run_hunter_cycle(batch_size: int = 10) -> dict[str, Any]:
    """Run one cycle: finish what earlier ones left, claim at most ``batch_size`` queries, search, store.

    Return the counts of ``ingest_results`` and ``finish_earlier``, ``topics`` (claimed), ``calls`` (by bucket),
    ``calls_refused`` (by bucket, only if there are any: they cost nothing) and ``outcome``: ``ok``, ``idle``,
    ``quota-exhausted`` or ``failure``. Raise ChurnExit for a rate limit and CancelledExit for a signal, once everything
    answered is stored and claims are released; ConfigError; DatabaseUnavailable.
    """
    async with agent_session("hunter") as session:
        stats: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        session.begin_cycle()
        try:
            stats.update(await finish_earlier())
            if session.searches_left is not None:
                batch_size = min(batch_size, session.searches_left)
            topics = await fetch_batch(batch_size) if batch_size and not session.over else []
            stats["topics"] = len(topics)
            stats.update(await ingest_results(await search_youtube(topics)))
            session.raise_if_over()
        finally:
            await session.end_cycle(stats)
        return {**stats, **session.cycle_calls(), **await _outcome(session, stats)}


async def _outcome(session: AgentSession, stats: Counter[str]) -> dict[str, Any]:
    spent = {"exhausted": sorted(session.exhausted)} if session.exhausted else {}
    if "search" in session.exhausted:
        return {"outcome": Outcome.QUOTA_EXHAUSTED, "reason": session.exhausted["search"]} | spent
    failed, unfinished = stats["failed"], stats["unfinished_failed"]
    if stats["refused"] and stats["refused"] + failed == stats["topics"]:
        error = f"{stats['topics']} of {stats['topics']} searches failed: {session.failures['searches']}"
        hint = "check the queries, HUNTER_REGION, HUNTER_LANGUAGE and HUNTER_CATEGORY"
        return {"outcome": Outcome.FAILURE, "error": f"{error}; {hint}"} | spent
    # videos that wait for units are no failure
    if (failed or (unfinished and not spent)) and not stats["searches"] and unfinished == stats["unfinished"]:
        what = f"{failed} of {stats['topics']} searches failed: {session.failures['searches']}"
        if not failed:
            what = f"{unfinished} of {unfinished} videos that had to be enriched failed: {session.failures['videos']}"
        return {"outcome": Outcome.FAILURE, "error": what} | spent
    if stats["topics"] or stats["unfinished"]:
        return {"outcome": Outcome.OK} | spent
    if session.searches_left == 0:
        return {"outcome": Outcome.OK, "reason": "HUNTER_MAX_SEARCHES_PER_RUN is reached"} | spent
    return {"outcome": Outcome.IDLE, "reason": await session.dao.why_no_topics()} | spent
