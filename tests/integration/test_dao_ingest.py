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
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import SearchItem, Video

from ..support.clock_settings import standing_at
from ..support.databases import WAITING

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


def resource(id_: str = "aaaaaaaaaaa", **statistics: str) -> dict[str, Any]:
    return {
        "kind": "youtube#video",
        "id": id_,
        "snippet": {
            "publishedAt": "2026-11-22T10:00:00Z",
            "channelId": "UCchannel",
            "channelTitle": "A channel",
            "title": "A title",
            "description": "…",
            "tags": ["one", "Two"],
            "categoryId": "28",
        },
        "contentDetails": {"duration": "PT4M13S"},
        "statistics": {"viewCount": "10", "likeCount": "3", "commentCount": "1", **statistics},
    }


async def rows(db: Database, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(f"SELECT * FROM {table} ORDER BY 1")]


async def test_a_video_resource_is_stored_with_its_channel_and_first_snapshot(db: Database) -> None:
    with at(NOON):
        stored = await MaiaDAO().ingest_video_metadata(resource())
    assert stored.created == stored.newly_enriched == {"aaaaaaaaaaa"}
    (video,) = await rows(db, "videos")
    now = video["first_seen_at"]
    assert now == pytest.approx(NOON, abs=timedelta(seconds=1))
    assert {name: video[name] for name in ("channel_id", "title", "tags", "category_id", "duration", "zone")} == {
        "channel_id": "UCchannel",
        "title": "A title",
        "tags": ["one", "Two"],
        "category_id": 28,
        "duration": timedelta(minutes=4, seconds=13),
        "zone": 1,
    }
    assert video["published_at"] == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert video["enriched_at"] == video["last_updated_at"] == now
    assert video["due_at"] == now + HOUR
    assert video["archived_at"] is None
    (channel,) = await rows(db, "channels")
    assert (channel["id"], channel["title"]) == ("UCchannel", "A channel")
    (snapshot,) = await rows(db, "video_stats_log")
    assert snapshot == {"video_id": "aaaaaaaaaaa", "observed_at": now, "views": 10, "likes": 3, "comments": 1}


async def test_ingesting_again_refreshes_and_logs_nothing(db: Database) -> None:
    dao = MaiaDAO()
    with at(NOON):
        await dao.ingest_video_metadata(resource())
    (before,) = await rows(db, "videos")
    changed = resource(viewCount="99")
    changed["snippet"]["title"] = "Another title"
    with at(NOON + 10 * DAY):
        again = await dao.ingest_video_metadata(changed)
    assert again.created == again.newly_enriched == frozenset()
    (after,) = await rows(db, "videos")
    assert after["title"] == "Another title"
    assert after["enriched_at"] == pytest.approx(NOON + 10 * DAY, abs=timedelta(seconds=1))
    for name in ("first_seen_at", "last_updated_at", "zone", "due_at", "tags"):
        assert after[name] == before[name]
    assert len(await rows(db, "video_stats_log")) == 1


async def test_a_video_of_a_search_is_finished_later_and_its_first_snapshot_makes_its_due_time(db: Database) -> None:
    partial = Video(id="aaaaaaaaaaa", title="From a search", channel_id="UCchannel", published_at=NOON, partial=True)
    dao = MaiaDAO()
    with at(NOON):
        stored = await dao.ingest_video_metadata(partial)
    assert (stored.created, stored.newly_enriched) == ({"aaaaaaaaaaa"}, frozenset())
    (video,) = await rows(db, "videos")
    assert (video["enriched_at"], video["last_updated_at"], video["tags"]) == (None, None, None)
    assert await rows(db, "video_stats_log") == []
    with at(NOON + 30 * HOUR):
        stored = await dao.ingest_video_metadata(resource())
    assert (stored.created, stored.newly_enriched) == (frozenset(), {"aaaaaaaaaaa"})
    (video,) = await rows(db, "videos")
    (snapshot,) = await rows(db, "video_stats_log")
    assert snapshot["observed_at"] == video["last_updated_at"] == video["enriched_at"]
    assert video["zone"] == 2
    assert video["due_at"] == snapshot["observed_at"] + 6 * HOUR
    assert video["tags"] == ["one", "Two"]


