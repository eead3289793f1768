"""The Hunter by hand.

The same as the Hunter: the claim of a batch of queries and the statements before it; their searches, reserved together,
at once; the answers decoded into the same models; which videos are new; videos.list for each search; each search stored
with its channels, videos, snapshots, tags, page token and the end of its lease in one transaction that settles its two
calls, by the same statements; at the end of the cycle a file for each video, written beside its place and moved there,
in a thread, and the note that it is there; four sessions.

Left out: key rings and suspensions, retries and the mapping of errors, unfinished searches and videos, released
windows, which tags are wanted, shutdown requests, logs, and the result.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from atlas.db.queries import bind, sql
from atlas.models.youtube import SearchItem, Video
from atlas.quota.ledger import Calls
from harness.benchmarks.bare.tools import CONCURRENCY, Bare, zone_and_due

_LEASE = 600.0
_NEW_QUERIES = 20
_WINDOW = timedelta(hours=24)
_QUEUE = 50_000
_PARTS = "snippet,contentDetails,statistics"

Found = tuple[Any, list[SearchItem], str | None]
"""A topic, its results, and the next page's token."""


async def hunt(tools: Bare, batch: int, folder: Path) -> int:
    """Run one cycle. Return the number of searches that were stored."""
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    await tools.fetch("hunter/claim_unfinished", 45, now - hour, _LEASE, uuid.uuid4(), "bare 0/1", True, now - 6 * hour)
    await tools.fetch("hunter/promote_topics", now, 5_000)
    topics = await tools.fetch("hunter/claim_topics", batch, _LEASE, uuid.uuid4(), "bare 0/1")
    day = await tools.reserve("search", len(topics))
    turn = asyncio.Semaphore(CONCURRENCY)

    async def search(topic: Any) -> Found:
        params = {
            "part": "snippet", "type": "video", "order": "date", "q": topic["query_term"], "maxResults": "50",
            "publishedAfter": f"{now - _WINDOW:%Y-%m-%dT%H:%M:%SZ}", "publishedBefore": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        }  # fmt: skip
        async with turn:
            answer = await tools.get("/search", params)
        return topic, [SearchItem.from_resource(item) for item in answer["items"]], answer.get("nextPageToken")

    found = await asyncio.gather(*map(search, topics))
    await tools.fetch("hunter/queue_size", _QUEUE)
    ids = sorted({item.id for _, items, _ in found for item in items})
    taken = {row["id"] for row in await tools.fetch("hunter/known_videos", ids)}
    await tools.reserve("units", len(found))
    records: dict[str, bytes] = {}

    async def store(one: Found) -> None:
        topic, items, token = one
        new = [item.id for item in items if item.id not in taken]
        taken.update(new)
        async with turn:
            answer = await tools.get("/videos", {"part": _PARTS, "id": ",".join(new)})
        videos = sorted((Video.from_resource(item) for item in answer["items"]), key=lambda video: video.id)
        at = datetime.now(UTC)
        async with tools.session() as session, session.transaction():
            stored = await session.fetch(sql("hunter/ingest_videos"), *_ingest(topic, videos, at))
            fresh = {row["id"] for row in stored if row["newly_enriched"]}
            mentions = Counter(_tag(tag) for v in videos if v.id in fresh for tag in dict.fromkeys(v.tags[:10]))
            mentions.setdefault(topic["query_term"], 0)
            await session.fetch(sql("hunter/add_tags"), list(mentions), list(mentions.values()), _NEW_QUERIES, at)
            created = sum(row["created"] for row in stored)
            calls = tools.answered((day, "search"), (day, "units"))
            await session.fetch(*_advance(topic, token, len(items), created, now, at, calls))
        records.update((video.id, _record(video, at)) for video in videos)

    await asyncio.gather(*map(store, found))
    await asyncio.to_thread(_write, folder, now.date(), records)
    await tools.fetch("hunter/mark_archived", list(records), [datetime.now(UTC)] * len(records))
    return len(found)


def _tag(tag: str) -> str:
    return tag.strip("# ").lower()


def _ingest(topic: Any, videos: list[Video], at: datetime) -> tuple[Any, ...]:
    plan = [zone_and_due(video.published_at or at, at) for video in videos]
    return (
        [v.id for v in videos], [v.channel_id for v in videos], [v.channel_title for v in videos],
        [v.title for v in videos], [v.published_at for v in videos], ["\x1f".join(v.tags) for v in videos],
        [v.category_id for v in videos], [v.duration for v in videos], [zone for zone, _ in plan],
        [due for _, due in plan], [True] * len(videos), [v.views for v in videos], [v.likes for v in videos],
        [v.comments for v in videos], [at] * len(videos),
        topic["id"], timedelta(minutes=1),
    )  # fmt: skip


def _advance(
    topic: Any, token: str | None, count: int, new: int, now: datetime, at: datetime, calls: Calls
) -> tuple[str, *tuple[Any, ...]]:
    return bind(
        "hunter/advance_topic",
        topic=topic["id"],
        lease_token=topic["lease_token"],
        status="active" if token else "waiting",
        next_page_token=token,
        now=at,
        due_at=None if token else at + timedelta(hours=6),
        results=count,
        new_videos=new,
        published_after=now - _WINDOW if token else None,
        published_before=now if token else None,
        round_before=None,
        round_ended_at=None if token else now,
        oldest_read=None,
        page=1 if token else 0,
        restarts=0,
        slice_results=count if token else 0,
        round_pages=1 if token else 0,
        round_new=new if token else 0,
        rounds_without_new=0,
        empty_answers=0,
        **calls._asdict(),
    )


def _record(video: Video, at: datetime) -> bytes:
    mark = {"observed_at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"}
    return orjson.dumps({**video.raw, "_maia": mark}, option=orjson.OPT_APPEND_NEWLINE)


def _write(folder: Path, day: date, records: dict[str, bytes]) -> None:
    of_day = folder / "metadata" / day.isoformat()
    of_day.mkdir(parents=True, exist_ok=True)
    for number, (id_, body) in zip(itertools.count(), records.items(), strict=False):
        beside = of_day / f".{id_}.{number}.tmp"
        beside.write_bytes(body)
        beside.replace(of_day / f"{id_}.json")
