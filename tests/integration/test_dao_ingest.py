"""MaiaDAO on a real PostgreSQL: what ingesting stores, once, and what is left to finish."""

from __future__ import annotations

import asyncio
import html
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.models.rows import Ingested, Presence, VideoUpdate
from atlas.models.youtube import SearchItem, Video

from ..support.clock_settings import standing_at
from ..support.databases import WAITING

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEVER: frozenset[str] = frozenset()


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


def about(moment: datetime) -> Any:
    return pytest.approx(moment, abs=timedelta(seconds=1))


def resource(id_: str = "aaaaaaaaaaa", *, statistics: dict[str, str] | None = None, **snippet: Any) -> dict[str, Any]:
    """An item of videos.list."""
    return {
        "kind": "youtube#video",
        "id": id_,
        "snippet": {
            "publishedAt": "2026-11-22T10:00:00Z",
            "channelId": "UCchannel",
            "channelTitle": "A channel",
            "title": "A title",
            "tags": ["one", "Two"],
            "categoryId": "28",
            **snippet,
        },
        "contentDetails": {"duration": "PT4M13S"},
        "statistics": {"viewCount": "10", "likeCount": "3", "commentCount": "1", **(statistics or {})},
    }


def partial(id_: str = "aaaaaaaaaaa", **known: Any) -> Video:
    return Video(id=id_, partial=True, **known)


async def store(moment: datetime, *videos: Video | dict[str, Any]) -> Ingested:
    with at(moment):
        return await MaiaDAO().ingest_video_metadata(videos)


async def rows(db: Database, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(f"SELECT * FROM {table} ORDER BY 1")]


async def only_video(db: Database) -> dict[str, Any]:
    (video,) = await rows(db, "videos")
    return video


async def titles(db: Database, table: str) -> list[str]:
    return [row["title"] for row in await rows(db, table)]


# ── what is stored, once ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_video_resource_is_stored_with_its_channel_and_first_snapshot(db: Database) -> None:
    stored = await store(NOON, resource())
    assert stored.created == stored.newly_enriched == {"aaaaaaaaaaa"}
    video = await only_video(db)
    now = video["first_seen_at"]
    assert now == about(NOON)
    expected = {
        "channel_id": "UCchannel", "title": "A title", "tags": ["one", "Two"], "category_id": 28, "zone": 1,
        "duration": timedelta(minutes=4, seconds=13), "published_at": NOON - 2 * HOUR, "enriched_at": now,
        "last_updated_at": now, "due_at": now + HOUR, "archived_at": None,
    }  # fmt: skip
    assert {name: video[name] for name in expected} == expected
    (channel,) = await rows(db, "channels")
    assert (channel["id"], channel["title"]) == ("UCchannel", "A channel")
    (snapshot,) = await rows(db, "video_stats_log")
    assert snapshot == {"video_id": "aaaaaaaaaaa", "observed_at": now, "views": 10, "likes": 3, "comments": 1}


async def test_ingesting_again_refreshes_and_logs_nothing(db: Database) -> None:
    await store(NOON, resource())
    before = await only_video(db)
    again = await store(NOON + HOUR, partial())
    assert again.created == again.newly_enriched == NEVER
    assert await only_video(db) == before, "a search that finds a known video takes nothing from it"
    again = await store(NOON + 10 * DAY, resource(title="Another title", statistics={"viewCount": "99"}))
    assert again.created == again.newly_enriched == NEVER
    after = await only_video(db)
    assert (after["title"], after["enriched_at"]) == ("Another title", about(NOON + 10 * DAY))
    for name in ("first_seen_at", "last_updated_at", "zone", "due_at", "tags"):
        assert after[name] == before[name]
    assert len(await rows(db, "video_stats_log")) == 1


async def test_a_video_of_a_search_is_finished_later_and_its_first_snapshot_makes_its_due_time(db: Database) -> None:
    stored = await store(NOON, partial(title="From a search", channel_id="UCchannel", published_at=NOON))
    assert (stored.created, stored.newly_enriched) == ({"aaaaaaaaaaa"}, NEVER)
    video = await only_video(db)
    assert (video["enriched_at"], video["last_updated_at"], video["tags"]) == (None, None, None)
    assert await rows(db, "video_stats_log") == []
    stored = await store(NOON + 30 * HOUR, resource())
    assert (stored.created, stored.newly_enriched) == (NEVER, {"aaaaaaaaaaa"})
    video = await only_video(db)
    (snapshot,) = await rows(db, "video_stats_log")
    assert snapshot["observed_at"] == video["last_updated_at"] == video["enriched_at"]
    assert (video["zone"], video["due_at"]) == (2, snapshot["observed_at"] + 6 * HOUR)
    assert video["tags"] == ["one", "Two"]


