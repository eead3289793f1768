"""What fails is tried again where that can help, never after a stop, and every reserved call is accounted for."""

import asyncio
from typing import Any, NamedTuple

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


@pytest.mark.parametrize(
    ("status", "body", "expected", "end"),
    [
        (429, bodies.too_fast(), RateLimited, "refused"),
        (429, b"<html>unusual traffic</html>", RateLimited, "refused"),
        (403, bodies.legacy(403, "rateLimitExceeded"), RateLimited, "refused"),
        (400, bodies.legacy(400, "invalidParameter"), BadRequest, "settled"),
        (400, bodies.legacy(400, "invalidPageToken"), PageTokenInvalid, "settled"),
        (403, bodies.legacy(403, "forbidden", domain="youtube.video"), Forbidden, "settled"),
        (404, bodies.legacy(404, "videoNotFound"), NotFound, "settled"),
    ],
)
async def test_what_another_try_cannot_help_is_raised_at_once(
    client: YouTubeClient,
    api: aioresponses,
    ring: FakeRing,
    stop: FakeStop,
    status: int,
    body: bytes,
    expected: type[YouTubeError],
    end: str,
) -> None:
    api.get(ANY, status=status, body=body)

    with pytest.raises(expected) as caught:
        await client.videos(["a"])

    assert type(caught.value) is expected
    assert ring.book() == [end], "an invalid request costs quota, a refused one does not"
    assert stop.pauses == []


class Failure(NamedTuple):
    """A try that fails: the response of aioresponses, the error, and what becomes of the reservation."""

    name: str
    response: dict[str, Any]
    error: type[TransientError]
    end: str


