"""``python -m harness.benchmarks.canned LATENCY [NEW]``: an API of canned answers that costs little itself.

A search answers 50 videos, of which NEW are new (18). All ids exist. It speaks only the HTTP that a client of the API
needs: a server that can do more would take a core for itself.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote
from zlib import crc32

import orjson

RESULTS = 50
"""Videos on a page of search results."""
NEW = 18
"""Those of them that no search has found before, by default."""
WORDS = [f"{first} {second}" for first in ("live", "best", "new", "how to") for second in range(5_000)]
"""Tags: few videos share one, as in real life."""

_TAGS = 10
_IDS = re.compile(rb"[?&]id=([^& ]+)")
_STATS = (
    b'{"kind":"youtube#videoStats","id":"%b","snippet":{"publishTime":"%b"},"statistics":{"viewCount":"%d",'
    b'"likeCount":"%d","commentCount":"7"},"contentDetails":{"duration":"PT4M"}}'
)


def video_id(number: int) -> str:
    return f"bench{number:06d}"


@functools.cache
def _published_at() -> str:
    """Return the publish time of all videos: when the first of them was asked for."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(id_: str) -> int:
    return int(id_[5:]) if id_.startswith("bench") else crc32(id_.encode()) % 1_000_000


def _snippet(number: int) -> dict[str, object]:
    return {
        "publishedAt": _published_at(),
        "channelId": f"UCbench{number % 500:017d}",
        "title": f"A video of the benchmark, number {number}",
        "description": "What a description says at length. " * 8,
        "thumbnails": {size: {"url": f"https://example.org/{number}/{size}.jpg"} for size in ("default", "high")},
        "channelTitle": f"Channel {number % 500}",
        "liveBroadcastContent": "none",
    }


def resource(number: int, id_: str = "") -> dict[str, object]:
    """Return a whole video, as in videos.list."""
    return {
        "kind": "youtube#video",
        "id": id_ or video_id(number),
        "snippet": _snippet(number)
        | {"tags": [WORDS[(number * 7 + n * n) % len(WORDS)] for n in range(_TAGS)], "categoryId": "22"},
        "statistics": {"viewCount": str(number * 3), "likeCount": str(number), "commentCount": "7"},
        "contentDetails": {"duration": "PT4M"},
    }


def _found(number: int) -> bytes:
    item = {"kind": "youtube#searchResult", "etag": "e", "id": {"kind": "youtube#video", "videoId": video_id(number)}}
    return orjson.dumps(item | {"snippet": _snippet(number)})


def _video(id_: str) -> bytes:
    return orjson.dumps(resource(_number(id_), id_))


def _stats(id_: str) -> bytes:
    number = _number(id_)
    return _STATS % (id_.encode(), _published_at().encode(), number * 3, number)


def _list(kind: bytes, items: list[bytes]) -> bytes:
    return b'{"kind":"%b","etag":"e","items":[%b]}' % (kind, b",".join(items))


class _Answers:
    """The answer to the first line of a request."""

    def __init__(self, new: int) -> None:
        self._new = new
        self._searches = itertools.count()

    def __call__(self, asked: bytes) -> bytes:
        path = asked.split(b" ", 2)[1]
        if path.startswith(b"/search"):
            end = next(self._searches) * self._new + RESULTS
            return _list(b"youtube#searchListResponse", [_found(number) for number in range(end - RESULTS, end)])
        match = _IDS.search(path)
        ids = unquote(match[1].decode()).split(",") if match else []
        if path.startswith(b"/videos:batchGetStats"):
            return _list(b"youtube#batchGetStatsResponse", [_stats(id_) for id_ in ids])
        return _list(b"youtube#videoListResponse", [_video(id_) for id_ in ids])


class _Connection(asyncio.Protocol):
    """A client's connection: one request after the other."""

    def __init__(self, answer: Callable[[bytes], bytes], latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, self._received = self._received.split(b"\r\n\r\n", 1)
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._respond, request)
            else:
                self._respond(request)

    def _respond(self, request: bytes) -> None:
        assert self._transport is not None
        body = self._answer(request.split(b"\r\n", 1)[0])
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)


async def main(latency: float, new: int = NEW) -> None:
    """Serve until it is stopped. The first line of its output is the base URL."""
    answers = _Answers(new)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(answers, latency), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), *map(int, sys.argv[2:])))