async def test_a_search_that_finds_a_known_video_takes_nothing_from_it(db: Database) -> None:
    dao = MaiaDAO()
    with at(NOON):
        await dao.ingest_video_metadata(resource())
    (before,) = await rows(db, "videos")
    with at(NOON + HOUR):
        stored = await dao.ingest_video_metadata(Video(id="aaaaaaaaaaa", partial=True))
    assert stored.created == stored.newly_enriched == frozenset()
    assert await rows(db, "videos") == [before]


@pytest.mark.parametrize("others", [0, 1])
async def test_shards_that_finish_the_same_video_at_once_give_it_one_first_snapshot(db: Database, others: int) -> None:
    if others:
        await MaiaDAO().ingest_video_metadata(Video(id="aaaaaaaaaaa", partial=True))
    begun = [asyncio.Event() for _ in range(3)]

    async def store(n: int) -> frozenset[str]:
        dao = MaiaDAO(str(n))
        async with dao.transaction():
            begun[n].set()
            await asyncio.gather(*(event.wait() for event in begun))
            return (await dao.ingest_video_metadata(resource())).newly_enriched

    results = await asyncio.gather(*(store(n) for n in range(3)))
    assert sorted(map(len, results)) == [0, 0, 1]
    assert len(await rows(db, "video_stats_log")) == 1


async def test_a_shard_that_enriches_what_another_is_just_storing_takes_the_first_snapshot(db: Database) -> None:
    inserted = asyncio.Event()
    waiting = asyncio.Event()

    async def search() -> None:
        dao = MaiaDAO()
        async with dao.transaction():
            await dao.ingest_video_metadata(Video(id="aaaaaaaaaaa", partial=True))
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

    async def store(order: list[str]) -> None:
        for _ in range(5):
            await MaiaDAO().ingest_video_metadata([resource(id_) for id_ in order])

    await asyncio.gather(store(ids), store(ids[::-1]), store(ids[25:] + ids[:25]))
    assert len(await rows(db, "videos")) == len(await rows(db, "video_stats_log")) == 50


async def test_one_or_many_parsed_or_as_they_came(db: Database) -> None:
    dao = MaiaDAO()
    assert (await dao.ingest_video_metadata(Video(id="one"))).created == {"one"}
    assert (await dao.ingest_video_metadata(resource("two"))).created == {"two"}
    both = (Video(id="three"), resource("four"), resource("one"))
    assert (await dao.ingest_video_metadata(both)).created == {"three", "four"}
    assert (await dao.ingest_video_metadata([])).created == frozenset()
    with pytest.raises(ValueError, match="without a usable id"):
        await dao.ingest_video_metadata({"kind": "youtube#video"})


async def test_a_video_that_stands_twice_in_a_page_is_stored_once(db: Database) -> None:
    stored = await MaiaDAO().ingest_video_metadata([resource(), resource(viewCount="11")])
    assert stored.created == {"aaaaaaaaaaa"}
    assert [row["views"] for row in await rows(db, "video_stats_log")] == [11]


async def test_a_channels_new_title_replaces_the_old_and_a_missing_one_does_not(db: Database) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata(Video(id="one", channel_id="UC1", channel_title="Old"))
    (before,) = await rows(db, "channels")
    await dao.ingest_video_metadata(Video(id="two", channel_id="UC1", channel_title=None))
    assert await rows(db, "channels") == [before]
    await dao.ingest_video_metadata([Video(id="three", channel_id="UC1", channel_title="New"), Video(id="four")])
    (after,) = await rows(db, "channels")
    assert after["title"] == "New"
    assert after["first_seen_at"] == before["first_seen_at"]


TEXT = 'Cam\'ron & "friends" <live> &amp; &#39;24'


def found_by_search(id_: str, text: str, *, escapes: str) -> Video:
    """A search's result of which every text is this one; the server escapes these fields for HTML."""
    named = {name: html.escape(text) if name in escapes else text for name in ("title", "channelTitle", "description")}
    snippet = {"publishedAt": "2026-11-22T10:00:00Z", "channelId": "UCchannel", **named}
    return SearchItem.from_resource({"id": {"videoId": id_}, "snippet": snippet}).to_video()