@pytest.mark.parametrize("others", [0, 1])
async def test_shards_that_finish_the_same_video_at_once_give_it_one_first_snapshot(db: Database, others: int) -> None:
    if others:
        await MaiaDAO().ingest_video_metadata(partial())
    begun = [asyncio.Event() for _ in range(3)]

    async def finish(n: int) -> frozenset[str]:
        dao = MaiaDAO(str(n))
        async with dao.transaction():
            begun[n].set()
            await asyncio.gather(*(event.wait() for event in begun))
            return (await dao.ingest_video_metadata(resource())).newly_enriched

    results = await asyncio.gather(*(finish(n) for n in range(3)))
    assert sorted(map(len, results)) == [0, 0, 1]
    assert len(await rows(db, "video_stats_log")) == 1


async def test_a_shard_that_enriches_what_another_is_just_storing_takes_the_first_snapshot(db: Database) -> None:
    inserted, waiting = asyncio.Event(), asyncio.Event()

    async def search() -> None:
        dao = MaiaDAO()
        async with dao.transaction():
            await dao.ingest_video_metadata(partial())
            inserted.set()
            await waiting.wait()

    async def enrich() -> frozenset[str]:
        await inserted.wait()
        return (await MaiaDAO().ingest_video_metadata(resource())).newly_enriched

    async def watch() -> None:
        await inserted.wait()
        while not (await db.fetch(WAITING))[0]["count"]:
            await asyncio.sleep(0)
        waiting.set()

    _, newly, _ = await asyncio.wait_for(asyncio.gather(search(), enrich(), watch()), 30)
    assert newly == {"aaaaaaaaaaa"}
    assert len(await rows(db, "video_stats_log")) == 1


async def test_shards_that_store_the_same_videos_at_once_do_not_deadlock(db: Database) -> None:
    ids = [f"video{n:06d}" for n in range(50)]

    async def store_all(order: list[str]) -> None:
        for _ in range(5):
            await MaiaDAO().ingest_video_metadata([resource(id_) for id_ in order])

    await asyncio.gather(store_all(ids), store_all(ids[::-1]), store_all(ids[25:] + ids[:25]))
    assert len(await rows(db, "videos")) == len(await rows(db, "video_stats_log")) == 50


async def test_one_or_many_parsed_or_as_they_came_each_once(db: Database) -> None:
    dao = MaiaDAO()
    for videos, created in (
        (Video(id="one"), {"one"}),
        (resource("two"), {"two"}),
        ((Video(id="three"), resource("four"), resource("one")), {"three", "four"}),
        ([resource("five"), resource("five", statistics={"viewCount": "11"})], {"five"}),
        ([], NEVER),
    ):
        assert (await dao.ingest_video_metadata(videos)).created == created
    views = await db.fetch("SELECT views FROM video_stats_log WHERE video_id = 'five'")
    assert [row["views"] for row in views] == [11]
    with pytest.raises(ValueError, match="without a usable id"):
        await dao.ingest_video_metadata({"kind": "youtube#video"})


async def test_all_calls_of_a_transaction_commit_together_and_bear_one_time(db: Database) -> None:
    dao = MaiaDAO()
    async with dao.transaction():
        await dao.ingest_video_metadata(Video(id="one"))
        await dao.add_to_search_queue(["tag"])
        await dao.ingest_video_metadata(Video(id="two"))
    times = {row["first_seen_at"] for row in await rows(db, "videos")}
    assert len(times | {row["added_at"] for row in await rows(db, "search_queue")}) == 1
    with pytest.raises(LookupError):
        async with dao.transaction():
            await dao.ingest_video_metadata(Video(id="three"))
            await dao.add_to_search_queue(["another"])
            raise LookupError
    assert (len(await rows(db, "videos")), len(await rows(db, "search_queue"))) == (2, 1)


# ── texts and counts ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_channels_new_title_replaces_the_old_and_a_missing_one_does_not(db: Database) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata(Video(id="one", channel_id="UC1", channel_title="Old"))
    (before,) = await rows(db, "channels")
    await dao.ingest_video_metadata(Video(id="two", channel_id="UC1", channel_title=None))
    assert await rows(db, "channels") == [before]
    await dao.ingest_video_metadata([Video(id="three", channel_id="UC1", channel_title="New"), Video(id="four")])
    (after,) = await rows(db, "channels")
    assert (after["title"], after["first_seen_at"]) == ("New", before["first_seen_at"])


TEXT = 'Cam\'ron & "friends" <live> &amp; &#39;24'


def found_by_search(id_: str, text: str, *, escapes: str) -> Video:
    """A search's result of which every text is this one; the server escapes these fields for HTML."""
    named = {name: html.escape(text) if name in escapes else text for name in ("title", "channelTitle", "description")}
    snippet = {"publishedAt": "2026-11-22T10:00:00Z", "channelId": "UCchannel", **named}
    return SearchItem.from_resource({"id": {"videoId": id_}, "snippet": snippet}).to_video()


