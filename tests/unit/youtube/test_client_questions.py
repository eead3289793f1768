"""What the client asks, and how it reads what is answered."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from aioresponses import aioresponses

from atlas.quota.buckets import Bucket
from maia.youtube import Malformed, YouTubeClient

from ...support import youtube_bodies as bodies
from ...support.youtube_fakes import ANY, FakeRing, calls

WINDOW = {
    "published_after": datetime(2026, 11, 21, 12, tzinfo=UTC),
    "published_before": datetime(2026, 11, 22, 13, 30, 0, 999999, timezone(timedelta(hours=1))),
}
OK = bodies.video_list(bodies.video())


async def test_search(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    other = {"id": {"kind": "youtube#channel", "channelId": "UC1"}}
    api.get(
        ANY,
        body=bodies.search_page(bodies.search_result("a"), other, bodies.search_result("b"), token="CBQQAA"),
    )

    page = await client.search(
        "häuser & co", page_token="CAoQAA", region="DE", language="de", safe_search="none", category=10, **WINDOW
    )

    assert [item.id for item in page.items] == ["a", "b"]
    assert (page.dropped, page.next_page_token) == (1, "CBQQAA")
    assert page.raw["items"][1] == other
    [(url, _)] = calls(api)
    assert url.path == "/youtube/v3/search"
    assert dict(url.query) == {
        "part": "snippet",
        "type": "video",
        "order": "date",
        "q": "häuser & co",
        "maxResults": "50",
        "pageToken": "CAoQAA",
        "publishedAfter": "2026-11-21T12:00:00Z",
        "publishedBefore": "2026-11-22T12:30:00Z",
        "regionCode": "DE",
        "relevanceLanguage": "de",
        "safeSearch": "none",
        "videoCategoryId": "10",
    }
    assert [reservation.bucket for reservation in page.reservations] == [Bucket.SEARCH]
    assert ring.book(*page.reservations) == ["answered"]


async def test_search_leaves_out_what_is_not_asked(client: YouTubeClient, api: aioresponses) -> None:
    api.get(ANY, body=bodies.search_page())

    page = await client.search("x", **WINDOW)

    [(url, _)] = calls(api)
    assert set(url.query) == {"part", "type", "order", "q", "maxResults", "publishedAfter", "publishedBefore"}
    assert (page.items, page.next_page_token) == ([], None)


@pytest.mark.parametrize(
    ("info", "total"),
    [
        ({"totalResults": 81}, 81),
        ({"totalResults": "81"}, 81),
        ({}, 0),
        (None, 0),
        ([81], 0),
        ({"totalResults": -1}, 1),
        ({"totalResults": 2**64}, 1),
        ({"totalResults": "about 100"}, 1),
    ],
)
async def test_how_many_results_youtube_counts(
    client: YouTubeClient, api: aioresponses, info: object, total: int
) -> None:
    api.get(ANY, body=json.dumps({"kind": "youtube#searchListResponse", "pageInfo": info, "items": []}))

    assert (await client.search("x", **WINDOW)).total_results == total


async def test_a_window_may_be_open(client: YouTubeClient, api: aioresponses) -> None:
    api.get(ANY, body=bodies.search_page())

    await client.search("x", published_after=None, published_before=None)

    [(url, _)] = calls(api)
    assert set(url.query) == {"part", "type", "order", "q", "maxResults"}


@pytest.mark.parametrize(
    ("method", "path", "bucket", "body"),
    [
        ("videos", "/videos", Bucket.UNITS, bodies.video_list(bodies.video("a"))),
        (
            "batch_get_stats",
            "/videos:batchGetStats",
            Bucket.BATCH,
            bodies.listing("batchGetStatsResponse", bodies.video_stats("a")),
        ),
    ],
)
class TestByIds:
    async def test_one_call_for_fifty(
        self,
        client: YouTubeClient,
        api: aioresponses,
        ring: FakeRing,
        method: str,
        path: str,
        bucket: Bucket,
        body: bytes,
    ) -> None:
        api.get(ANY, body=body)
        ids = [f"id-{n}" for n in range(50)]

        answer = await getattr(client, method)(ids)

        [(url, _)] = calls(api)
        assert url.path == "/youtube/v3" + path
        assert url.query["id"].split(",") == ids
        assert [item.id for item in answer.items] == ["a"]
        assert [reservation.bucket for reservation in ring.issued] == [bucket]
        assert ring.book(*answer.reservations) == ["answered"]

    @pytest.mark.parametrize("ids", [[], ["a"] * 51, ["a,b"], [""], ["a", "ü"]])
    async def test_what_cannot_be_asked_is_refused(
        self, client: YouTubeClient, ring: FakeRing, method: str, path: str, bucket: Bucket, body: bytes, ids: list[str]
    ) -> None:
        with pytest.raises(ValueError, match="ids"):
            await getattr(client, method)(ids)
        assert ring.issued == []


@pytest.mark.parametrize(
    "bad",
    [
        {"published_after": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"published_after": WINDOW["published_before"] + timedelta(minutes=20)},
        {"published_after": WINDOW["published_before"] - timedelta(milliseconds=900)},
    ],
)
async def test_a_search_that_cannot_be_asked_is_refused(client: YouTubeClient, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"aware|is empty"):
        await client.search("x", **(WINDOW | bad))


@pytest.mark.parametrize("method", ["search", "videos"])
async def test_what_is_archived_is_asked_for_whole(client: YouTubeClient, api: aioresponses, method: str) -> None:
    api.get(ANY, body=bodies.search_page() if method == "search" else OK)

    await (client.search("x", **WINDOW) if method == "search" else client.videos(["a"]))

    [(url, _)] = calls(api)
    assert "fields" not in url.query


async def test_missing_counts_and_broken_items_cost_only_themselves(client: YouTubeClient, api: aioresponses) -> None:
    hidden, gone = bodies.video("hidden", viewCount="7"), bodies.video("gone")
    del gone["statistics"]
    api.get(ANY, body=bodies.video_list(hidden, {"id": None}, None, "text", gone, {"snippet": {}}))

    answer = await client.videos(["hidden", "gone"])

    assert [(v.id, v.views, v.likes, v.comments) for v in answer.items] == [
        ("hidden", 7, None, None),
        ("gone", None, None, None),
    ]
    assert answer.dropped == 4


async def test_half_a_surrogate_pair_does_not_cost_the_page(client: YouTubeClient, api: aioresponses) -> None:
    broken = bodies.video()
    broken["snippet"]["title"] = "half \ud83d, \0 and whole \U0001f600"
    api.get(ANY, body=json.dumps(json.loads(bodies.video_list()) | {"items": [broken]}))

    answer = await client.videos(["a"])

    assert answer.items[0].title == "half \ufffd,  and whole \U0001f600"
    assert answer.raw["items"][0]["snippet"]["title"] == broken["snippet"]["title"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b'{"kind": "youtube#videoListResponse", "items": [NaN]}',
        b"[]",
        b"null",
        b"{}",
        b'{"kind": "youtube#videoListResponse", "items": {}}',
        b'{"kind": "youtube#videoListResponse", "items": null}',
        b'{"kind": "youtube#searchListResponse", "items": []}',
        b'{"kind": ["youtube#videoListResponse"], "items": []}',
        b'{"error": {"code": 403}}',
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
async def test_an_answer_that_is_none_is_tried_again(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, body: bytes
) -> None:
    api.get(ANY, body=body)
    api.get(ANY, body=OK)

    answer = await client.videos(["a"])

    assert len(answer.items) == 1
    assert ring.book(*answer.reservations) == ["settled", "answered"]


@pytest.mark.parametrize("body", [b'{"kind": "youtube#videoListResponse"}', b'{"items": []}'])
async def test_an_empty_list_may_come_short(client: YouTubeClient, api: aioresponses, body: bytes) -> None:
    api.get(ANY, body=body)
    assert (await client.videos(["a"])).items == []


async def test_a_body_without_end_is_given_up(
    client: YouTubeClient, api: aioresponses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maia.youtube.transport.MAX_BODY", 100)
    api.get(ANY, body=OK, repeat=True)
    with pytest.raises(Malformed, match="more than"):
        await client.videos(["a"])
