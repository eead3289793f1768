"""MaiaDAO on a real PostgreSQL: the search queue's claims, its order, and how far the work is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.search_rounds import PageRead
from atlas.config import settings
from atlas.database import Database
from atlas.models.rows import TopicStatus

from ..support.clock_settings import standing_at

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(moment: datetime) -> object:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


async def terms(dao: MaiaDAO, n: int) -> list[str]:
    return [row["query_term"] for row in await dao.fetch_hunter_batch(n)]


async def test_a_topic_is_claimed_once_until_its_lease_ends(db: Database) -> None:
    await QueueDAO().add(["one", "two"])
    first, second = MaiaDAO("a"), MaiaDAO("b")
    assert await terms(first, 10) == ["one", "two"]
    assert await terms(second, 10) == []
    await db.fetch("UPDATE search_queue SET leased_until = now() - interval '1 second'")
    assert await terms(second, 10) == ["one", "two"]


async def test_many_claims_at_once_never_share_a_topic(db: Database) -> None:
    await QueueDAO().add([f"query {n}" for n in range(100)])
    batches = await asyncio.gather(*(MaiaDAO(str(n)).fetch_hunter_batch(15) for n in range(8)))
    claimed = [row["id"] for batch in batches for row in batch]
    assert len(claimed) == len(set(claimed)) == 100


async def test_user_queries_rank_above_tags_and_tags_by_mentions(db: Database) -> None:
    dao = MaiaDAO()
    await dao.add_to_search_queue(["rare", "common", "common", "common"])
    await QueueDAO().add(["mine"])
    assert await terms(dao, 10) == ["mine", "common", "rare"]


async def test_within_a_rank_never_searched_comes_first_then_the_oldest(db: Database) -> None:
    await QueueDAO().add(["paged", "never", "older"])
    dao = MaiaDAO()
    rows = {row["query_term"]: row for row in await dao.fetch_hunter_batch(10)}
    with at(NOON):
        await dao.update_search_state(rows["paged"]["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=1)
    with at(NOON - timedelta(hours=1)):
        await dao.update_search_state(rows["older"]["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=1)
    await dao.release_claims()
    with at(NOON):
        assert await terms(MaiaDAO(), 10) == ["never", "older", "paged"]


async def test_later_pages_repeat_the_window_of_the_first(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    with at(NOON):
        (row,) = await dao.fetch_hunter_batch(1)
        assert (row["published_after"], row["published_before"]) == pytest.approx(
            (NOON - timedelta(hours=24), NOON), abs=timedelta(seconds=1)
        )
        window = row["published_after"], row["published_before"]
        assert await dao.update_search_state(row["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=50)
    with at(NOON + timedelta(hours=2)):
        (row,) = await dao.fetch_hunter_batch(1)
    assert row["next_page_token"] == "PAGE2"
    assert (row["published_after"], row["published_before"]) == window


LAG = timedelta(minutes=60)


async def test_the_next_round_reaches_back_into_the_last_one(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    with at(NOON):
        (row,) = await dao.fetch_hunter_batch(1)
        end = row["published_before"]
        await dao.update_search_state(row["id"], None, 3, TopicStatus.WAITING, new=3)
        assert await dao.fetch_hunter_batch(1) == []
    with at(NOON + timedelta(hours=7)):
        (row,) = await dao.fetch_hunter_batch(1)
        assert row["published_after"] == end - LAG
        await dao.release_claims()
    with at(NOON + timedelta(days=3)):
        (row,) = await dao.fetch_hunter_batch(1)
    assert row["published_after"] == pytest.approx(NOON + timedelta(days=2), abs=timedelta(seconds=1))


async def test_barren_rounds_lengthen_the_rest_and_a_good_one_resets_it(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    rests = []
    now = NOON
    for new in (0, 0, 5, 0):
        with at(now):
            (row,) = await dao.fetch_hunter_batch(1)
            await dao.update_search_state(row["id"], None, new, TopicStatus.WAITING, new=new)
        (due,) = await db.fetch("SELECT due_at FROM search_queue")
        rests.append(round((due["due_at"] - now) / timedelta(hours=1)))
        now = due["due_at"] + timedelta(minutes=1)
    assert rests == [12, 24, 6, 12]


async def test_an_old_page_token_is_dropped_with_its_window_and_the_gap_is_an_event(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    with at(NOON):
        (row,) = await dao.fetch_hunter_batch(1)
        end = row["published_before"]
        await dao.update_search_state(row["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=50)
    with at(NOON + timedelta(hours=12, minutes=1)):
        (row,) = await dao.fetch_hunter_batch(1)
    assert row["next_page_token"] is None
    assert row["published_after"] == end - LAG
    (event,) = await db.fetch("SELECT type, payload FROM events")
    assert event["type"] == "search_gap"
    assert event["payload"]["query_term"] == "q"


async def gaps(db: Database) -> list[tuple[datetime, datetime]]:
    rows = await db.fetch("SELECT payload FROM events WHERE type = 'search_gap' ORDER BY id")
    ends = "published_after", "published_before"
    return [
        (datetime.fromisoformat(row["payload"][ends[0]]), datetime.fromisoformat(row["payload"][ends[1]]))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("token", "after_hours", "gone"), [("A", 13, False), ("A", 24, True), (None, 13, False), (None, 24, True)]
)
async def test_an_open_round_goes_on_below_what_it_has_read_unless_that_is_too_old(
    db: Database, token: str | None, after_hours: int, gone: bool
) -> None:
    """A page token that is too old (A), or a slice that is to begin (None): before, the window was lost with it."""
    await QueueDAO().add(["q"])
    dao, oldest = MaiaDAO(), NOON - timedelta(hours=1)
    with at(NOON):
        (row,) = await dao.fetch_hunter_batch(1)
        begin = row["published_after"]
        page = PageRead(token, 50 if token else 500, [oldest], 1)
        assert await dao.page_read(row["id"], page, 50)
    with at(NOON + timedelta(hours=after_hours)):
        (row,) = await dao.fetch_hunter_batch(1)
    (stored,) = await db.fetch("SELECT * FROM search_queue")
    assert row["next_page_token"] is stored["next_page_token"] is None
    if gone:
        assert await gaps(db) == [(begin, oldest)]
        assert (row["published_after"], stored["round_ended_at"]) == (NOON + timedelta(hours=after_hours - 24), NOON)
    else:
        assert await gaps(db) == []
        assert (row["published_after"], row["published_before"], row["round_before"]) == (begin, oldest, NOON)
        assert (stored["published_before"], stored["page"], stored["round_pages"]) == (oldest, 0, 1)


@pytest.mark.parametrize("late", [True, False])
async def test_what_a_round_gives_up_is_recorded_by_the_holder_alone(db: Database, late: bool) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    (row,) = await dao.fetch_hunter_batch(1)
    if late:
        await db.fetch("UPDATE search_queue SET leased_until = now() - interval '1 second'")
        await MaiaDAO("other").fetch_hunter_batch(1)
    assert await dao.page_read(row["id"], PageRead("A", 0, [], 0), 0) is not late
    assert len(await gaps(db)) == (not late)


async def test_a_window_that_ends_before_it_begins_is_opened_anew(db: Database) -> None:
    await QueueDAO().add(["q"])
    await db.fetch("UPDATE search_queue SET published_after = $1, published_before = $1", NOON + timedelta(minutes=20))
    with at(NOON):
        (row,) = await MaiaDAO().fetch_hunter_batch(1)
    assert (row["published_after"], row["published_before"]) == (NOON - timedelta(hours=24), NOON)


async def test_a_new_round_begins_without_what_an_earlier_release_left(db: Database) -> None:
    """It ends rounds without the columns that it does not know."""
    await QueueDAO().add(["q"])
    await db.fetch(
        "UPDATE search_queue SET oldest_read = $1, round_before = $1, slice_results = 500, round_pages = 90,"
        " empty_answers = 2, round_ended_at = $1",
        NOON - timedelta(hours=2),
    )
    with at(NOON):
        dao = MaiaDAO()
        (row,) = await dao.fetch_hunter_batch(1)
        assert (row["oldest_read"], row["round_before"]) == (None, None)
        assert (row["slice_results"], row["round_pages"], row["empty_answers"]) == (0, 0, 0)
        assert await dao.update_search_state(row["id"], None, 0, TopicStatus.WAITING)
    (stored,) = await db.fetch("SELECT oldest_read, round_ended_at FROM search_queue")
    assert (stored["oldest_read"], stored["round_ended_at"]) == (None, NOON)


async def test_a_late_shard_writes_no_page_token(db: Database) -> None:
    await QueueDAO().add(["q"])
    late, other = MaiaDAO("late"), MaiaDAO("other")
    (row,) = await late.fetch_hunter_batch(1)
    await db.fetch("UPDATE search_queue SET leased_until = now() - interval '1 second'")
    await other.fetch_hunter_batch(1)
    assert not await late.update_search_state(row["id"], "LATE", 50, TopicStatus.ACTIVE)
    (stored,) = await db.fetch("SELECT next_page_token, leased_by FROM search_queue")
    assert dict(stored) == {"next_page_token": None, "leased_by": "other"}


async def test_a_refused_page_token_restarts_the_round_once(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    with at(NOON):
        (row,) = await dao.fetch_hunter_batch(1)
        window = row["published_after"], row["published_before"]
        await dao.update_search_state(row["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=50)
        (row,) = await dao.fetch_hunter_batch(1)
        assert await dao.restart_round(row["id"])
        (row,) = await dao.fetch_hunter_batch(1)
        assert row["next_page_token"] is None
        assert (row["published_after"], row["published_before"]) == window
        assert await dao.restart_round(row["id"])
        assert await dao.fetch_hunter_batch(1) == []
    (stored,) = await db.fetch("SELECT status, round_ended_at FROM search_queue")
    assert stored["status"] == "waiting"
    assert stored["round_ended_at"] == window[1]


async def test_new_tags_are_bounded_and_the_most_mentioned_win(db: Database) -> None:
    dao = MaiaDAO()
    assert await dao.add_to_search_queue(["a1", "b2", "b2", "c3", "c3", "c3"], most_new=2) == 2
    assert await dao.add_to_search_queue(["b2", "a1"], most_new=0) == 0
    rows = await db.fetch("SELECT query_term, mentions, priority FROM search_queue ORDER BY mentions DESC")
    assert [tuple(row) for row in rows] == [("b2", 3, 3), ("c3", 3, 3)] or [tuple(row) for row in rows] == [
        ("c3", 3, 3),
        ("b2", 3, 3),
    ]


async def test_shards_that_lock_each_others_topics_do_not_deadlock(db: Database) -> None:
    await QueueDAO().add(["alpha", "beta"])
    daos = MaiaDAO("a"), MaiaDAO("b")
    rows = [(await dao.fetch_hunter_batch(1))[0] for dao in daos]

    async def store(dao: MaiaDAO, row: object, other: str) -> None:
        for _ in range(30):
            async with dao.transaction():
                await dao.add_to_search_queue([other, "gamma"], topic=row["query_term"])  # type: ignore[index]
                await db.fetch("UPDATE search_queue SET searches = searches + 1 WHERE id = $1", row["id"])  # type: ignore[index]

    await asyncio.gather(store(daos[0], rows[0], rows[1]["query_term"]), store(daos[1], rows[1], rows[0]["query_term"]))
    stored = await db.fetch("SELECT mentions FROM search_queue ORDER BY query_term")
    assert [row["mentions"] for row in stored] == [30, 30, 60]


async def test_what_is_rolled_back_stays_claimed_and_can_be_released(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    (row,) = await dao.fetch_hunter_batch(1)
    with pytest.raises(RuntimeError, match="in mid-write"):
        async with dao.transaction():
            await dao.update_search_state(row["id"], None, 1, TopicStatus.WAITING)
            raise RuntimeError("in mid-write")
    assert await MaiaDAO().fetch_hunter_batch(1) == []
    assert await dao.release_claims() == 1
    assert await terms(MaiaDAO(), 1) == ["q"]


async def test_pausing_a_claimed_topic_survives_its_shards_write(db: Database) -> None:
    await QueueDAO().add(["q"])
    dao = MaiaDAO()
    (row,) = await dao.fetch_hunter_batch(1)
    await QueueDAO().pause(["q"])
    await dao.update_search_state(row["id"], "PAGE2", 50, TopicStatus.ACTIVE)
    assert await MaiaDAO().fetch_hunter_batch(1) == []
    await QueueDAO().add(["q"])
    (row,) = await MaiaDAO().fetch_hunter_batch(1)
    assert row["next_page_token"] == "PAGE2"


async def test_what_is_set_aside_is_not_claimed_again_by_the_next_cycle(db: Database) -> None:
    await QueueDAO().add(["fails", "works"])
    dao = MaiaDAO()
    rows = {row["query_term"]: row for row in await dao.fetch_hunter_batch(2)}
    dao.set_aside([rows["fails"]["id"]])
    assert await dao.release_claims() == 1
    assert await terms(dao, 2) == ["works"]
    assert await dao.release_claims() == 1
    assert await dao.release_aside() == 1
    assert await terms(MaiaDAO(), 2) == ["fails", "works"]


async def searched_at_noon(dao: MaiaDAO) -> None:
    """Add a topic, and read its first round through."""
    await QueueDAO().add(["q"])
    with at(NOON):
        (row,) = await dao.fetch_hunter_batch(1)
        await dao.update_search_state(row["id"], None, 0, TopicStatus.WAITING)


async def test_time_that_a_rest_leaves_outside_the_window_is_one_gap_told_with_the_first_page(db: Database) -> None:
    dao = MaiaDAO()
    await searched_at_noon(dao)
    later = NOON + timedelta(days=3)
    for _ in range(3):
        with at(later):
            (row,) = await dao.fetch_hunter_batch(1)
            await dao.release_claims()
        assert await gaps(db) == [], "the search came to nothing: no part of the window is given up yet"
        later += timedelta(hours=1)
    with at(later):
        (row,) = await dao.fetch_hunter_batch(1)
        assert row["published_after"] == later - timedelta(days=1)
        await dao.page_read(row["id"], PageRead("A", 50, [later], 1), 1)
        (row,) = await dao.fetch_hunter_batch(1)
        await dao.page_read(row["id"], PageRead(None, 50, [later - timedelta(hours=1)], 1), 1)
    assert await gaps(db) == [(NOON, later - timedelta(days=1))]


async def test_a_rest_and_a_window_that_was_never_read_are_gaps_that_meet(db: Database) -> None:
    dao = MaiaDAO()
    await searched_at_noon(dao)
    with at(NOON + timedelta(days=3)):
        (row,) = await dao.fetch_hunter_batch(1)
        await dao.page_unread(row["id"], 81)
    assert await gaps(db) == []
    with at(NOON + timedelta(days=5)):
        (row,) = await dao.fetch_hunter_batch(1)
        await dao.page_read(row["id"], PageRead(None, 0, [], 0), 0)
    days = [NOON + timedelta(days=number) for number in range(5)]
    assert await gaps(db) == [(days[0], days[2]), (days[2], days[3]), (days[3], days[4])]