def of_videos_list(id_: str, text: str) -> Video:
    snippet = {"channelTitle": text, "title": text, "tags": [text, "other"]}
    whole = resource(id_)
    return Video.from_resource({**whole, "snippet": whole["snippet"] | snippet})


@pytest.mark.parametrize("escapes", ["title", "title channelTitle description", ""])
@pytest.mark.parametrize("order", ["whole", "search whole", "whole search", "search whole search", "both", "others"])
async def test_texts_come_from_videos_list_and_those_of_a_search_are_placeholders(
    db: Database, escapes: str, order: str
) -> None:
    """Whether a server escapes a text of a search or not, and whenever the video is enriched."""
    dao = MaiaDAO()
    whole, search = of_videos_list("aaaaaaaaaaa", TEXT), found_by_search("aaaaaaaaaaa", TEXT, escapes=escapes)
    other = found_by_search("bbbbbbbbbbb", TEXT, escapes=escapes)
    steps: list[list[Video]] = {"both": [[whole, other], [other]], "others": [[other], [whole], [other]]}.get(
        order, [[whole if step == "whole" else search] for step in order.split()]
    )
    for hours, videos in enumerate(steps):
        with at(NOON + hours * HOUR):
            await dao.ingest_video_metadata(videos)
    video = (await rows(db, "videos"))[0]
    assert (video["title"], video["tags"], video["channel_id"]) == (TEXT, [TEXT, "other"], "UCchannel")
    assert [row["title"] for row in await rows(db, "channels")] == [TEXT]


@pytest.mark.parametrize("text", ["Rock & Roll '24", "Ho & Pringle Productions", '"<b>"', "&"])
async def test_an_unenriched_video_has_the_texts_of_its_search_until_it_is_enriched(db: Database, text: str) -> None:
    dao = MaiaDAO()
    for other in ("", "another "):
        await dao.ingest_video_metadata(found_by_search("aaaaaaaaaaa", other + text, escapes="title"))
        assert [row["title"] for row in await rows(db, "videos")] == [other + text]
        assert [row["title"] for row in await rows(db, "channels")] == [text], "the first placeholder stays"
    await dao.ingest_video_metadata(of_videos_list("aaaaaaaaaaa", "of videos.list"))
    assert [row["title"] for row in await rows(db, "videos")] == ["of videos.list"]
    assert [row["title"] for row in await rows(db, "channels")] == ["of videos.list"]


async def test_a_channel_without_a_title_takes_that_of_a_search(db: Database) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata(Video(id="one", channel_id="UCchannel", channel_title=None))
    await dao.ingest_video_metadata(found_by_search("two", TEXT, escapes="title"))
    assert [row["title"] for row in await rows(db, "channels")] == [TEXT]


@pytest.mark.parametrize(
    "title",
    [
        "",
        "quotes ' \" and \\ and $1",
        "emoji 👩‍🚀",
        "\u202e rtl \u202c",
        "new\nline\ttab",
        "%s {x} ;DROP TABLE videos;--",
        "é" * 500,
    ],
)
async def test_odd_titles_and_tags_come_back_as_they_were(db: Database, title: str) -> None:
    await MaiaDAO().ingest_video_metadata(
        Video(
            id="one",
            title=title,
            tags=[title or "x", "comma, and {brace}", "NULL"],
            channel_id="c",
            channel_title=title,
        )
    )
    (video,) = await rows(db, "videos")
    assert (video["title"], video["tags"]) == (title, [title or "x", "comma, and {brace}", "NULL"])
    assert (await rows(db, "channels"))[0]["title"] == title


async def test_what_postgresql_refuses_in_a_text_never_gets_there(db: Database) -> None:
    odd = resource()
    odd["snippet"] |= {"title": "nul \x00 half \ud83d", "tags": ["\x00", "a\x1fb", "\udc00"], "channelTitle": "\x00"}
    await MaiaDAO().ingest_video_metadata(odd)
    (video,) = await rows(db, "videos")
    assert video["title"] == "nul  half \ufffd"
    assert video["tags"] == ["a b", "\ufffd"]


