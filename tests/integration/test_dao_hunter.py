"""MaiaDAO on a real PostgreSQL: the search queue's claims, its order, and how far the work is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.search_rounds import PageRead
from atlas.config import settings
from atlas.database import Database
from atlas.models.rows import TopicRow, TopicStatus

from ..support.clock_settings import standing_at

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LAG = timedelta(minutes=60)


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


@pytest.fixture
async def dao(db: Database) -> MaiaDAO:
    """One that has nothing claimed yet, beside a queue of one query."""
    await QueueDAO().add(["q"])
    return MaiaDAO("a")


async def claim(dao: MaiaDAO) -> TopicRow:
    (row,) = await dao.fetch_hunter_batch(1)
    return row


async def terms(dao: MaiaDAO, n: int = 10) -> list[str]:
    return [row["query_term"] for row in await dao.fetch_hunter_batch(n)]


async def next_page(dao: MaiaDAO, row: TopicRow, new: int = 50) -> bool:
    return await dao.update_search_state(row["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=new)


async def stored(db: Database) -> dict[str, Any]:
    (row,) = await db.fetch("SELECT * FROM search_queue")
    return dict(row)


async def lease_passes(db: Database) -> None:
    await db.fetch("UPDATE search_queue SET leased_until = now() - interval '1 second'")


async def gaps(db: Database) -> list[tuple[datetime, datetime]]:
    rows = await db.fetch("SELECT payload FROM events WHERE type = 'search_gap' AND payload ->> 'query_term' = 'q'")
    ends = "published_after", "published_before"
    return [
        (datetime.fromisoformat(row["payload"][ends[0]]), datetime.fromisoformat(row["payload"][ends[1]]))
        for row in rows
    ]


# ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_many_claims_at_once_never_share_a_topic(db: Database) -> None:
    await QueueDAO().add([f"query {n}" for n in range(100)])
    batches = await asyncio.gather(*(MaiaDAO(str(n)).fetch_hunter_batch(15) for n in range(8)))
    claimed = [row["id"] for batch in batches for row in batch]
    assert len(claimed) == len(set(claimed)) == 100
    assert await terms(MaiaDAO()) == []
    await lease_passes(db)
    assert len(await terms(MaiaDAO(), 200)) == 100


async def test_user_queries_rank_above_tags_and_tags_by_mentions(db: Database) -> None:
    dao = MaiaDAO()
    await dao.add_to_search_queue(["rare", "common", "common", "common"])
    await QueueDAO().add(["mine"])
    assert await terms(dao) == ["mine", "common", "rare"]


async def test_within_a_rank_never_searched_comes_first_then_the_oldest(db: Database) -> None:
    await QueueDAO().add(["paged", "never", "older"])
    dao = MaiaDAO()
    rows = {row["query_term"]: row for row in await dao.fetch_hunter_batch(10)}
    for query, moment in (("paged", NOON), ("older", NOON - HOUR)):
        with at(moment):
            await next_page(dao, rows[query], new=1)
    await dao.release_claims()
    with at(NOON):
        assert await terms(MaiaDAO()) == ["never", "older", "paged"]


async def test_a_late_shard_writes_no_page_token(db: Database, dao: MaiaDAO) -> None:
    row = await claim(dao)
    await lease_passes(db)
    await claim(MaiaDAO("other"))
    assert not await next_page(dao, row)
    after = await stored(db)
    assert (after["next_page_token"], after["leased_by"]) == (None, "other")


async def test_what_is_rolled_back_stays_claimed_and_can_be_released(dao: MaiaDAO) -> None:
    row = await claim(dao)
    with pytest.raises(LookupError):
        async with dao.transaction():
            await dao.update_search_state(row["id"], None, 1, TopicStatus.WAITING)
            raise LookupError
    assert await MaiaDAO().fetch_hunter_batch(1) == []
    assert await dao.release_claims() == 1
    assert await terms(MaiaDAO()) == ["q"]


async def test_pausing_a_claimed_topic_survives_its_shards_write(dao: MaiaDAO) -> None:
    row = await claim(dao)
    await QueueDAO().pause(["q"])
    await next_page(dao, row)
    assert await MaiaDAO().fetch_hunter_batch(1) == []
    await QueueDAO().add(["q"])
    assert (await claim(MaiaDAO()))["next_page_token"] == "PAGE2"


async def test_a_kept_claim_is_not_claimed_again_by_the_next_cycle(db: Database) -> None:
    await QueueDAO().add(["fails", "works"])
    dao = MaiaDAO()
    rows = {row["query_term"]: row for row in await dao.fetch_hunter_batch(2)}
    dao.keep_claims([rows["fails"]["id"]])
    assert await dao.release_claims() == 1
    assert await terms(dao) == ["works"]
    assert await dao.release_claims() == 1
    assert await dao.release_kept() == 1
    assert await terms(MaiaDAO()) == ["fails", "works"]


async def test_shards_that_lock_each_others_topics_do_not_deadlock(db: Database) -> None:
    await QueueDAO().add(["alpha", "beta"])
    daos = MaiaDAO("a"), MaiaDAO("b")
    rows = [await claim(dao) for dao in daos]

    async def store(dao: MaiaDAO, row: TopicRow, other: TopicRow) -> None:
        for _ in range(30):
            async with dao.transaction():
                await dao.add_to_search_queue([other["query_term"], "gamma"], topic=row["query_term"])
                await db.fetch("UPDATE search_queue SET searches = searches + 1 WHERE id = $1", row["id"])

    await asyncio.gather(store(daos[0], *rows), store(daos[1], *rows[::-1]))
    mentions = await db.fetch("SELECT mentions FROM search_queue ORDER BY query_term")
    assert [row["mentions"] for row in mentions] == [30, 30, 60]


async def test_new_tags_are_bounded_and_the_most_mentioned_win(db: Database) -> None:
    dao = MaiaDAO()
    assert await dao.add_to_search_queue(["a1", "b2", "b2", "c3", "c3", "c3"], most_new=2) == 2
    assert await dao.add_to_search_queue(["b2", "a1"], most_new=0) == 0
    rows = await db.fetch("SELECT query_term, mentions, priority FROM search_queue")
    assert {tuple(row) for row in rows} == {("b2", 3, 3), ("c3", 3, 3)}


# ── rounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_later_pages_repeat_the_window_and_the_next_round_reaches_back_into_it(dao: MaiaDAO) -> None:
    with at(NOON):
        row = await claim(dao)
        window = row["published_after"], row["published_before"]
        assert window == pytest.approx((NOON - DAY, NOON), abs=timedelta(seconds=1))
        assert await next_page(dao, row)
    with at(NOON + 2 * HOUR):
        row = await claim(dao)
        assert (row["next_page_token"], row["published_after"], row["published_before"]) == ("PAGE2", *window)
        await dao.update_search_state(row["id"], None, 3, TopicStatus.WAITING, new=3)
        assert await dao.fetch_hunter_batch(1) == []
    with at(NOON + 9 * HOUR):
        assert (await claim(dao))["published_after"] == NOON - LAG
        await dao.release_claims()
    with at(NOON + 3 * DAY):
        assert (await claim(dao))["published_after"] == pytest.approx(NOON + 2 * DAY, abs=timedelta(seconds=1))


async def test_rounds_without_new_videos_lengthen_the_rest_and_a_good_one_resets_it(db: Database, dao: MaiaDAO) -> None:
    rests = []
    now = NOON
    for new in (0, 0, 5, 0):
        with at(now):
            row = await claim(dao)
            await dao.update_search_state(row["id"], None, new, TopicStatus.WAITING, new=new)
        due = (await stored(db))["due_at"]
        rests.append(round((due - now) / HOUR))
        now = due + timedelta(minutes=1)
    assert rests == [12, 24, 6, 12]


async def test_an_old_page_token_is_dropped_with_its_window_and_the_gap_is_an_event(db: Database, dao: MaiaDAO) -> None:
    with at(NOON):
        first = await claim(dao)
        begin, end = first["published_after"], first["published_before"]
        await next_page(dao, first)
    with at(NOON + 12 * HOUR + timedelta(minutes=1)):
        row = await claim(dao)
    assert row["next_page_token"] is None
    assert end is not None
    assert row["published_after"] == end - LAG
    assert await gaps(db) == [(begin, end)]


@pytest.mark.parametrize(
    ("token", "after_hours", "gone"), [("A", 13, False), ("A", 24, True), (None, 13, False), (None, 24, True)]
)
async def test_an_open_round_goes_on_below_what_it_has_read_unless_that_is_too_old(
    db: Database, dao: MaiaDAO, token: str | None, after_hours: int, gone: bool
) -> None:
    """A page token that is too old (A), or a slice that is to begin (None)."""
    oldest = NOON - HOUR
    with at(NOON):
        row = await claim(dao)
        begin = row["published_after"]
        assert await dao.record_page(row["id"], PageRead(token, 50 if token else 500, [oldest], 1), 50)
    with at(NOON + timedelta(hours=after_hours)):
        row = await claim(dao)
    after = await stored(db)
    assert row["next_page_token"] is after["next_page_token"] is None
    if gone:
        assert await gaps(db) == [(begin, oldest)]
        assert (row["published_after"], after["round_ended_at"]) == (NOON + timedelta(hours=after_hours - 24), NOON)
    else:
        assert await gaps(db) == []
        assert (row["published_after"], row["published_before"], row["round_before"]) == (begin, oldest, NOON)
        assert (after["published_before"], after["page"], after["round_pages"]) == (oldest, 0, 1)


@pytest.mark.parametrize("late", [True, False])
async def test_what_a_round_gives_up_is_recorded_by_the_holder_alone(db: Database, dao: MaiaDAO, late: bool) -> None:
    row = await claim(dao)
    if late:
        await lease_passes(db)
        await claim(MaiaDAO("other"))
    assert await dao.record_page(row["id"], PageRead("A", 0, [], 0), 0) is not late
    assert len(await gaps(db)) == (not late)


async def test_a_window_that_ends_before_it_begins_is_opened_anew(db: Database, dao: MaiaDAO) -> None:
    await db.fetch("UPDATE search_queue SET published_after = $1, published_before = $1", NOON + timedelta(minutes=20))
    with at(NOON):
        row = await claim(dao)
    assert (row["published_after"], row["published_before"]) == (NOON - DAY, NOON)


async def test_a_new_round_begins_without_what_an_earlier_release_left(db: Database, dao: MaiaDAO) -> None:
    """It ends rounds without the columns that it does not know."""
    await db.fetch(
        "UPDATE search_queue SET oldest_read = $1, round_before = $1, slice_results = 500, round_pages = 90,"
        " empty_answers = 2, round_ended_at = $1",
        NOON - 2 * HOUR,
    )
    with at(NOON):
        row = await claim(dao)
        assert (row["oldest_read"], row["round_before"]) == (None, None)
        assert (row["slice_results"], row["round_pages"], row["empty_answers"]) == (0, 0, 0)
        assert await dao.update_search_state(row["id"], None, 0, TopicStatus.WAITING)
    after = await stored(db)
    assert (after["oldest_read"], after["round_ended_at"]) == (None, NOON)


async def test_a_refused_page_token_restarts_the_round_once(db: Database, dao: MaiaDAO) -> None:
    with at(NOON):
        row = await claim(dao)
        window = row["published_after"], row["published_before"]
        await next_page(dao, row)
        assert await dao.restart_round((await claim(dao))["id"])
        row = await claim(dao)
        assert row["next_page_token"] is None
        assert (row["published_after"], row["published_before"]) == window
        assert await dao.restart_round(row["id"])
        assert await dao.fetch_hunter_batch(1) == []
    after = await stored(db)
    assert (after["status"], after["round_ended_at"]) == ("waiting", window[1])


# ── rests that are longer than the window ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def searched_at_noon(dao: MaiaDAO) -> MaiaDAO:
    """The topic's first round is read through."""
    with at(NOON):
        await dao.update_search_state((await claim(dao))["id"], None, 0, TopicStatus.WAITING)
    return dao


