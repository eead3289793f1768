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
ALWAYS = {"part": "snippet", "type": "video", "order": "date", "maxResults": "50"}
ASKED = {"publishedAfter": "2026-11-21T12:00:00Z", "publishedBefore": "2026-11-22T12:30:00Z"}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (
            WINDOW | {"page_token": "CAoQAA", "region": "DE", "language": "de", "safe_search": "none", "category": 10},
            ASKED | {
                "pageToken": "CAoQAA", "regionCode": "DE", "relevanceLanguage": "de", "safeSearch": "none",
                "videoCategoryId": "10",
            },
        ),
        (WINDOW, ASKED),
        (dict.fromkeys(WINDOW), {}),
    ],
    ids=["all", "a window alone", "an open window"],
)  # fmt: skip
async def test_search(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, given: dict[str, Any], asked: dict[str, str]
) -> None:
    other = {"id": {"kind": "youtube#channel", "channelId": "UC1"}}
    found = bodies.search_result("a"), other, bodies.search_result("b")
    api.get(ANY, body=bodies.search_page(*found, token="CBQQAA"))
    page = await client.search("häuser & co", **given)
    assert [item.id for item in page.items] == ["a", "b"]
    assert (page.dropped, page.next_page_token) == (1, "CBQQAA")
    assert page.raw["items"][1] == other
    [(url, _)] = calls(api)
    assert url.path == "/youtube/v3/search"
    assert dict(url.query) == ALWAYS | {"q": "häuser & co"} | asked, "what is archived is asked for whole"
    assert [reservation.bucket for reservation in page.reservations] == [Bucket.SEARCH]
    assert ring.book(*page.reservations) == ["answered"]


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
    page = await client.search("x", **WINDOW)
    assert (page.items, page.next_page_token, page.total_results) == ([], None, total)


@pytest.mark.parametrize(
    ("method", "path", "bucket", "body", "fields"),
    [
        ("videos", "/videos", Bucket.UNITS, bodies.video_list(bodies.video("a")), False),
        (
            "batch_get_stats", "/videos:batchGetStats", Bucket.BATCH,
            bodies.listing("batchGetStatsResponse", bodies.video_stats("a")), True,
        ),
    ],
)  # fmt: skip
async def test_one_call_for_fifty_ids_and_none_for_what_cannot_be_asked(
    client: YouTubeClient, api: aioresponses, ring: FakeRing,
    method: str, path: str, bucket: Bucket, body: bytes, fields: bool,
) -> None:  # fmt: skip
    for wrong in ([], ["a"] * 51, ["a,b"], [""], ["a", "ü"]):
        with pytest.raises(ValueError, match="ids"):
            await getattr(client, method)(wrong)
    assert ring.issued == []
    api.get(ANY, body=body)
    ids = [f"id-{n}" for n in range(50)]
    answer = await getattr(client, method)(ids)
    [(url, _)] = calls(api)
    assert url.path == "/youtube/v3" + path
    assert url.query["id"].split(",") == ids
    assert ("fields" in url.query) is fields, "what is archived is asked for whole"
    assert [item.id for item in answer.items] == ["a"]
    assert [reservation.bucket for reservation in ring.issued] == [bucket]
    assert ring.book(*answer.reservations) == ["answered"]


@pytest.mark.parametrize(
    "bad",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001
        WINDOW["published_before"] + timedelta(minutes=20),
        WINDOW["published_before"] - timedelta(milliseconds=900),
    ],
)
async def test_a_search_that_cannot_be_asked_is_refused(client: YouTubeClient, bad: datetime) -> None:
    with pytest.raises(ValueError, match=r"aware|is empty"):
        await client.search("x", **(WINDOW | {"published_after": bad}))


async def test_missing_counts_and_broken_items_and_texts_cost_only_themselves(
    client: YouTubeClient, api: aioresponses
) -> None:
    hidden, gone = bodies.video("hidden", viewCount="7"), bodies.video("gone")
    title = hidden["snippet"]["title"] = "half \ud83d, \0 and whole \U0001f600"
    del gone["statistics"]
    items = [hidden, {"id": None}, None, "text", gone, {"snippet": {}}]
    api.get(ANY, body=json.dumps({"kind": "youtube#videoListResponse", "items": items}))
    answer = await client.videos(["hidden", "gone"])
    assert [(v.id, v.views, v.likes, v.comments) for v in answer.items] == [
        ("hidden", 7, None, None), ("gone", None, None, None),
    ]  # fmt: skip
    assert answer.dropped == 4
    assert answer.items[0].title == "half \ufffd,  and whole \U0001f600"
    assert answer.raw["items"][0]["snippet"]["title"] == title


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
