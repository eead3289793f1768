"""An API of canned answers, whose own cost is small beside what is measured: ``python -m benchmarks.canned LATENCY``.

A search answers 50 videos, 18 of them new: so it was for the first version (107 new rows a second of 6 searches).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from datetime import UTC, datetime

from aiohttp import web

_RESULTS, _NEW, _TAGS = 50, 18, 10
_NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
_WORDS = [f"{first} {second}" for first in ("live", "best", "new", "how to") for second in map(str, range(500))]


def _id(number: int) -> str:
    return f"bench{number:06d}"


def _snippet(number: int) -> dict[str, object]:
    return {
        "publishedAt": _NOW,
        "channelId": f"UCbench{number % 500:017d}",
        "title": f"A video of the benchmark, number {number}",
        "description": "What a description says at length. " * 8,
        "thumbnails": {size: {"url": f"https://example.org/{number}/{size}.jpg"} for size in ("default", "high")},
        "channelTitle": f"Channel {number % 500}",
        "liveBroadcastContent": "none",
    }


def _found(number: int) -> bytes:
    item = {"kind": "youtube#searchResult", "etag": "e", "id": {"kind": "youtube#video", "videoId": _id(number)}}
    return json.dumps(item | {"snippet": _snippet(number)}).encode()


def resource(number: int) -> dict[str, object]:
    """A whole video, as videos.list has it."""
    tags = [_WORDS[(number * 7 + n * n) % len(_WORDS)] for n in range(_TAGS)]
    snippet = _snippet(number) | {"tags": tags, "categoryId": "22"}
    return _stats(number) | {"kind": "youtube#video", "snippet": snippet}


def _video(number: int) -> bytes:
    return json.dumps(resource(number)).encode()


def _stats(number: int) -> dict[str, object]:
    counts = {"viewCount": str(number * 3), "likeCount": str(number), "commentCount": "7"}
    return {
        "kind": "youtube#videoStats",
        "id": _id(number),
        "statistics": counts,
        "contentDetails": {"duration": "PT4M"},
    }


def _list(kind: str, items: list[bytes], more: bytes = b"") -> web.Response:
    body = b'{"kind":"' + kind.encode() + b'","etag":"e",' + more + b'"items":[' + b",".join(items) + b"]}"
    return web.Response(body=body, content_type="application/json")


async def main(latency: float) -> None:
    """Serves until it is stopped; the base URL is the first line."""
    searches = itertools.count()

    async def search(_: web.Request) -> web.Response:
        await asyncio.sleep(latency)
        end = next(searches) * _NEW + _RESULTS
        return _list("youtube#searchListResponse", [_found(n) for n in range(end - _RESULTS, end)])

    async def videos(request: web.Request) -> web.Response:
        await asyncio.sleep(latency)
        return _list("youtube#videoListResponse", [_video(int(i[5:])) for i in request.query["id"].split(",")])

    async def stats(request: web.Request) -> web.Response:
        await asyncio.sleep(latency)
        numbers = (int(i[5:]) for i in request.query["id"].split(","))
        return _list("youtube#batchGetStatsResponse", [json.dumps(_stats(n)).encode() for n in numbers])

    app = web.Application()
    for path, handler in (("/search", search), ("/videos", videos), ("/videos:batchGetStats", stats)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
