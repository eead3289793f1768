"""The Hunter: discovers videos through search queries, and feeds their tags back as new queries (Snowball)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from atlas import vault
from atlas.adapters.search_rounds import PageRead
from atlas.config import settings
from atlas.errors import ConfigError, RingExhausted, StatementFailed
from atlas.models.rows import TopicRow, TopicStatus
from atlas.quota.buckets import Bucket
from atlas.times import iso
from maia.agents.enrichment import archive_when_due, enrich, finish_earlier
from maia.agents.session import AgentSession, agent_session
from maia.agents.snowball import Snowball
from maia.orchestration import flow, get_run_logger, task
from maia.runtime.concurrency import Unfinished, run_bounded
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import record_stats
from maia.runtime.shutdown import Shutdown
from maia.youtube import BadRequest, NotFound, PageTokenInvalid, RateLimited, SearchPage, Stopped, YouTubeError

__all__ = ["Searched", "fetch_batch", "ingest_results", "run_hunter_cycle", "search_youtube"]

# parameters of a search that come from a setting: what YouTube refuses there is no query's fault
_SETTING_OF = {
    "regionCode": "hunter_region",
    "relevanceLanguage": "hunter_language",
    "safeSearch": "hunter_safe_search",
    "videoCategoryId": "hunter_category",
}

# what a run's stats always have, 0 or not
_COUNTS = (
    "topics", "searches", "failed", "videos_found", "videos_new", "videos_enriched", "queries_new", "archived",
)  # fmt: skip


@dataclass
class Searched:
    """What became of one topic's search.

    Attributes:
        page: the answer; None if there is none.
        refused: YouTube refuses this query as it is: asking again at once would end the same.
        restart: YouTube refused the page token.
        failed: network, server or a broken answer, after the retries.
    """

    topic: TopicRow
    page: SearchPage | None = None
    refused: bool = False
    restart: bool = False
    failed: bool = False


@task(name="fetch_batch")
async def fetch_batch(batch_size: int = 10) -> list[TopicRow]:
    """Claims at most ``batch_size`` queries that are due."""
    async with agent_session("hunter") as session:
        topics = await session.dao.fetch_hunter_batch(batch_size)
        get_run_logger().info("claimed %d queries", len(topics))
        return topics


@task(name="search_youtube")
async def search_youtube(topics: Sequence[TopicRow]) -> list[Searched]:
    """Searches each topic's next page, the calls at once (bounded). Topics that were not asked are left out.

    A rate limit lets the running calls finish, starts no new one, and requests a churn of the session: the flow leaves
    with ChurnExit once what was answered is stored. Where settings restrict the search, the first search of a process
    is made alone: if YouTube refuses one of them, no other search is spent.
    """
    async with agent_session("hunter") as session:
        restricted = any(getattr(settings, name) is not None for name in _SETTING_OF.values())
        alone = int(restricted and not session.ring.calls[Bucket.SEARCH])
        outcomes = [
            outcome
            for part in (topics[:alone], topics[alone:])
            for outcome in await run_bounded(
                part,
                lambda topic: _search(session, topic),
                limit=settings.youtube_concurrency,
                shutdown=session.shutdown,
            )
        ]
        searched = []
        for outcome in outcomes:
            if isinstance(outcome, Searched):
                searched.append(outcome)
                if outcome.failed:
                    session.dao.set_aside([outcome.topic["id"]])
            elif isinstance(outcome, Exception):
                session.record_fatal(outcome)
        return searched


async def _search(session: AgentSession, topic: TopicRow) -> Searched | Unfinished:
    logger = get_run_logger()
    query = topic["display_term"] or topic["query_term"]
    if session.fatal is not None or "search" in session.exhausted or session.searches_left == 0:
        return Unfinished.NOT_STARTED
    try:
        page = await session.client.search(
            topic["query_term"],
            page_token=topic["next_page_token"],
            published_after=topic["published_after"],
            published_before=topic["published_before"],
            region=settings.hunter_region,
            language=settings.hunter_language,
            safe_search=settings.hunter_safe_search,
            category=settings.hunter_category,
        )
    except RateLimited as error:
        session.churn(error)
        return Unfinished.LEFT
    except RingExhausted as error:
        session.record_exhausted(error, "the other queries wait until then")
        return Unfinished.NOT_STARTED
    except PageTokenInvalid:
        logger.warning("'%s': YouTube refused the page token; the round goes on without it", query)
        return Searched(topic, restart=True)
    except (BadRequest, NotFound) as error:
        if refused := _refused_setting(error):
            session.record_fatal(refused)
            return Unfinished.LEFT
        logger.warning("'%s': YouTube refuses this query: %s", query, error)
        session.failures["searches"].record(error)
        return Searched(topic, refused=True)
    except Stopped:
        return Unfinished.NOT_STARTED
    except YouTubeError as error:
        logger.warning("'%s' is skipped: %s", query, error)
        session.failures["searches"].record(error)
        return Searched(topic, failed=True)
    except StatementFailed as error:
        logger.error("'%s' is skipped: %s", query, error)
        session.failures["searches"].record(error)
        return Searched(topic, failed=True)
    return Searched(topic, page=page)


def _refused_setting(error: YouTubeError) -> ConfigError | None:
    """The setting whose value YouTube refuses, where the error names the parameter that carries it."""
    if not isinstance(error, BadRequest) or (name := _SETTING_OF.get(error.parameter or "")) is None:
        return None
    if (value := getattr(settings, name)) is None:
        return None
    return ConfigError(
        f"{name.upper()}: YouTube refuses the value '{value}' ({error.quote or error.reason}). Correct or unset it. "
        "The queries stay due."
    )


@task(name="ingest_results")
async def ingest_results(searched: Sequence[Searched]) -> dict[str, int]:
    """Stores what the searches found, one transaction per search: videos, channels, first snapshots, tags, page token,
    end of the lease. New videos are enriched first (videos.list), since search results hold neither tags nor counts.

    Returns:
        counts: searches, refused, restarted, unread (answers without a readable result, asked again later), failed,
        videos_found, unreadable (results that name no video), videos_new, videos_enriched, queries_new, archived.
    """
    async with agent_session("hunter") as session:
        counts: Counter[str] = Counter(failed=sum(found.failed for found in searched))
        answered = [found for found in searched if not found.failed]
        try:
            counts.update(await _ingest_all(session, answered))
        finally:
            # of searches that could not be stored: they were made, and are counted
            await session.ring.settle(
                [reservation for found in answered if found.page for reservation in found.page.reservations]
            )
        counts["archived"] += await archive_when_due(session)
        return dict(counts)


async def _ingest_all(session: AgentSession, answered: Sequence[Searched]) -> Counter[str]:
    counts: Counter[str] = Counter()
    if not answered:
        return counts
    published = {item.id: item.published_at for found in answered if found.page for item in found.page.items}
    batch = _Batch(await session.dao.queue_room(), await session.dao.known_videos(published))
    # a shutdown of its own: what was answered is stored, whatever was requested
    outcomes = await run_bounded(
        answered, lambda found: _ingest(session, found, batch), limit=settings.youtube_concurrency, shutdown=Shutdown()
    )
    for found, outcome in zip(answered, outcomes, strict=True):
        if isinstance(outcome, Counter):
            counts.update(outcome)
        elif isinstance(outcome, StatementFailed):
            shown = found.topic["display_term"] or found.topic["query_term"]
            get_run_logger().error("'%s' is skipped: %s", shown, outcome)
            session.failures["searches"].record(outcome)
            counts["failed"] += 1
            session.dao.set_aside([found.topic["id"]])
        elif isinstance(outcome, Exception):
            session.record_fatal(outcome)
    return counts


@dataclass
class _Batch:
    """What searches that are stored at the same time share.

    Attributes:
        left: how many queries the queue may still take.
        known: videos that are stored already, as of the same publish time: they are not asked about again.
        taken: videos that one of them asks about: the others need not.
    """

    left: int
    known: Collection[str]
    taken: set[str] = field(default_factory=set)

    def take(self) -> int:
        """One search's share; what it does not use is put back."""
        share = max(0, min(settings.hunter_new_queries_per_search, self.left))
        self.left -= share
        return share

    def put_back(self, number: int) -> None:
        self.left += number