def of_videos_list(id_: str, text: str) -> Video:
    return Video.from_resource(resource(id_, channelTitle=text, title=text, tags=[text, "other"]))


@pytest.mark.parametrize("escapes", ["title", "title channelTitle description", ""])
@pytest.mark.parametrize("order", ["whole", "search whole", "whole search", "search whole search", "both", "others"])
async def test_texts_come_from_videos_list_and_those_of_a_search_are_placeholders(
    db: Database, escapes: str, order: str
) -> None:
    """Whether a server escapes a text of a search or not, and whenever the video is enriched."""
    whole, search = of_videos_list("aaaaaaaaaaa", TEXT), found_by_search("aaaaaaaaaaa", TEXT, escapes=escapes)
    other = found_by_search("bbbbbbbbbbb", TEXT, escapes=escapes)
    steps: list[list[Video]] = {"both": [[whole, other], [other]], "others": [[other], [whole], [other]]}.get(
        order, [[whole if step == "whole" else search] for step in order.split()]
    )
    for hours, videos in enumerate(steps):
        await store(NOON + hours * HOUR, *videos)
    video = (await rows(db, "videos"))[0]
    assert (video["title"], video["tags"], video["channel_id"]) == (TEXT, [TEXT, "other"], "UCchannel")
    assert await titles(db, "channels") == [TEXT]


@pytest.mark.parametrize("text", ["Rock & Roll '24", "Ho & Pringle Productions", '"<b>"', "&"])
async def test_an_unenriched_video_has_the_texts_of_its_search_until_it_is_enriched(db: Database, text: str) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata(partial(channel_id="UCchannel"))  # a channel without a title takes a search's
    for other in ("", "another "):
        await dao.ingest_video_metadata(found_by_search("aaaaaaaaaaa", other + text, escapes="title"))
        assert await titles(db, "videos") == [other + text]
        assert await titles(db, "channels") == [text], "the first placeholder stays"
    await dao.ingest_video_metadata(of_videos_list("aaaaaaaaaaa", "of videos.list"))
    assert await titles(db, "videos") == await titles(db, "channels") == ["of videos.list"]


@pytest.mark.parametrize(
    "title",
    [
        "", "quotes ' \" and \\ and $1", "emoji 👩‍🚀", "\u202e rtl \u202c", "new\nline\ttab",
        "%s {x} ;DROP TABLE videos;--", "é" * 500,
    ],
)  # fmt: skip
async def test_odd_titles_and_tags_come_back_as_they_were(db: Database, title: str) -> None:
    tags = [title or "x", "comma, and {brace}", "NULL"]
    await MaiaDAO().ingest_video_metadata(
        Video(id="one", title=title, tags=tags, channel_id="c", channel_title=title)
    )  # fmt: skip
    video = await only_video(db)
    assert (video["title"], video["tags"]) == (title, tags)
    assert await titles(db, "channels") == [title]


async def test_what_postgresql_refuses_in_a_text_never_gets_there(db: Database) -> None:
    odd = resource(title="nul \x00 half \ud83d", tags=["\x00", "a\x1fb", "\udc00"], channelTitle="\x00")
    await MaiaDAO().ingest_video_metadata(odd)
    video = await only_video(db)
    assert (video["title"], video["tags"]) == ("nul  half \ufffd", ["a b", "\ufffd"])


async def test_values_at_the_edges_and_unknown_ones_are_stored_as_they_are(db: Database) -> None:
    """A video without tags has none, and one of a search has unknown ones."""
    births = [datetime(1, 1, 2, tzinfo=UTC), datetime(2005, 4, 23, tzinfo=UTC), NOON + 400 * DAY, None]
    counts: list[dict[str, Any]] = [{"views": 2**63 - 1, "likes": 2**33, "comments": None}, {}, {}, {"partial": True}]
    await store(NOON, *(Video(id=f"v{n}", published_at=births[n], **counts[n]) for n in range(4)))
    videos = await rows(db, "videos")
    assert [video["published_at"] for video in videos] == births
    assert [video["zone"] for video in videos] == [3, 3, 1, 1]
    assert [video["tags"] for video in videos] == [[], [], [], None]
    snapshots = [(row["views"], row["likes"], row["comments"]) for row in await rows(db, "video_stats_log")]
    assert snapshots == [(2**63 - 1, 2**33, None), (None, None, None), (None, None, None)]