async def test_time_that_a_rest_leaves_outside_the_window_is_one_gap_recorded_with_the_first_page(
    db: Database, searched_at_noon: MaiaDAO
) -> None:
    dao, later = searched_at_noon, NOON + 3 * DAY
    for _ in range(3):
        with at(later):
            await claim(dao)
            await dao.release_claims()
        assert await gaps(db) == [], "the search came to nothing: no part of the window is given up yet"
        later += HOUR
    with at(later):
        row = await claim(dao)
        assert row["published_after"] == later - DAY
        await dao.record_page(row["id"], PageRead("A", 50, [later], 1), 1)
        await dao.record_page((await claim(dao))["id"], PageRead(None, 50, [later - HOUR], 1), 1)
    assert await gaps(db) == [(NOON, later - DAY)]


async def test_a_rest_and_a_window_that_was_never_read_are_gaps_that_meet(
    db: Database, searched_at_noon: MaiaDAO
) -> None:
    dao = searched_at_noon
    with at(NOON + 3 * DAY):
        await dao.record_unreadable_page((await claim(dao))["id"], 81)
    assert await gaps(db) == []
    with at(NOON + 5 * DAY):
        await dao.record_page((await claim(dao))["id"], PageRead(None, 0, [], 0), 0)
    days = [NOON + number * DAY for number in range(5)]
    assert await gaps(db) == [(days[0], days[2]), (days[2], days[3]), (days[3], days[4])]


