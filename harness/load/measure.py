"""Inside the process of a shard: how long its claims and writes take, and how late what it reads is.

Nothing of the product is changed: three methods of its DAO are called through a stopwatch. A line is written for each
call at once, since a shard leaves without exit handlers.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from atlas.adapters.maia import MaiaDAO
from atlas.clock import clock
from atlas.models.rows import Presence, TargetRow, TopicRow, VideoUpdate

__all__ = ["measure"]


def measure(path: Path) -> None:
    """From now on this process's claims and writes are noted in the file."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    held: dict[str, tuple[int, datetime | None]] = {}

    def note(kind: str, began: float, **more: Any) -> None:
        line = {"at": time.time(), "kind": kind, "ms": round((time.perf_counter() - began) * 1000, 2), **more}
        os.write(out, json.dumps(line).encode() + b"\n")

    claim_videos, claim_topics = MaiaDAO.fetch_tracker_targets, MaiaDAO.fetch_hunter_batch
    write = MaiaDAO.update_video_stats_batch

    async def fetch_tracker_targets(self: MaiaDAO, batch_size: int = 50) -> list[TargetRow]:
        began = time.perf_counter()
        rows = await claim_videos(self, batch_size)
        note("videos claimed", began, rows=len(rows))
        held.update((row["id"], (row["zone"], row["due_at"])) for row in rows)
        return rows

    async def fetch_hunter_batch(self: MaiaDAO, batch_size: int = 10) -> list[TopicRow]:
        began = time.perf_counter()
        rows = await claim_topics(self, batch_size)
        note("topics claimed", began, rows=len(rows))
        return rows

    async def update_video_stats_batch(self: MaiaDAO, updates: Sequence[VideoUpdate], **given: Any) -> int:
        began = time.perf_counter()
        written = await write(self, updates, **given)
        late: dict[int, list[float]] = defaultdict(list)
        now = clock.now()
        for update in updates:
            zone, due = held.pop(update.id, (0, None))
            if due is not None and update.presence == Presence.PRESENT:
                late[zone].append(round(clock.real_seconds(now - due), 2))
        note("videos written", began, rows=written, late=late)
        return written

    for method in (fetch_tracker_targets, fetch_hunter_batch, update_video_stats_batch):
        setattr(MaiaDAO, method.__name__, method)
