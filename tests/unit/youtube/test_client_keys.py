"""Keys: sent in a header, rotated when they are spent, wrong or blocked, and never shown."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

from atlas.errors import KeysRejected, RingExhausted
from atlas.quota.buckets import Bucket
from maia.youtube import YouTubeClient

from ...support import youtube_bodies as bodies
from ...support.youtube_fakes import ANY, FakeRing, calls, keys, no_connection

WINDOW = {
    "published_after": datetime(2026, 11, 21, 12, tzinfo=UTC),
    "published_before": datetime(2026, 11, 22, 13, 30, 0, 999999, timezone(timedelta(hours=1))),
}
OK = bodies.video_list(bodies.video())


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

    page = await client.search("x", **WINDOW)
    answer = await client.videos(["a"])  # another bucket: the first key still serves it

    assert keys(api) == ["key-one", "key-two", "key-three", "key-one"]
    assert ring.reported == [("fp0", Bucket.SEARCH, "4711", 100), ("fp1", Bucket.SEARCH, "0815", 100)]
    assert ring.book(*page.reservations, *answer.reservations) == ["spent", "spent", "answered", "answered"]


async def test_a_wrong_and_a_blocked_key_rotate_and_are_told_once(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, caplog: pytest.LogCaptureFixture
) -> None:
    api.get(ANY, status=400, body=bodies.key_invalid())
    api.get(ANY, status=403, body=bodies.key_blocked("API_KEY_IP_ADDRESS_BLOCKED", "4711"))
    api.get(ANY, body=OK)

    answer = await client.videos(["a"])

    assert ring.reported == [("fp0", "API_KEY_INVALID", None), ("fp1", "API_KEY_IP_ADDRESS_BLOCKED", "4711")]
    assert ring.book(*answer.reservations) == ["rejected", "rejected", "answered"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["fp0" in warnings[0], "fp1" in warnings[1], len(warnings)] == [True, True, 2]


async def test_a_key_that_fits_in_no_header_is_never_sent(
    client: YouTubeClient, api: aioresponses, ring: FakeRing
) -> None:
    ring.keys = ["kéy", "key\r\nHost: evil", "good"]
    api.get(ANY, body=OK)

    answer = await client.videos(["a"])

    assert keys(api) == ["good"]
    assert ring.book(*answer.reservations) == ["rejected", "rejected", "answered"]


async def test_the_ring_says_when_no_key_is_left(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    api.get(ANY, status=403, body=bodies.units_day_spent(), repeat=True)

    with pytest.raises(RingExhausted):
        await client.videos(["a"])

    assert ring.book() == ["spent"] * 3


async def test_the_ring_says_when_all_keys_are_wrong(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    api.get(ANY, status=400, body=bodies.key_invalid(), repeat=True)

    with pytest.raises(KeysRejected):
        await client.videos(["a"])

    assert ring.book() == ["rejected"] * 3


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.search("x", **WINDOW),
        lambda client: client.videos(["a"]),
        lambda client: client.batch_get_stats(["a"]),
    ],
    ids=["search", "videos", "batchGetStats"],
)
async def test_a_refusal_of_the_gateway_concerns_the_key_at_every_endpoint(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, ask: Callable[[YouTubeClient], Awaitable[object]]
) -> None:
    api.get(ANY, status=403, body=bodies.legacy(403, "forbidden", "Project 4711 has been deleted."), repeat=True)

    with pytest.raises(KeysRejected):
        await ask(client)

    assert ring.reported[0] == ("fp0", "forbidden: Project 4711 has been deleted.", "4711")
    assert ring.book() == ["rejected"] * 3


async def test_a_rotation_is_no_try(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    for status, body in [
        (503, b""),
        (403, bodies.units_day_spent()),
        (503, b""),
        (400, bodies.key_invalid()),
        (200, OK),
    ]:
        api.get(ANY, status=status, body=body)

    answer = await client.videos(["a"])

    assert ring.book(*answer.reservations) == ["settled", "spent", "settled", "rejected", "answered"]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shows(error: BaseException) -> str:
    return "\n".join(f"{e} {e!r} {e.args!r} {vars(e)!r}" for e in chain(error))


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
    client: YouTubeClient,
    api: aioresponses,
    ring: FakeRing,
    caplog: pytest.LogCaptureFixture,
    failure: dict[str, Any],
    key: str,
) -> None:
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
    assert key not in shows(caught.value)
    assert key not in caplog.text
    assert all(key not in repr(vars(record)) for record in caplog.records)
