"""``python -m harness.load.shard FILE ARGUMENTS``: ``maia ARGUMENTS`` with a stopwatch around its claims and writes.

Nothing else of the product is changed. Each call is a line of the file at once, since a shard ends without exit
handlers: how long it took, and how late the videos were.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from atlas.adapters.maia import MaiaDAO
from atlas.clock import clock
from atlas.models.rows import Presence, TargetRow, TopicRow, VideoUpdate


def measure(path: Path) -> None:
    """Write this process's claims and writes to the file from now on."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    claimed: dict[str, tuple[int, datetime | None]] = {}

    def note(kind: str, began: float, **more: Any) -> None:
        line = {"at": time.time(), "kind": kind, "ms": round((time.perf_counter() - began) * 1000, 2), **more}
        os.write(out, json.dumps(line).encode() + b"\n")

    claim_videos, claim_topics = MaiaDAO.fetch_tracker_targets, MaiaDAO.fetch_hunter_batch
    write = MaiaDAO.update_video_stats_batch

    async def fetch_tracker_targets(self: MaiaDAO, batch_size: int = 50) -> list[TargetRow]:
        began = time.perf_counter()
        rows = await claim_videos(self, batch_size)
        note("videos claimed", began, rows=len(rows))
        claimed.update((row["id"], (row["zone"], row["due_at"])) for row in rows)
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
            zone, due = claimed.pop(update.id, (0, None))
            if due is not None and update.presence == Presence.PRESENT:
                late[zone].append(round(clock.real_seconds(now - due), 2))
        note("videos written", began, rows=written, late=late)
        return written

    for method in (fetch_tracker_targets, fetch_hunter_batch, update_video_stats_batch):
        setattr(MaiaDAO, method.__name__, method)


if __name__ == "__main__":
    from maia.__main__ import main

    measure(Path(sys.argv.pop(1)))
    main()
