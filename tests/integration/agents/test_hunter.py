"""The Hunter against a local YouTube and a real PostgreSQL: what it finds, and what it does when things go wrong."""

from __future__ import annotations

import itertools
import json
import logging
from collections import Counter
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.errors import StatementFailed
from atlas.quota.buckets import Bucket
from maia.agents.session import agent_session
from maia.hunter import run_hunter_cycle
from maia.runtime.exits import ChurnExit
from maia.youtube import YouTubeClient
from youtube_sandbox import RunningSandbox

from ...support.agents import (
    HUNTING,
    NOON,
    Timeline,
    assert_every_call_is_counted,
    fetch,
    nothing_is_claimed,
    refuse_writes,
    value,
)

pytestmark = pytest.mark.integration

ONE_PAGE = "rust"  # fewer than 50 videos in this world's last 24 h
PAGES = "football"  # more than 50


async def add(*queries: str) -> None:
    await QueueDAO().add(list(queries))


async def topic(db: Database, query: str) -> dict[str, Any]:
    (row,) = await fetch(db, "SELECT * FROM search_queue WHERE query_term = $1", query)
    return row


async def stored(db: Database, condition: str = "true") -> set[str]:
    return {row["id"] for row in await fetch(db, f"SELECT id FROM videos WHERE {condition}")}


async def all_is_accounted_for(db: Database, api: RunningSandbox) -> bool:
    await assert_every_call_is_counted(db, api)
    return await nothing_is_claimed(db)


def searched(api: RunningSandbox) -> list[str]:
    return [entry.params["q"] for entry in api.log.calls("search")]


