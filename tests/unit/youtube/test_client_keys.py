"""Keys: sent in a header, rotated when they are spent, wrong or blocked, and never shown."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

from atlas.errors import KeysRejected, RingExhausted
from atlas.quota.buckets import Bucket
from maia.youtube import YouTubeClient

from ...support import youtube_bodies as bodies
from ...support.youtube_fakes import ANY, FakeRing, calls, keys, no_connection

OK = bodies.video_list(bodies.video())
OPEN: dict[str, Any] = {"published_after": None, "published_before": None}
DELETED = bodies.legacy(403, "forbidden", "Project 4711 has been deleted.")


async def test_the_key_travels_in_a_header_only(client: YouTubeClient, api: aioresponses) -> None:
    api.get(ANY, body=OK)
    await client.videos(["a"])
    [(url, kwargs)] = calls(api)
    assert keys(api) == ["key-one"]
    assert "key" not in str(url)
    assert "key-one" not in str({name: value for name, value in kwargs.items() if name != "headers"})
    assert kwargs["allow_redirects"] is False


async def test_a_spent_day_rotates(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    api.get(ANY, status=429, body=bodies.search_day_spent("4711", "100"))
    api.get(ANY, status=429, body=bodies.search_day_spent("0815"))
    api.get(ANY, body=bodies.search_page())
    api.get(ANY, body=OK)
    page = await client.search("x", **OPEN)
    answer = await client.videos(["a"])  # another bucket: the first key still serves it
    assert keys(api) == ["key-one", "key-two", "key-three", "key-one"]
    assert ring.reported == [("fp0", Bucket.SEARCH, "4711", 100), ("fp1", Bucket.SEARCH, "0815", 100)]
    assert ring.book(*page.reservations, *answer.reservations) == ["spent", "spent", "answered", "answered"]


async def test_a_wrong_and_a_blocked_key_rotate_with_one_warning_each(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, caplog: pytest.LogCaptureFixture
) -> None:
    api.get(ANY, status=400, body=bodies.key_invalid())
    api.get(ANY, status=403, body=bodies.key_blocked("API_KEY_IP_ADDRESS_BLOCKED", "4711"))
    api.get(ANY, body=OK)
    answer = await client.videos(["a"])
    assert ring.reported == [("fp0", "API_KEY_INVALID", None), ("fp1", "API_KEY_IP_ADDRESS_BLOCKED", "4711")]
    assert ring.book(*answer.reservations) == ["rejected", "rejected", "answered"]
    first, second = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "fp0" in first
    assert "fp1" in second


async def test_a_key_that_fits_in_no_header_is_never_sent(
    client: YouTubeClient, api: aioresponses, ring: FakeRing
) -> None:
    ring.keys = ["kéy", "key\r\nHost: evil", "good"]
    api.get(ANY, body=OK)
    answer = await client.videos(["a"])
    assert keys(api) == ["good"]
    assert ring.book(*answer.reservations) == ["rejected", "rejected", "answered"]


@pytest.mark.parametrize(
    ("status", "body", "raised", "end"),
    [
        (403, bodies.units_day_spent(), RingExhausted, "spent"),
        (400, bodies.key_invalid(), KeysRejected, "rejected"),
        (403, DELETED, KeysRejected, "rejected"),
    ],
    ids=["spent", "wrong", "refused by the gateway"],
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.search("x", **OPEN),
        lambda client: client.videos(["a"]),
        lambda client: client.batch_get_stats(["a"]),
    ],
    ids=["search", "videos", "batchGetStats"],
)
async def test_the_ring_says_when_no_key_is_left(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, ask: Callable[[YouTubeClient], Awaitable[object]],
    status: int, body: bytes, raised: type[Exception], end: str,
) -> None:  # fmt: skip
    api.get(ANY, status=status, body=body, repeat=True)
    with pytest.raises(raised):
        await ask(client)
    assert ring.book() == [end] * 3
    if body == DELETED:
        assert ring.reported[0] == ("fp0", "forbidden: Project 4711 has been deleted.", "4711")


async def test_a_rotation_is_no_try(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    spent, wrong = (403, bodies.units_day_spent()), (400, bodies.key_invalid())
    for status, body in [(503, b""), spent, (503, b""), wrong, (200, OK)]:
        api.get(ANY, status=status, body=body)
    answer = await client.videos(["a"])
    assert ring.book(*answer.reservations) == ["settled", "spent", "settled", "rejected", "answered"]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


ECHO = "Bad key {key} in https://api.example/v3/search?key={key}&q=x"


@pytest.mark.parametrize("key", ["AIzaSyRecognisable-0123456789abcdefghi", "plain_recognisable_key"])
@pytest.mark.parametrize(
    "failure",
    [
        {"status": 400, "body": bodies.key_invalid(ECHO)},
        {"status": 403, "body": bodies.current(403, "forbidden", "CONSUMER_INVALID", ECHO, consumer="{key}")},
        {"status": 403, "body": bodies.legacy(403, "{key}", ECHO, "youtube.video")},
        {"status": 404, "body": bodies.legacy(404, "{key}", ECHO)},
        {"status": 429, "body": bodies.over_limit(message=ECHO)},
        {"status": 429, "body": bodies.search_day_spent("{key}", "{key}")},
        {"status": 503, "body": bodies.backend_error()},
        {"status": 302, "headers": {"Location": "https://elsewhere.example/?key={key}"}},
        {"body": b"{key}"},
        {"body": b'{"kind": "{key}"}'},
        {"exception": aiohttp.ServerDisconnectedError("{key}")},
        {"exception": no_connection()},
    ],
    ids=lambda failure: str(failure.get("status", failure.get("exception", failure.get("body"))))[:30],
)
async def test_a_key_is_never_shown(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, caplog: pytest.LogCaptureFixture,
    failure: dict[str, Any], key: str,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    ring.keys = [key]
    given = dict(failure)
    if "body" in given:
        given["body"] = given["body"].replace(b"{key}", key.encode())
    if isinstance(given.get("exception"), aiohttp.ServerDisconnectedError):
        given["exception"] = aiohttp.ServerDisconnectedError(key)
    api.get(ANY, **given, repeat=True)
    with pytest.raises(Exception) as caught:  # whatever it is
        await client.videos(["a"])
    assert keys(api)[0] == key
    assert not [e for e in chain(caught.value) if key in f"{e} {e!r} {e.args!r} {vars(e)!r}"]
    assert key not in caplog.text
    assert all(key not in repr(vars(record)) for record in caplog.records)