# ── what each query brought ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_video_keeps_the_query_that_found_it_first_and_each_query_counts_its_own(db: Database) -> None:
    await QueueDAO().add(["one", "two"])
    dao = MaiaDAO("a")
    rows = {row["query_term"]: row for row in await dao.fetch_hunter_batch(2)}

    async def page(term: str, *ids: str) -> bool:
        topic = rows[term]["id"]
        async with dao.transaction():
            found = await dao.ingest_video_metadata([{"id": id_ * 11} for id_ in ids], found_by=topic)
            return await dao.record_page(topic, PageRead(None, len(ids), [], len(found.created)), len(ids))

    assert await page("one", "a", "b")
    assert await page("two", "b", "c")
    # repeated, as after a COMMIT whose answer was lost
    dao.register_topic(rows["one"])
    assert not await page("one", "a", "b")
    found = {row["id"][0]: row["found_by"] for row in await db.fetch("SELECT id, found_by FROM videos")}
    assert found == {"a": rows["one"]["id"], "b": rows["one"]["id"], "c": rows["two"]["id"]}
    counted = await db.fetch("SELECT query_term, searches, new_videos FROM search_queue ORDER BY id")
    assert [tuple(row) for row in counted] == [("one", 1, 2), ("two", 1, 1)]


async def test_queries_are_listed_by_new_videos_per_search_with_the_share_that_broke_out(db: Database) -> None:
    await QueueDAO().add(["good", "bad", "unsearched"])
    await db.fetch("UPDATE search_queue SET searches = 4, new_videos = 20 WHERE query_term = 'good'")
    await db.fetch("UPDATE search_queue SET searches = 10, new_videos = 0 WHERE query_term = 'bad'")
    await db.fetch(
        "INSERT INTO videos (id, first_seen_at, zone, found_by) "
        "SELECT 'v' || n, $1, 1, (SELECT id FROM search_queue WHERE query_term = 'good') FROM generate_series(1, 20) n",
        NOON,
    )
    await db.fetch(
        "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour, ended_at) "
        "SELECT id, $1, 9, 1, 1, 1, $1 FROM unnest(ARRAY['v1', 'v1', 'v2']) AS video (id)",
        NOON,
    )
    rows = await QueueDAO().list_by_yield()
    assert [(row.query_term, row.new_per_search, row.share_broke_out) for row in rows] == [
        ("good", 5.0, 0.1), ("bad", 0.0, None), ("unsearched", None, None)
    ]  # fmt: skip
    assert [row.query_term for row in await QueueDAO().list_by_yield(1)] == ["good"]