@pytest.fixture
def no_snowball(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNTER_TAGS_PER_VIDEO", "0")
    settings.reload()


# ── what it stores ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_results_are_stored_once_with_metadata_snapshot_and_archive_and_then_cost_no_units(
    db: Database, api: RunningSandbox, vault_folder: Path
) -> None:
    await add("python", "python | tutorial", ONE_PAGE)
    stats = await run_hunter_cycle(10)
    found = [id_ for entry in api.log.calls("search") for id_ in entry.ids]
    assert len(found) > len(set(found)), "the queries have results in common"
    videos = {row["id"]: row for row in await fetch(db, "SELECT * FROM videos")}
    assert set(videos) == set(found)
    now = api.clock.now().timestamp()
    for id_, row in videos.items():
        video = api.world.video(id_, now)
        assert video is not None
        assert (row["title"], row["channel_id"]) == (video.title, video.channel.id)
        length = timedelta(seconds=0 if video.live(now) else video.duration)
        assert (row["tags"], row["duration"]) == (list(video.tags), length)
        assert row["enriched_at"] is not None
        assert row["archived_at"] is not None
    snapshots = await fetch(db, "SELECT * FROM video_stats_log")
    assert Counter(row["video_id"] for row in snapshots) == Counter(set(found)), "one first snapshot each"
    assert all(row["views"] is not None for row in snapshots)
    channels = {row["id"] for row in await fetch(db, "SELECT id FROM channels")}
    assert channels == {row["channel_id"] for row in videos.values()}
    folder = vault_folder / "metadata" / f"{NOON:%Y-%m-%d}"
    assert {file.stem for file in folder.iterdir()} == set(found)
    archived = json.loads((folder / f"{found[0]}.json").read_text())
    assert (archived["id"], archived["snippet"]["title"]) == (found[0], videos[found[0]]["title"])
    (first,) = (row["observed_at"] for row in snapshots if row["video_id"] == found[0])
    assert archived["_maia"] == {"observed_at": f"{first.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}
    assert (stats["videos_found"], stats["outcome"]) == (len(found), "ok")
    assert stats["videos_new"] == stats["videos_enriched"] == len(set(found))
    assert stats["archived"] >= len(set(found))
    asked = len(api.log.calls("videos"))
    assert stats["calls"] == {"search": 3, "units": asked}
    assert await all_is_accounted_for(db, api)
    await add(f"{ONE_PAGE} -nothing")
    stats = await run_hunter_cycle(1)
    assert (stats["videos_found"] > 0, stats["videos_new"], stats["calls"]) == (True, 0, {"search": 1})
    assert len(api.log.calls("videos")) == asked


async def test_tags_become_queries_ranked_by_the_videos_that_mention_them(db: Database, api: RunningSandbox) -> None:
    await add(ONE_PAGE)
    stats = await run_hunter_cycle(10)
    mentions: Counter[str] = Counter()
    for row in await fetch(db, "SELECT tags FROM videos"):
        mentions.update({" ".join(tag.split()).casefold() for tag in row["tags"][:20] if len(tag.strip()) > 1})
    queued = {row["query_term"]: row for row in await fetch(db, "SELECT * FROM search_queue WHERE source = 'tag'")}
    assert len(queued) == stats["queries_new"] == settings.hunter_new_queries_per_search == 20
    assert all(1 <= row["priority"] == row["mentions"] <= mentions[term] for term, row in queued.items())
    ranks = sorted(row["priority"] for row in queued.values())
    assert ranks[-1] > 3, "what many videos mention ranks above"
    api.log.clear()
    await run_hunter_cycle(3)
    assert len(searched(api)) == 3, "the Snowball rolls"
    assert set(searched(api)) <= set(queued)
    assert min(queued[term]["priority"] for term in searched(api)) >= ranks[-3]


async def test_the_snowball_keeps_to_its_bounds(
    db: Database, api: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER_TAG_ALLOW", "[aeiou]")
    monkeypatch.setenv("HUNTER_TAG_DENY", "review|shorts")
    monkeypatch.setenv("HUNTER_MAX_QUEUE", "30")
    monkeypatch.setenv("HUNTER_NEW_QUERIES_PER_SEARCH", "8")
    settings.reload()
    await add("python", "guitar")
    assert (await run_hunter_cycle(10))["queries_new"] == 16
    await add("minecraft", "cooking", "travel", "news")
    await run_hunter_cycle(4)
    terms = [row["query_term"] for row in await fetch(db, "SELECT query_term FROM search_queue WHERE source = 'tag'")]
    assert len(terms) == 30 - 6, "searches that are stored at the same time share what room is left"
    assert not [term for term in terms if "review" in term or "shorts" in term]
    assert all(set(term) & set("aeiou") for term in terms)
    await run_hunter_cycle(10)
    assert await value(db, "SELECT count(*) FROM search_queue") == 30


async def test_a_page_token_that_is_refused_begins_a_slice_where_the_round_has_read_to(
    db: Database, api: RunningSandbox
) -> None:
    await add(PAGES)
    await run_hunter_cycle(1)
    api.faults.add("page-token:search:times=1")
    stats = await run_hunter_cycle(1)
    assert (stats["searches"], stats["restarted"], stats["outcome"]) == (1, 1, "ok")
    await run_hunter_cycle(1)
    first, refused, again = api.log.calls("search")
    assert (refused.params.get("pageToken") is not None, refused.status) == (True, 400)
    oldest = await value(db, "SELECT min(published_at) FROM videos WHERE id = ANY ($1)", first.ids)
    assert again.params == first.params | {"publishedBefore": f"{oldest:%Y-%m-%dT%H:%M:%SZ}"}
    await assert_every_call_is_counted(db, api)


@pytest.mark.parametrize("api", [{"videos": 1_400, "channels": 80}], indirect=True)
async def test_three_weeks_neither_dry_up_nor_flood_the_queue(
    db: Database, api: RunningSandbox, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER_MAX_QUEUE", "12")
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    monkeypatch.setenv("HUNTER_PUBLISHED_WITHIN_HOURS", "72")
    settings.reload()
    await add("gaming", "an unheard-of query")
    new: list[int] = []
    rounds: dict[str, list[int]] = {}
    for day in range(23):
        api.log.clear()
        stats = await run_hunter_cycle(12)
        assert (stats["outcome"], stats["searches"] > 0) == ("ok", True), "something is always due"
        assert await value(db, "SELECT count(*) FROM search_queue") <= 12, "and not more than is allowed"
        new.append(stats["videos_new"])
        for entry in api.log.calls("search"):
            if "pageToken" not in entry.params:
                rounds.setdefault(entry.params["q"], []).append(day)
        timeline.advance(hours=25)  # a little more than the intervals, which are whole days
    assert all(sum(new[day : day + 5]) > 10 for day in range(0, 20, 5)), new
    assert len(rounds) == 12, "every query has its turn"
    # one that never brings anything rests for longer and longer, up to a week; one that does comes up again and again
    barren = rounds["an unheard-of query"]
    assert [later - earlier for earlier, later in itertools.pairwise(barren)] == [1, 1, 2, 4, 7, 7]
    assert max(len(days) for days in rounds.values()) > 15


async def test_the_cap_of_searches_holds_over_the_cycles_of_a_process(
    db: Database, api: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER_MAX_SEARCHES_PER_RUN", "3")
    settings.reload()
    await add("python", "guitar", "cooking", "news", "travel")
    async with agent_session("hunter"):
        assert [(await run_hunter_cycle(2))["searches"] for _ in range(2)] == [2, 1]
        over = await run_hunter_cycle(2)
    assert (over["topics"], over["outcome"]) == (0, "ok")
    assert over["reason"] == "HUNTER_MAX_SEARCHES_PER_RUN is reached"
    assert len(api.log.calls("search")) == 3
    assert await nothing_is_claimed(db)


async def test_idle_says_why_and_what_to_do(db: Database, api: RunningSandbox) -> None:
    stats = await run_hunter_cycle(5)
    assert stats["outcome"] == "idle"
    assert 'maia queue add "your query"' in stats["reason"]
    await add(ONE_PAGE)
    await QueueDAO().pause([ONE_PAGE])
    assert "paused" in (await run_hunter_cycle(5))["reason"]
    await add(ONE_PAGE)
    await run_hunter_cycle(5)
    await db.fetch("DELETE FROM search_queue WHERE source = 'tag'")
    stats = await run_hunter_cycle(5)
    assert (stats["outcome"], stats["reason"]) == ("idle", "no query is due before 2026-11-21T02:00Z")
    await db.fetch(
        "UPDATE search_queue SET status = 'active', lease_token = gen_random_uuid(), leased_until = now() + '1 h'"
    )
    assert "leased by other shards" in (await run_hunter_cycle(5))["reason"]


async def test_verbose_shows_which_query_found_what_and_otherwise_none_is_named(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    await add(PAGES)
    await db.fetch("UPDATE search_queue SET display_term = 'FootBall'")
    caplog.set_level(logging.DEBUG, "maia")
    stats = await run_hunter_cycle(1)
    (line,) = [r for r in caplog.records if "page 1" in r.getMessage()]
    assert line.levelno == logging.DEBUG
    assert line.getMessage() == (
        f"'FootBall', page 1: 50 results, {stats['videos_new']} new videos, {stats['queries_new']} new queries; "
        "published from 2026-11-19T20:00:00Z to 2026-11-20T20:00:00Z"
    )
    assert not [r for r in caplog.records if r.levelno > logging.DEBUG and "football" in r.getMessage().lower()]


# ── videos that cannot be enriched or archived now ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["backend-error:videos", None, "rate-limit:videos", "not-found:videos"])
async def test_a_search_that_cannot_be_enriched_is_stored_and_enriched_first_later(
    db: Database, api: RunningSandbox, timeline: Timeline, fault: str | None, vault_folder: Path
) -> None:
    """None: the quota of units is spent."""
    await add(ONE_PAGE)
    if fault is None:
        api.quota.limits[Bucket.UNITS] = 0
    else:
        api.faults.add(fault)
    if fault == "rate-limit:videos":
        with pytest.raises(ChurnExit):
            await run_hunter_cycle(1)
    else:
        stats = await run_hunter_cycle(1)
        assert (stats["outcome"], stats.get("exhausted")) == ("ok", ["units"] if fault is None else None)
        assert (stats["searches"], stats["videos_enriched"], stats["archived"]) == (1, 0, 0)
    rows = await fetch(db, "SELECT * FROM videos")
    ids = [row["id"] for row in rows]
    assert set(ids) == set(api.log.calls("search")[0].ids)
    assert all(row["title"] and row["published_at"] and row["enriched_at"] is None for row in rows)
    assert await value(db, "SELECT count(*) FROM search_queue") == 1, "search results hold no tags"
    assert (await topic(db, ONE_PAGE))["status"] == "waiting"
    assert await all_is_accounted_for(db, api)

    api.faults.clear()
    api.quota.limits[Bucket.UNITS] = 10_000
    api.log.clear()
    await db.fetch("TRUNCATE api_calls")
    if fault is None:
        await run_hunter_cycle(1)
        assert not list(api.log), "the suspension holds"
        timeline.advance(hours=12, minutes=1)
    stats = await run_hunter_cycle(1)
    assert stats["unfinished"] == len(ids)
    assert stats["videos_enriched"] == stats["archived"] >= len(ids)
    assert stats["queries_new"] >= 20, "its tags are counted then"
    assert next(iter(api.log)).endpoint == "videos"
    assert await stored(db, "enriched_at IS NULL OR archived_at IS NULL") & set(ids) == set()
    snapshots = await fetch(db, "SELECT video_id FROM video_stats_log WHERE video_id = ANY ($1)", ids)
    assert Counter(row["video_id"] for row in snapshots) == Counter(ids)
    await assert_every_call_is_counted(db, api)


@pytest.mark.usefixtures("no_snowball")
async def test_unfinished_videos_that_are_gone_do_not_block_the_others(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    await add(ONE_PAGE)
    await run_hunter_cycle(1)  # these are there
    api.faults.add("backend-error:videos")
    await add("guitar", "cooking")
    await run_hunter_cycle(2)
    unread = await fetch(db, "SELECT id FROM videos WHERE enriched_at IS NULL ORDER BY first_seen_at")
    assert len(unread) > 90
    gone = {row["id"] for row in unread[:50]}
    for id_ in gone:
        assert api.world.delete(id_, api.clock.now().timestamp())
    api.faults.clear()
    for _ in range(4):
        await run_hunter_cycle(1)
    assert await stored(db, "enriched_at IS NULL") == gone
    for _ in range(2):
        timeline.advance(hours=7)
        for _ in range(2):
            await run_hunter_cycle(1)
    assert await stored(db, "retired_at IS NOT NULL") == gone


async def test_a_vault_that_fails_blocks_nothing_and_is_caught_up_later(
    db: Database, api: RunningSandbox, timeline: Timeline, vault_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vault_folder.mkdir()
    (vault_folder / "metadata").write_text("a file where the folder should be")
    await add(ONE_PAGE)
    stats = await run_hunter_cycle(1)
    assert (stats["outcome"], stats["archived"]) == ("ok", 0)
    assert any(r.levelno == logging.WARNING and "not archived" in r.getMessage() for r in caplog.records)
    assert len(await stored(db, "archived_at IS NULL")) == stats["videos_new"]
    event = await value(db, "SELECT payload FROM events WHERE type = 'archive_failed'")
    assert event["failed"] == stats["videos_new"]

    (vault_folder / "metadata").unlink()
    timeline.advance(hours=2)
    assert (await run_hunter_cycle(1))["archived"] >= stats["videos_new"]
    assert await stored(db, "archived_at IS NULL") == set()
    id_ = api.log.calls("search")[0].ids[0]
    record = json.loads((vault_folder / "metadata" / f"{timeline.at:%Y-%m-%d}" / f"{id_}.json").read_text())
    assert record["_maia"]["refetched_at"].startswith(f"{timeline.at:%Y-%m-%dT%H}")
    enriched = await value(db, "SELECT enriched_at FROM videos WHERE id = $1", id_)
    assert record["_maia"]["observed_at"] == f"{enriched.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


async def test_videos_that_cannot_be_enriched_are_a_failure_that_names_the_cause(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    await add(ONE_PAGE)
    api.faults.set(["backend-error:videos"])
    assert (await run_hunter_cycle(1))["outcome"] == "ok"
    await db.fetch("DELETE FROM search_queue")
    timeline.advance(minutes=5)
    stats = await run_hunter_cycle(1)
    left = stats["unfinished"]
    assert (left > 0, stats["outcome"]) == (True, "failure")
    cause = f"500 backendError ({left}): Backend Error"
    assert stats["error"] == f"{left} of {left} videos that had to be enriched failed: {cause}"
    # videos that wait for units are no failure, but searches that fail beside them are
    api.faults.set(["quota:videos", "backend-error:search"])
    await add("python", "guitar")
    timeline.advance(minutes=5)
    stats = await run_hunter_cycle(2)
    assert stats["unfinished_failed"] == stats["unfinished"] > 0
    assert (stats["failed"], stats["outcome"], stats["exhausted"]) == (2, "failure", ["units"])
    assert stats["error"].startswith("2 of 2 searches failed: 500 backendError (2)")


@pytest.mark.parametrize("control_ids", [True, False])
async def test_a_statement_that_fails_before_the_enrichment_leaves_it_to_later(
    db: Database, api: RunningSandbox, monkeypatch: pytest.MonkeyPatch, control_ids: bool
) -> None:
    """Without control ids, the batch of unfinished videos waits once more."""
    await add(ONE_PAGE)
    await refuse_writes(db, "api_calls", "INSERT", "NEW.bucket = 'units'")
    stats = await run_hunter_cycle(1)
    new = stats["videos_new"]
    assert (stats["outcome"], stats["searches"], new > 0) == ("ok", 1, True)
    assert len(await stored(db, "enriched_at IS NULL")) == new
    await db.fetch("DROP TRIGGER refuse ON api_calls")
    if not control_ids:

        async def refused(_dao: MaiaDAO, _number: int) -> list[str]:
            raise StatementFailed("canceling statement due to statement timeout")

        await add("python")
        with monkeypatch.context() as patch:
            patch.setattr(MaiaDAO, "fetch_control_ids", refused)
            stats = await run_hunter_cycle(1)
        assert (stats["outcome"], stats["searches"]) == ("ok", 1)
        assert (stats["unfinished"], stats["unfinished_failed"]) == (new, new)
        assert await nothing_is_claimed(db), "what failed is released with the session"
    assert (await run_hunter_cycle(1))["unfinished"] > 0
    assert await stored(db, "enriched_at IS NULL") == set()


# ── searches that fail ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("refusal", ["not-found", "unavailable-403"])
async def test_a_query_that_is_refused_does_not_block_the_queue(
    db: Database, api: RunningSandbox, refusal: str, timeline: Timeline
) -> None:
    await add("python", ONE_PAGE)
    api.faults.add(f"{refusal}:search:times=1")
    stats = await run_hunter_cycle(1)
    assert (stats["searches"], stats["refused"], stats["failed"], stats["outcome"]) == (1, 1, 0, "failure")
    row = await topic(db, "python")
    assert (row["status"], row["round_ended_at"]) == ("waiting", None)
    await run_hunter_cycle(1)
    assert searched(api) == ["python", ONE_PAGE]
    timeline.advance(hours=13)
    await run_hunter_cycle(1)
    assert searched(api)[-1] == "python", "it is tried again later"


async def test_a_spent_day_quota_rotates_and_then_exhausts_the_ring(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    api.quota.limits[Bucket.SEARCH] = 2
    await add("python", "guitar", "cooking", "news", "travel")
    stats = await run_hunter_cycle(5)
    assert (stats["outcome"], stats["exhausted"], stats["searches"]) == ("quota-exhausted", ["search"], 4)
    (spent,) = [r for r in caplog.records if "every key of the ring 'hunting' has spent" in r.getMessage()]
    assert spent.levelno == logging.INFO
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []
    assert stats["reason"] == (
        "every key of the ring 'hunting' has spent the day's 'search' quota; it resets at "
        "2026-11-21T08:00:00Z (in 12.0 h)"
    )
    answered = api.log.calls("search", status=200)
    assert Counter(entry.key for entry in answered) == {fingerprint(key): 2 for key in HUNTING}
    assert await all_is_accounted_for(db, api)
    # the others go on, and the spent bucket is not asked again before midnight Pacific
    before = len(api.log.calls("search"))
    assert (await run_hunter_cycle(5))["outcome"] == "quota-exhausted"
    assert len(api.log.calls("search")) == before


async def test_a_rate_limit_stores_what_was_answered_and_releases_the_rest(db: Database, api: RunningSandbox) -> None:
    await add("python", "guitar", "cooking", "news", ONE_PAGE)
    api.faults.add("rate-limit:search:after=2")
    with pytest.raises(ChurnExit) as left:
        await run_hunter_cycle(5)
    assert left.value.code == 75
    answered = api.log.calls("search", status=200)
    assert len(answered) == 2
    assert await stored(db) == {id_ for entry in answered for id_ in entry.ids}
    rows = await fetch(db, "SELECT query_term FROM search_queue WHERE searches > 0")
    assert {row["query_term"] for row in rows} == {entry.params["q"] for entry in answered}
    assert await all_is_accounted_for(db, api)


@pytest.mark.parametrize("fault", ["backend-error", "not-json", "broken-json", "cut", "drop"])
async def test_a_search_that_fails_is_skipped_and_a_batch_that_fails_is_a_failure(
    db: Database, api: RunningSandbox, fault: str
) -> None:
    await add(ONE_PAGE)
    api.faults.add(f"{fault}:search:times=2")
    assert (await run_hunter_cycle(1))["outcome"] == "ok", "the third try succeeds"
    api.faults.set([f"{fault}:search"])
    await add("python", "guitar")
    stats = await run_hunter_cycle(2)
    assert (stats["outcome"], stats["failed"], stats["searches"]) == ("failure", 2, 0)
    assert await value(db, "SELECT count(*) FROM search_queue WHERE status = 'active' AND source = 'user'") == 2
    assert await all_is_accounted_for(db, api)


async def test_a_search_that_cannot_be_stored_is_skipped_whole_and_the_rest_is_stored(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """What two searches found is stored by the one where the other fails: its page will not be read again."""
    await add("python", "python | tutorial", ONE_PAGE)
    # the last statement of the transaction but one: what came before it must be undone
    await refuse_writes(db, "search_queue", "UPDATE", "NEW.query_term = 'python' AND NEW.searches > OLD.searches")
    stats = await run_hunter_cycle(3)
    assert (stats["outcome"], stats["searches"], stats["failed"]) == ("ok", 2, 1)
    (error,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert error.startswith("'python' is skipped: the database refused a statement")
    found = {entry.params["q"]: set(entry.ids) for entry in api.log.calls("search")}
    failed = found.pop("python")
    assert failed & found["python | tutorial"], "the queries have results in common"
    assert failed - found["python | tutorial"]
    assert await stored(db) == set().union(*found.values())
    assert (await topic(db, "python"))["searches"] == 0
    assert await all_is_accounted_for(db, api)
    await db.fetch("DROP TRIGGER refuse ON search_queue")
    api.log.clear()
    await run_hunter_cycle(1)
    assert searched(api) == ["python"], "it is asked again"


async def test_a_reservation_that_fails_is_a_failed_search(db: Database, api: RunningSandbox) -> None:
    await add(ONE_PAGE)
    await refuse_writes(db, "api_calls", "INSERT", "NEW.bucket = 'search'")
    stats = await run_hunter_cycle(1)
    assert (stats["outcome"], stats["failed"]) == ("failure", 1)
    assert not list(api.log), "no call that is not counted"
    assert await nothing_is_claimed(db)


async def test_a_fault_of_ours_in_one_search_costs_its_siblings_nothing(
    db: Database, api: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = YouTubeClient.search

    async def broken(client: YouTubeClient, q: str, **options: Any) -> Any:
        if q == "guitar":
            raise ZeroDivisionError("a fault of ours")
        return await search(client, q, **options)

    monkeypatch.setattr(YouTubeClient, "search", broken)
    await add("guitar", "cooking", ONE_PAGE)
    with pytest.raises(ZeroDivisionError):
        await run_hunter_cycle(3)
    assert await value(db, "SELECT count(*) FROM search_queue WHERE searches > 0") == 2
    assert len(await stored(db)) > 50
    assert await all_is_accounted_for(db, api)