async def _ingest(session: AgentSession, found: Searched, batch: _Batch) -> Counter[str]:
    dao, topic = session.dao, found.topic
    dao.hold_topic(topic)
    if found.restart:
        await dao.restart_round(topic["id"])
        return Counter(searches=1, restarted=1)
    if found.page is None:
        await dao.update_search_state(topic["id"], None, 0, TopicStatus.WAITING, read=False)
        return Counter(searches=1, refused=1)
    page = found.page
    if not page.items and (page.dropped or page.extra or (page.total_results and not _last_page(topic, page))):
        return await _ask_again(session, found.topic, page)
    items = list({item.id: item for item in page.items}.values())
    unknown = [item for item in items if item.id not in batch.known]
    new = [item for item in unknown if item.id not in batch.taken]
    # what another search asks about is stored here too: that one may fail, and this page is not read again
    shared = [item.to_video() for item in unknown if item.id in batch.taken]
    batch.taken.update(item.id for item in new)
    enriched, reservations = await enrich(session, new)
    videos = [*enriched, *shared]
    counts: Counter[str] = Counter(searches=1, videos_found=len(items))
    if page.dropped:
        get_run_logger().warning("'%s': %d results cannot be read", topic["query_term"], page.dropped)
        counts["unreadable"] = page.dropped
    share = batch.take()
    observed: datetime | None = None
    listed = len(page.items) + page.dropped
    published = [item.published_at for item in page.items if item.published_at is not None]

    async def write() -> None:
        nonlocal observed
        async with dao.transaction():
            stored = await dao.ingest_video_metadata(videos)
            observed = stored.at
            snowball = Snowball.configured()
            tags = [query for v in videos if v.id in stored.newly_enriched for query in snowball.queries(v.tags)]
            added = await dao.add_to_search_queue(tags, most_new=share, topic=topic["query_term"])
            with session.ring.settling([*page.reservations, *reservations]) as calls:
                read = PageRead(page.next_page_token, listed, published, len(stored.created))
                await dao.page_read(topic["id"], read, len(items), calls=calls)
        counts.update(videos_new=len(stored.created), videos_enriched=len(stored.newly_enriched), queries_new=added)

    try:
        await dao.patiently(write)
        _log_search(topic, counts)
    except StatementFailed:
        await session.ring.settle(reservations)  # the call was made, whatever became of its answer
        raise
    finally:
        batch.put_back(share - counts["queries_new"])
    for video in videos if vault.enabled else ():
        if not video.partial:
            vault.store_metadata(video.id, video.raw, observed_at=observed)
    return counts