FAILURES = [
    Failure("500", {"status": 500, "body": bodies.backend_error(500)}, ServerError, "settled"),
    Failure("503", {"status": 503, "body": b"<html>"}, ServerError, "settled"),
    Failure("broken JSON", {"body": b'{"kind": "youtube#vid'}, Malformed, "settled"),
    Failure("404 of another server", {"status": 404, "body": b"nginx"}, Malformed, "settled"),
    Failure("cut before the answer", {"exception": aiohttp.ServerDisconnectedError()}, NetworkError, "settled"),
    Failure("cut in the answer", {"exception": aiohttp.ClientPayloadError("half")}, NetworkError, "settled"),
    Failure("reset", {"exception": aiohttp.ClientOSError(104, "reset")}, NetworkError, "settled"),
    Failure("refused", {"exception": no_connection()}, NetworkError, "released"),
    Failure("no connection in time", {"exception": aiohttp.ConnectionTimeoutError()}, NetworkError, "released"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
class TestTries:
    async def test_three_and_no_more(
        self, client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop, failure: Failure
    ) -> None:
        api.get(ANY, **failure.response, repeat=True)

        with pytest.raises(failure.error) as caught:
            await client.videos(["a"])

        assert ring.book() == [failure.end] * 3
        assert len(calls(api)) == 3
        assert len(stop.pauses) == 2
        if isinstance(caught.value, NetworkError):
            assert caught.value.reached is (failure.end == "settled")

    async def test_the_third_may_succeed(
        self, client: YouTubeClient, api: aioresponses, ring: FakeRing, failure: Failure
    ) -> None:
        api.get(ANY, **failure.response)
        api.get(ANY, **failure.response)
        api.get(ANY, body=OK)

        answer = await client.videos(["a"])

        assert ring.book(*answer.reservations) == [failure.end, failure.end, "answered"]

    @pytest.mark.parametrize("when", ["in the try", "in the pause"])
    async def test_none_follows_a_stop(
        self, client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop, failure: Failure, when: str
    ) -> None:
        def request_stop(url: URL, **_: Any) -> CallbackResult:
            stop.requested = when == "in the try"
            return CallbackResult(status=failure.response.get("status", 200), body=failure.response.get("body", b""))

        stop.stop_in_pause = when == "in the pause"
        api.get(ANY, **failure.response, callback=request_stop, repeat=True)

        with pytest.raises(failure.error):
            await client.videos(["a"])

        assert ring.book() == [failure.end]
        assert len(stop.pauses) == (when == "in the pause")


async def test_nothing_starts_after_a_stop(client: YouTubeClient, ring: FakeRing, stop: FakeStop) -> None:
    stop.requested = True
    with pytest.raises(Stopped):
        await client.videos(["a"])
    assert ring.issued == []


async def test_no_further_key_is_tried_after_a_stop(
    client: YouTubeClient, api: aioresponses, ring: FakeRing, stop: FakeStop
) -> None:
    def spent(url: URL, **_: Any) -> CallbackResult:
        stop.requested = True
        return CallbackResult(status=403, body=bodies.units_day_spent())

    api.get(ANY, callback=spent, repeat=True)

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
    async with YouTubeClient(ring, base_url=BASE, backoff=0.0) as client:  # type: ignore[arg-type]
        answer = await client.videos(["a"])
    assert ring.book(*answer.reservations) == ["settled", "answered"]


async def test_a_closed_client_says_so_and_costs_nothing(ring: FakeRing) -> None:
    client = YouTubeClient(ring, base_url=BASE)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="async with"):
        await client.videos(["a"])
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
        # What waits for its turn has not reserved anything yet.
        assert len(ring.issued) - len(api.requests) <= 3
        running -= 1
        return CallbackResult(body=OK)

    api.get(ANY, callback=answer, repeat=True)
    async with YouTubeClient(ring, base_url=BASE, concurrency=3) as client:  # type: ignore[arg-type]
        await asyncio.gather(*(client.videos([f"id-{n}"]) for n in range(12)))

    assert most == 3


async def test_a_failing_ring_is_heard(client: YouTubeClient, api: aioresponses, ring: FakeRing) -> None:
    ring.failure = OSError("database gone")
    api.get(ANY, status=404, body=bodies.legacy(404, "videoNotFound"))
    with pytest.raises(OSError, match="database gone"):
        await client.videos(["a"])


async def test_a_call_cancelled_while_it_reserves_gives_back(api: aioresponses) -> None:
    class SlowRing(FakeRing):
        asked = asyncio.Event()
        go_on = asyncio.Event()

        async def acquire(self, bucket: Bucket) -> Any:
            self.asked.set()
            await self.go_on.wait()
            return await super().acquire(bucket)

    ring = SlowRing()
    async with YouTubeClient(ring, base_url=BASE) as client:  # type: ignore[arg-type]
        call = asyncio.create_task(client.videos(["a"]))
        await ring.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        ring.go_on.set()

    assert ring.book() == ["released"]


async def test_a_call_cancelled_while_it_settles_is_settled_all_the_same(api: aioresponses) -> None:
    class SlowRing(FakeRing):
        asked = asyncio.Event()
        go_on = asyncio.Event()

        async def settle(self, reservations: Any) -> None:
            self.asked.set()
            await self.go_on.wait()
            await super().settle(reservations)

    ring = SlowRing()
    api.get(ANY, status=404, body=bodies.legacy(404, "videoNotFound"))
    async with YouTubeClient(ring, base_url=BASE) as client:  # type: ignore[arg-type]
        call = asyncio.create_task(client.videos(["a"]))
        await ring.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        ring.go_on.set()

    assert ring.book() == ["settled"]


async def test_a_reservation_that_fails_after_the_call_was_cancelled_is_only_logged(
    api: aioresponses, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenRing(FakeRing):
        asked = asyncio.Event()
        go_on = asyncio.Event()

        async def acquire(self, bucket: Bucket) -> Any:
            self.asked.set()
            await self.go_on.wait()
            raise RingExhausted("hunting", bucket, MIDNIGHT, MIDNIGHT)

    ring = BrokenRing()
    async with YouTubeClient(ring, base_url=BASE) as client:  # type: ignore[arg-type]
        call = asyncio.create_task(client.videos(["a"]))
        await ring.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        ring.go_on.set()

    assert "cannot release the reservation" in caplog.text
