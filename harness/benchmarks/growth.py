"""``python -m harness.benchmarks.growth``: judge the growth of many videos, and what that costs a cycle.

The database has videos of all ages and kinds with ten snapshots each. A whole pass judges all of them, first without
what earlier passes have written, then after one more reading of each. Last, single batches are timed. PostgreSQL
shares the cores with other work: compare with the time of the insert of as many snapshots, which is printed beside.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from statistics import median

from atlas.adapters.maia import MaiaDAO
from atlas.database import database
from atlas.snapshots.maintenance import maintain
from harness.benchmarks.world import fresh_database
from harness.driver.proc import machine

_VIDEOS = """
INSERT INTO videos (id, channel_id, category_id, duration, published_at, first_seen_at, last_updated_at, zone, due_at)
SELECT 'bench' || lpad(n::text, 8, '0'), 'UCbench' || n % ($1::int / 20 + 1), n % 15,
    CASE WHEN n % 4 = 0 THEN interval '30 seconds' ELSE interval '10 minutes' END,
    born, born, $2, zone, $2 + interval '1 hour'
FROM generate_series(1, $1::int) AS n,
    LATERAL (SELECT $2::timestamptz - interval '1 hour' * (24 + n % 700) AS born) AS birth,
    LATERAL (SELECT CASE WHEN $2::timestamptz - born < interval '7 days' THEN 2 ELSE 3 END AS zone) AS place
"""
# each interval is an hour, so that the windows of 6 and 24 h have to be looked up
_READING = """
INSERT INTO video_stats_log (video_id, observed_at, views, likes, comments)
SELECT id, $1,
    (1000 + abs(hashtext(id)) % 1000 * sqrt(24 + extract(epoch FROM $1 - first_seen_at) / 3600))::bigint, 1, 1
FROM videos
"""
_BATCHES = 2_500  # as the Tracker judges
_ROUNDS = 15


async def _pass(ids: list[str], since: datetime) -> float:
    """Judge all videos, two batches at a time. Return the seconds."""
    batches = [ids[n : n + _BATCHES] for n in range(0, len(ids), _BATCHES)]
    began = time.perf_counter()

    async def work() -> None:
        dao = MaiaDAO()
        while batches:
            await dao.judge_growth(batches.pop(), since)

    await asyncio.gather(work(), work())
    return time.perf_counter() - began


async def main(videos: int, snapshots: int) -> None:
    print(f"{machine()}; {videos:,} videos with {snapshots} snapshots each", flush=True)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    async with fresh_database():
        await maintain(database, now, now - timedelta(days=2), batch=1_000)
        await database.fetch(_VIDEOS, videos, now, seconds=3_600)
        for hour in range(snapshots, 0, -1):
            await database.fetch(_READING, now - timedelta(hours=hour), seconds=3_600)
        ids = [row["id"] for row in await database.fetch("SELECT id FROM videos ORDER BY id", seconds=600)]
        for table in ("videos", "video_stats_log"):
            await database.fetch(f"VACUUM (ANALYZE) {table}", seconds=3_600)
        began = time.perf_counter()
        await MaiaDAO().learn_growth()
        print(f"learn what is usual: {time.perf_counter() - began:.1f} s", flush=True)
        print(f"first pass over all videos: {await _pass(ids, now - timedelta(hours=1)):.1f} s", flush=True)
        began = time.perf_counter()
        await database.fetch(_READING, now, seconds=3_600)
        print(f"one more snapshot of each, in one statement: {time.perf_counter() - began:.1f} s", flush=True)
        await database.fetch("VACUUM (ANALYZE) video_growth", seconds=3_600)
        print(f"second pass over all videos: {await _pass(ids, now):.1f} s", flush=True)
        dao = MaiaDAO()
        at = now
        for size in (1_000, 50):
            times = []
            for number in range(_ROUNDS):
                at += timedelta(minutes=1)
                batch = ids[number * size : (number + 1) * size]
                await database.fetch(
                    "INSERT INTO video_stats_log SELECT id, $2, 900000000 + $3, 1, 1 FROM unnest($1::text[]) AS id",
                    batch, at, number,
                )  # fmt: skip
                began = time.perf_counter()
                await dao.judge_growth(batch, at)
                times.append(time.perf_counter() - began)
            (judged,) = await database.fetch("SELECT count(*) AS number FROM video_growth WHERE observed_at = $1", at)
            assert judged["number"] == size, "each was judged"
            print(f"judge {size:,} videos: {1_000 * median(times):.1f} ms", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.growth", description=__doc__)
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--snapshots", type=int, default=10)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(main(given.videos, given.snapshots))
