"""The Tracker by hand.

The same as the Tracker: a claim of a batch of videos; their calls of 50 each, reserved together, 32 at once; answers
decoded into the same models; zone and due time; each answer written and its call settled, by the same statement; four
sessions.

Left out: key rings and suspensions, retries and the mapping of errors, refreshes and absences, released leases,
shutdown requests, the archive, logs, and the result.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from atlas.db.queries import bind
from atlas.models.youtube import VideoStats
from atlas.quota.ledger import NO_CALLS, Calls
from harness.benchmarks.bare.tools import CONCURRENCY, Bare, zone_and_due

_LEASE = 300.0
_AT_ONCE = 50
_PARTS = "id,snippet,statistics,contentDetails"
_FIELDS = "kind,items(id,snippet/publishTime,statistics,contentDetails)"


async def track(tools: Bare, batch: int) -> int:
    """Run one cycle. Return the number of videos that were updated."""
    rows = await tools.fetch("tracker/claim_videos", *claim(batch))
    rows.sort(key=lambda row: (row["zone"], row["due_at"], row["id"]))
    calls = [{row["id"]: row for row in rows[i : i + _AT_ONCE]} for i in range(0, len(rows), _AT_ONCE)]
    day = await tools.reserve("batchGetStats", len(calls))
    turn = asyncio.Semaphore(CONCURRENCY)

    async def call(targets: dict[str, Any]) -> int:
        async with turn:
            params = {"part": _PARTS, "id": ",".join(targets), "fields": _FIELDS}
            answer = await tools.get("/videos:batchGetStats", params)
        found = sorted((VideoStats.from_resource(item) for item in answer["items"]), key=lambda video: video.id)
        calls = tools.answered((day, "batchGetStats"))
        async with tools.session() as session:
            return len(await session.fetch(*update(targets, found, calls)))

    return sum(await asyncio.gather(*map(call, calls)))


def claim(batch: int) -> tuple[Any, ...]:
    """Return the arguments of the claim's statement."""
    return batch, datetime.now(UTC), _LEASE, uuid.uuid4(), "bare 0/1"


def update(targets: dict[str, Any], found: list[VideoStats], calls: Calls = NO_CALLS) -> tuple[str, *tuple[Any, ...]]:
    """Return the statement of an update and its arguments, for videos all of which are present."""
    now = datetime.now(UTC)
    rows = [targets[video.id] for video in found]
    plan = [
        zone_and_due(video.published_at or row["published_at"], now) for row, video in zip(rows, found, strict=True)
    ]
    number = len(found)
    return bind(
        "tracker/update_videos",
        ids=[video.id for video in found],
        lease_tokens=[row["lease_token"] for row in rows],
        zones=[zone for zone, _ in plan],
        due_times=[due for _, due in plan],
        present=[True] * number,
        absent=[False] * number,
        views=[video.views for video in found],
        likes=[video.likes for video in found],
        comments=[video.comments for video in found],
        publish_times=[video.published_at for video in found],
        durations=[video.duration for video in found],
        now=now,
        old_absence=now - timedelta(hours=6),
        absences_to_retire=3,
        moved=timedelta(minutes=1),
        **calls._asdict(),
    )