# ── publish times that move ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_publish_time_that_moved_makes_a_stored_video_young_again(db: Database) -> None:
    await store(NOON - 10 * DAY, Video(id="a", published_at=NOON - 20 * DAY, duration=timedelta(), views=1))
    await MaiaDAO().mark_archived(["a"])
    before = await only_video(db)
    assert (before["zone"], before["due_at"]) == (3, about(NOON - 10 * DAY + 6 * HOUR))
    await db.fetch("UPDATE videos SET due_at = $1", NOON + 20 * HOUR)
    await store(NOON, Video(id="a", published_at=NOON - HOUR, duration=HOUR, views=2))
    after = await only_video(db)
    assert (after["published_at"], after["duration"], after["zone"]) == (NOON - HOUR, HOUR, 1)
    assert after["due_at"] == about(NOON + HOUR)
    assert after["archived_at"] is None, "the archive's record is out of date"
    await store(NOON, Video(id="a", views=3), partial("a"))
    unknown = await only_video(db)
    names = ("published_at", "duration", "zone", "due_at")
    assert [unknown[name] for name in names] == [after[name] for name in names], "what is missing overwrites nothing"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        # it asks for no later reading
        (Video(id="a", published_at=NOON - 2 * HOUR, views=1), Video(id="a", published_at=NOON + 10 * HOUR, views=1)),
        # a search finds it younger: it is read as soon as its new zone asks for
        (Video(id="a", published_at=NOON - 3 * DAY, views=1), partial("a", published_at=NOON - 2 * HOUR)),
    ],
    ids=["later", "younger"],
)
async def test_a_publish_time_that_moved_asks_for_a_reading_in_an_hour_at_the_latest(
    db: Database, first: Video, then: Video
) -> None:
    await store(NOON, first)
    await store(NOON, then)
    video = await only_video(db)
    assert (video["zone"], video["due_at"]) == (1, about(NOON + HOUR))


async def test_known_videos_are_those_with_their_metadata_and_publish_time(db: Database) -> None:
    dao = MaiaDAO()
    moved = {"moved": NOON + DAY, "same": NOON, "earlier": NOON - DAY, "silent": None, "partial": NOON, "unknown": None}
    await dao.ingest_video_metadata([Video(id=id_, published_at=NOON) for id_ in list(moved)[:4]])
    await dao.ingest_video_metadata(partial("partial", published_at=NOON))
    assert await dao.known_videos(moved) == {"same", "earlier", "silent"}
    assert await dao.known_videos({}) == NEVER


# ── what is left to finish ──────────────────────────────────────────────────────────────────────────────────────────


async def test_unfinished_are_the_oldest_without_metadata_and_then_if_asked_for_the_unarchived(db: Database) -> None:
    await store(NOON - 2 * DAY, Video(id="archived"), Video(id="whole"), partial("early"))
    await store(NOON - DAY, partial("late"))
    await store(NOON, Video(id="young"))  # it may be in another shard's buffer

    async def claimed(n: int, *, archive: bool) -> set[str]:
        dao = MaiaDAO()
        found = {row["id"] for row in await dao.fetch_unfinished(n, archive=archive)}
        await dao.release_claims()
        return found

    with at(NOON):
        await MaiaDAO().mark_archived(iter(["archived", "unknown"]))
        await MaiaDAO().mark_archived([])
        assert await claimed(10, archive=False) == {"early", "late"}
        assert await claimed(10, archive=True) == {"early", "late", "whole"}
        assert await claimed(1, archive=True) == {"early"}
        assert await claimed(2, archive=True) == {"early", "late"}
    with at(NOON + 2 * HOUR):
        assert await claimed(10, archive=True) == {"early", "late", "whole", "young"}
    assert (await rows(db, "videos"))[0]["archived_at"] == about(NOON)


async def test_unfinished_videos_are_leased_like_others(db: Database) -> None:
    await MaiaDAO().ingest_video_metadata([partial(f"v{n}") for n in range(20)])
    batches = await asyncio.gather(*(MaiaDAO(str(n)).fetch_unfinished(8, archive=True) for n in range(4)))
    claimed = [row["id"] for batch in batches for row in batch]
    assert len(claimed) == len(set(claimed)) == 20
    assert await MaiaDAO().fetch_tracker_targets() == []


async def test_an_unfinished_video_that_is_absent_is_asked_again_after_six_hours_and_retired_in_the_end(
    db: Database,
) -> None:
    await store(NOON - DAY, partial("gone"))
    for n in range(3):
        moment = NOON + n * (6 * HOUR + timedelta(minutes=1))
        dao = MaiaDAO()
        with at(moment):
            assert [row["id"] for row in await dao.fetch_unfinished(10, archive=False)] == ["gone"]
            await dao.update_video_stats_batch([VideoUpdate("gone", Presence.ABSENT)])
        with at(moment + 5 * HOUR):
            assert await dao.fetch_unfinished(10, archive=False) == []
    assert (await only_video(db))["retired_at"] is not None
    with at(NOON + 9 * DAY):
        assert await MaiaDAO().fetch_unfinished(10, archive=True) == []