async def test_a_video_without_tags_has_none_and_one_of_a_search_has_unknown_ones(db: Database) -> None:
    await MaiaDAO().ingest_video_metadata([Video(id="a", tags=[]), Video(id="b", partial=True)])
    assert [video["tags"] for video in await rows(db, "videos")] == [[], None]


async def test_counts_above_32_bits_and_hidden_ones(db: Database) -> None:
    await MaiaDAO().ingest_video_metadata([Video(id="a", views=2**63 - 1, likes=2**33, comments=None), Video(id="b")])
    assert [(row["views"], row["likes"], row["comments"]) for row in await rows(db, "video_stats_log")] == [
        (2**63 - 1, 2**33, None),
        (None, None, None),
    ]


async def test_births_of_any_time_are_stored(db: Database) -> None:
    births = [datetime(1, 1, 2, tzinfo=UTC), datetime(2005, 4, 23, tzinfo=UTC), NOON + 400 * DAY, None]
    with at(NOON):
        await MaiaDAO().ingest_video_metadata([Video(id=f"v{n}", published_at=at_) for n, at_ in enumerate(births)])
    assert [video["published_at"] for video in await rows(db, "videos")] == births
    assert [video["zone"] for video in await rows(db, "videos")] == [3, 3, 1, 1]


async def test_a_publish_time_that_moved_makes_a_stored_video_young_again(db: Database) -> None:
    dao = MaiaDAO()
    with at(NOON - 10 * DAY):
        await dao.ingest_video_metadata([Video(id="a", published_at=NOON - 20 * DAY, duration=timedelta(), views=1)])
        await dao.mark_archived(["a"])
    (before,) = await rows(db, "videos")
    assert (before["zone"], before["due_at"]) == (3, pytest.approx(NOON - 10 * DAY + 6 * HOUR, abs=HOUR))
    with at(NOON):
        await db.fetch("UPDATE videos SET due_at = $1", NOON + 20 * HOUR)
        await dao.ingest_video_metadata([Video(id="a", published_at=NOON - HOUR, duration=HOUR, views=2)])
        (after,) = await rows(db, "videos")
        assert (after["published_at"], after["duration"], after["zone"]) == (NOON - HOUR, HOUR, 1)
        assert after["due_at"] == pytest.approx(NOON + HOUR, abs=timedelta(seconds=1))
        assert after["archived_at"] is None, "the archive's record is out of date"
        await dao.ingest_video_metadata([Video(id="a", views=3), Video(id="a", partial=True)])
        (unknown,) = await rows(db, "videos")
    names = ("published_at", "duration", "zone", "due_at")
    assert [unknown[name] for name in names] == [after[name] for name in names], "what is missing overwrites nothing"


async def test_a_publish_time_that_moved_asks_for_no_later_reading(db: Database) -> None:
    dao = MaiaDAO()
    with at(NOON):
        await dao.ingest_video_metadata([Video(id="a", published_at=NOON - 2 * HOUR, views=1)])
        await dao.ingest_video_metadata([Video(id="a", published_at=NOON + 10 * HOUR, views=1)])
        (row,) = await rows(db, "videos")
    assert row["due_at"] == pytest.approx(NOON + HOUR, abs=timedelta(seconds=1))


async def test_a_video_that_a_search_finds_younger_is_read_as_soon_as_its_new_zone_asks_for(db: Database) -> None:
    dao = MaiaDAO()
    with at(NOON):
        await dao.ingest_video_metadata([Video(id="a", published_at=NOON - 3 * DAY, views=1)])
        await dao.ingest_video_metadata([Video(id="a", published_at=NOON - 2 * HOUR, partial=True)])
        (row,) = await rows(db, "videos")
    assert (row["zone"], row["due_at"]) == (1, pytest.approx(NOON + HOUR, abs=timedelta(seconds=1)))


async def test_a_video_that_a_search_finds_at_a_later_publish_time_is_not_known(db: Database) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata(
        [Video(id=id_, published_at=NOON) for id_ in ("moved", "same", "earlier", "silent")]
    )
    published = {"moved": NOON + DAY, "same": NOON, "earlier": NOON - DAY, "silent": None}
    assert await dao.known_videos(published) == {"same", "earlier", "silent"}


