"""What fails is tried again where that can help, never after a stop, and every reserved call is accounted for."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from atlas.errors import RingExhausted
from atlas.quota.buckets import Bucket
from maia.youtube import (
    BadRequest,
    Forbidden,
    Malformed,
    NetworkError,
    NotFound,
    PageTokenInvalid,
    RateLimited,
    ServerError,
    Stopped,
    TransientError,
    YouTubeClient,
    YouTubeError,
)

from ...support import youtube_bodies as bodies
from ...support.youtube_fakes import ANY, BASE, MIDNIGHT, FakeRing, FakeStop, calls, no_connection

OK = bodies.video_list(bodies.video())
NOT_FOUND = bodies.legacy(404, "videoNotFound")


def client_of(ring: FakeRing, **options: Any) -> YouTubeClient:
    return YouTubeClient(ring, base_url=BASE, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "body", "expected", "end"),
    [
        (429, bodies.too_fast(), RateLimited, "refused"),
        (429, b"<html>unusual traffic</html>", RateLimited, "refused"),
        (403, bodies.legacy(403, "rateLimitExceeded"), RateLimited, "refused"),
        (400, bodies.legacy(400, "invalidParameter"), BadRequest, "settled"),
        (400, bodies.legacy(400, "invalidPageToken"), PageTokenInvalid, "settled"),
        (403, bodies.legacy(403, "forbidden", domain="youtube.video"), Forbidden, "settled"),
        (404, NOT_FOUND, NotFound, "settled"),
    ],
)
async def test_what_another_try_cannot_help_is_raised_at_once(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop,
    status: int, body: bytes, expected: type[YouTubeError], end: str,
) -> None:  # fmt: skip
    api.get(ANY, status=status, body=body)
    with pytest.raises(expected) as caught:
        await client.videos(["a"])
    assert type(caught.value) is expected
    assert ring.book() == [end], "an invalid request costs quota, a refused one does not"
    assert stop.pauses == []


FAILURES: dict[str, tuple[dict[str, Any], type[TransientError], str]] = {
    "500": ({"status": 500, "body": bodies.backend_error(500)}, ServerError, "settled"),
    "503": ({"status": 503, "body": b"<html>"}, ServerError, "settled"),
    "broken JSON": ({"body": b'{"kind": "youtube#vid'}, Malformed, "settled"),
    "404 of another server": ({"status": 404, "body": b"nginx"}, Malformed, "settled"),
    "cut before the answer": ({"exception": aiohttp.ServerDisconnectedError()}, NetworkError, "settled"),
    "cut in the answer": ({"exception": aiohttp.ClientPayloadError("half")}, NetworkError, "settled"),
    "reset": ({"exception": aiohttp.ClientOSError(104, "reset")}, NetworkError, "settled"),
    "refused": ({"exception": no_connection()}, NetworkError, "released"),
    "no connection in time": ({"exception": aiohttp.ConnectionTimeoutError()}, NetworkError, "released"),
}
"""Tries that fail: the response of aioresponses, the error, and what becomes of the reservation."""


@pytest.mark.parametrize(("response", "error", "end"), FAILURES.values(), ids=FAILURES)
class TestTries:
    async def test_three_of_which_the_last_may_succeed_and_no_more(
        self, client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop,
        response: dict[str, Any], error: type[TransientError], end: str,
    ) -> None:  # fmt: skip
        api.get(ANY, **response, repeat=2)
        api.get(ANY, body=OK)
        answer = await client.videos(["a"])
        assert ring.book(*answer.reservations) == [end, end, "answered"]
        stop.pauses.clear()
        api.get(ANY, **response, repeat=True)
        with pytest.raises(error) as caught:
            await client.videos(["a"])
        assert ring.book(*answer.reservations)[3:] == [end] * 3
        assert len(calls(api)) == 6
        assert len(stop.pauses) == 2
        if isinstance(caught.value, NetworkError):
            assert caught.value.reached is (end == "settled")

    @pytest.mark.parametrize("when", ["in the try", "in the pause"])
    async def test_none_follows_a_stop(
        self, client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop,
        response: dict[str, Any], error: type[TransientError], end: str, when: str,
    ) -> None:  # fmt: skip
        def request_stop(url: URL, **_: Any) -> CallbackResult:
            stop.requested = when == "in the try"
            return CallbackResult(status=response.get("status", 200), body=response.get("body", b""))

        stop.stop_in_pause = when == "in the pause"
        api.get(ANY, **response, callback=request_stop, repeat=True)
        with pytest.raises(error):
            await client.videos(["a"])
        assert ring.book() == [end]
        assert len(stop.pauses) == (when == "in the pause")


async def test_nothing_starts_and_no_further_key_is_tried_after_a_stop(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop
) -> None:
    def spent(url: URL, **_: Any) -> CallbackResult:
        stop.requested = True
        return CallbackResult(status=403, body=bodies.units_day_spent())

    api.get(ANY, callback=spent, repeat=True)
    for _ in range(2):
        with pytest.raises(Stopped):
            await client.videos(["a"])
        assert ring.book() == ["spent"]


@pytest.mark.parametrize(("value", "pause"), [("12", 12.0), ("3600", 30.0), ("Sun, 06 Nov 2044 08:49:37 GMT", 30.0)])
async def test_retry_after_is_honoured_within_reason(
    client: YouTubeClient, api: aioresponses, stop: FakeStop, value: str, pause: float
) -> None:
    api.get(ANY, status=503, headers={"Retry-After": value})
    api.get(ANY, body=OK)
    await client.videos(["a"])
    assert stop.pauses == [pause]


async def test_pauses_grow_and_are_random(client: YouTubeClient, api: aioresponses, stop: FakeStop) -> None:
    api.get(ANY, status=503, repeat=True)
    for _ in range(40):
        with pytest.raises(ServerError):
            await client.videos(["a"])
    first, second = stop.pauses[::2], stop.pauses[1::2]
    assert 0 <= min(first) < 0.25 < 0.75 < max(first) <= 1
    assert 0 <= min(second) < 0.5 < 1.5 < max(second) <= 2


async def test_without_a_stop_it_simply_sleeps(api: aioresponses, ring: FakeRing) -> None:
    api.get(ANY, status=503)
    api.get(ANY, body=OK)
    async with client_of(ring, backoff=0.0) as client:
        answer = await client.videos(["a"])
    assert ring.book(*answer.reservations) == ["settled", "answered"]


async def test_a_closed_client_says_so_and_costs_nothing(ring: FakeRing) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await client_of(ring).videos(["a"])
    assert ring.book() == ["released"]


async def test_calls_at_once_are_bounded(api: aioresponses, ring: FakeRing) -> None:
    running, most = 0, 0
    full = asyncio.Event()

    async def answer(url: URL, **_: Any) -> CallbackResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await full.wait()
        # what waits for its turn has not reserved anything yet
        assert len(ring.issued) - len(api.requests) <= 3
        running -= 1
        return CallbackResult(body=OK)

    api.get(ANY, callback=answer, repeat=True)
    async with client_of(ring, concurrency=3) as client:
        await asyncio.gather(*(client.videos([f"id-{n}"]) for n in range(12)))
    assert most == 3


async def test_a_failing_ring_is_heard(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    ring.failure = OSError("database gone")
    api.get(ANY, status=404, body=NOT_FOUND)
    with pytest.raises(OSError, match="database gone"):
        await client.videos(["a"])


class SlowRing(FakeRing):
    """Waits in one of its methods until `go_on` is set."""

    def __init__(self, slow: str, *, exhausted: bool = False) -> None:
        super().__init__()
        self.slow, self.exhausted = slow, exhausted
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def _wait(self, method: str) -> None:
        if method == self.slow:
            self.asked.set()
            await self.go_on.wait()

    async def acquire(self, bucket: Bucket) -> Any:
        await self._wait("acquire")
        if self.exhausted:
            raise RingExhausted("hunting", bucket, MIDNIGHT, "midnight")
        return await super().acquire(bucket)

    async def settle(self, reservations: Any) -> None:
        await self._wait("settle")
        await super().settle(reservations)


@pytest.mark.parametrize(
    ("ring", "book", "logged"),
    [
        (lambda: SlowRing("acquire"), ["released"], ""),
        (lambda: SlowRing("settle"), ["settled"], ""),
        (lambda: SlowRing("acquire", exhausted=True), [], "cannot release the reservation"),
    ],
    ids=["while it reserves", "while it settles", "while it reserves in vain"],
)
async def test_a_call_that_is_cancelled_is_accounted_for_all_the_same(
    api: aioresponses, caplog: pytest.LogCaptureFixture, ring: Any, book: list[str], logged: str
) -> None:
    slow = ring()
    api.get(ANY, status=404, body=NOT_FOUND)
    async with client_of(slow) as client:
        call = asyncio.create_task(client.videos(["a"]))
        await slow.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        slow.go_on.set()
    assert slow.book() == book
    assert logged in caplog.text
