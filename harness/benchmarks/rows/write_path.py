"""Row 2: what the Tracker writes, through MaiaDAO beside the same statements by hand, in one session, one at a time.

A round claims 50 videos, makes their updates, and writes them. The session by hand has nothing around it: no mapped
errors, no retries, no leases that are remembered.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import asyncpg

from atlas.adapters.maia import MaiaDAO
from atlas.database import database
from atlas.db.queries import sql
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import VideoStats
from harness.benchmarks.bare.tracker import claim, update
from harness.benchmarks.comparing import alternate
from harness.benchmarks.lines import Goal, Line
from harness.benchmarks.tables import due_videos
from harness.benchmarks.world import fresh_database

_AT_ONCE = 50


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 2."""
    rounds = 10 if quick else 200
    async with fresh_database():
        dao = MaiaDAO("bench 0/1")

        async def through_dao() -> int:
            targets = await dao.fetch_tracker_targets(_AT_ONCE)
            updates = [VideoUpdate(row["id"], Presence.PRESENT, 3_000, 1_000, 7) for row in targets]
            return await dao.update_video_stats_batch(updates)

        async def by_hand() -> float:
            session = await asyncpg.connect(await database.dsn(), server_settings={"timezone": "UTC"})

            async def round_() -> int:
                targets = {row["id"]: row for row in await session.fetch(sql("tracker/claim_videos"), *claim(_AT_ONCE))}
                found = [VideoStats(id=id_, views=3_000, likes=1_000, comments=7) for id_ in sorted(targets)]
                return len(await session.fetch(*update(targets, found)))

            try:
                return await _speed(round_, rounds)
            finally:
                await session.close()

        speed = await alternate(runs, {"maia": lambda: _speed(through_dao, rounds), "by hand": by_hand}, warm=not quick)
    ours, limit = speed["maia"], speed["by hand"]
    return [
        Line(
            2, "Tracker's write path: claim 50, stats, update", ours.median, "videos/s", "asyncpg by hand",
            limit.median, ours.over(limit), Goal.at_least(0.90), ours.noise,
            {"runs": ours.values, "by hand": limit.values},
        )
    ]  # fmt: skip


async def _speed(round_: Callable[[], Awaitable[int]], rounds: int) -> float:
    """Return the videos a second of some rounds, after some to warm up."""
    warm = 5
    await due_videos(_AT_ONCE * (rounds + warm))
    for _ in range(warm):
        await round_()
    began = time.perf_counter()
    written = sum([await round_() for _ in range(rounds)])
    seconds = time.perf_counter() - began
    assert written == _AT_ONCE * rounds, f"{written} were written"
    return written / seconds