async def test_known_videos_are_those_with_their_metadata(db: Database) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata([Video(id="whole"), Video(id="partial", partial=True)])
    assert await dao.known_videos(dict.fromkeys(["whole", "partial", "unknown"])) == {"whole"}
    assert await dao.known_videos({}) == frozenset()


async def test_unfinished_are_the_oldest_without_metadata_and_then_if_asked_for_the_unarchived(db: Database) -> None:
    with at(NOON - 2 * DAY):
        await MaiaDAO().ingest_video_metadata([Video(id="archived"), Video(id="whole")])
    with at(NOON - DAY):
        await MaiaDAO().ingest_video_metadata(Video(id="late", partial=True))
    with at(NOON - 2 * DAY):
        await MaiaDAO().ingest_video_metadata(Video(id="early", partial=True))
    with at(NOON):
        await MaiaDAO().ingest_video_metadata(Video(id="young"))  # it may be in another shard's buffer
        await MaiaDAO().mark_archived(["archived"])

        async def claimed(n: int, *, archive: bool) -> set[str]:
            dao = MaiaDAO()
            found = {row["id"] for row in await dao.fetch_unfinished(n, archive=archive)}
            await dao.release_claims()
            return found

        assert await claimed(10, archive=False) == {"early", "late"}
        assert await claimed(10, archive=True) == {"early", "late", "whole"}
        assert await claimed(1, archive=True) == {"early"}
        assert await claimed(2, archive=True) == {"early", "late"}
    with at(NOON + 2 * HOUR):
        assert await claimed(10, archive=True) == {"early", "late", "whole", "young"}


async def test_unfinished_videos_are_leased_like_others(db: Database) -> None:
    await MaiaDAO().ingest_video_metadata([Video(id=f"v{n}", partial=True) for n in range(20)])
    batches = await asyncio.gather(*(MaiaDAO(str(n)).fetch_unfinished(8, archive=True) for n in range(4)))
    claimed = [row["id"] for batch in batches for row in batch]
    assert len(claimed) == len(set(claimed)) == 20
    assert await MaiaDAO().fetch_tracker_targets() == []


async def test_an_unfinished_video_that_is_absent_is_asked_again_after_six_hours_and_retired_in_the_end(
    db: Database,
) -> None:
    with at(NOON - DAY):
        await MaiaDAO().ingest_video_metadata(Video(id="gone", partial=True))
    for n in range(3):
        moment = NOON + n * (6 * HOUR + timedelta(minutes=1))
        dao = MaiaDAO()
        with at(moment):
            assert [row["id"] for row in await dao.fetch_unfinished(10, archive=False)] == ["gone"]
            await dao.update_video_stats_batch([VideoUpdate("gone", Presence.ABSENT)])
        with at(moment + 5 * HOUR):
            assert await dao.fetch_unfinished(10, archive=False) == []
    (video,) = await rows(db, "videos")
    assert video["retired_at"] is not None
    with at(NOON + 9 * DAY):
        assert await MaiaDAO().fetch_unfinished(10, archive=True) == []


async def test_marking_as_archived_is_for_known_videos_and_idempotent(db: Database) -> None:
    dao = MaiaDAO()
    await dao.ingest_video_metadata(Video(id="one"))
    with at(NOON):
        await dao.mark_archived(iter(["one", "unknown"]))
        await dao.mark_archived([])
    assert (await rows(db, "videos"))[0]["archived_at"] == pytest.approx(NOON, abs=timedelta(seconds=1))


async def test_all_calls_of_a_transaction_commit_together_and_bear_one_time(db: Database) -> None:
    dao = MaiaDAO()
    async with dao.transaction():
        await dao.ingest_video_metadata(Video(id="one"))
        await dao.add_to_search_queue(["tag"])
        await dao.ingest_video_metadata(Video(id="two"))
    times = {row["first_seen_at"] for row in await rows(db, "videos")}
    times |= {row["added_at"] for row in await rows(db, "search_queue")}
    assert len(times) == 1
    with pytest.raises(RuntimeError):
        async with dao.transaction():
            await dao.ingest_video_metadata(Video(id="three"))
            await dao.add_to_search_queue(["another"])
            raise RuntimeError
    assert len(await rows(db, "videos")) == 2
    assert len(await rows(db, "search_queue")) == 1