def _log_search(topic: TopicRow, counts: Counter[str]) -> None:
    """Log which query found what (`--verbose`)."""
    after, before = topic["published_after"], topic["published_before"]
    get_run_logger().debug(
        "'%s', page %d: %d results, %d new videos, %d new queries; published from %s to %s",
        topic["display_term"] or topic["query_term"], topic["round_pages"] + 1, counts["videos_found"],
        counts["videos_new"], counts["queries_new"], iso(after) if after else "the beginning",
        iso(before) if before else "now",
    )  # fmt: skip


def _last_page(topic: TopicRow, page: SearchPage) -> bool:
    """Whether an empty page is the last one of a list: it follows a page that was read, and nothing follows it."""
    return page.next_page_token is None and topic["page"] > 0


async def _ask_again(session: AgentSession, topic: TopicRow, page: SearchPage) -> Counter[str]:
    """An answer without a readable result, though YouTube counts some, proves nothing: its page is not read."""
    total = max(page.total_results, page.dropped)
    get_run_logger().warning(
        "'%s': no readable result, of %d that YouTube counts%s", topic["query_term"], total, page.oddity
    )

    async def write() -> None:
        async with session.dao.transaction():
            with session.ring.settling(page.reservations) as calls:
                await session.dao.page_unread(topic["id"], total, calls=calls)

    await session.dao.patiently(write)
    return Counter(searches=1, unread=1)


@flow(name="run_hunter_cycle")
async def run_hunter_cycle(batch_size: int = 10) -> dict[str, Any]:
    """One cycle: finish what an earlier one had to leave, claim queries, search, store.

    Args:
        batch_size: most queries of this cycle.

    Returns:
        the counts of ``ingest_results`` and ``finish_earlier``, ``topics`` (claimed), ``calls`` (by bucket),
        ``calls_refused`` (those that cost nothing, where there are any) and ``outcome``: ``ok``, ``idle``,
        ``quota-exhausted`` or ``failure``.

    Raises:
        ChurnExit: a rate limit; everything answered is stored, claims are released.
        CancelledExit: a signal, likewise.
        ConfigError, DatabaseUnavailable.
    """
    async with agent_session("hunter") as session:
        stats: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        before = Counter(session.ring.calls), Counter(session.ring.refused)
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
            record_stats({**stats, **session.calls_since(*before)})
            record_stats({"released": await session.dao.release_claims()})
        return {**stats, **session.calls_since(*before), **await _outcome(session, stats)}


async def _outcome(session: AgentSession, stats: Counter[str]) -> dict[str, Any]:
    # without units, searches are stored all the same
    spent = {"exhausted": sorted(session.exhausted)} if session.exhausted else {}
    if "search" in session.exhausted:
        return {"outcome": Outcome.QUOTA_EXHAUSTED, "reason": session.exhausted["search"]} | spent
    failed, unfinished = stats["failed"], stats["unfinished_failed"]
    if stats["refused"] and stats["refused"] + failed == stats["topics"]:
        error = f"{stats['topics']} of {stats['topics']} searches failed: {session.failures['searches']}"
        hint = "check the queries, HUNTER_REGION, HUNTER_LANGUAGE and HUNTER_CATEGORY"
        return {"outcome": Outcome.FAILURE, "error": f"{error}; {hint}"} | spent
    # enriching waits for units, which is no failure; searches do not
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
