"""Row 13: how long the commands take that people read, on a million videos and 30 million snapshots.

Each is a process of its own, as a person starts it, on an embedded PostgreSQL with the settings that the product gives
it. The tables are filled inside the server, with what the Tracker would have written: 30 snapshots a video, growth of
each, 20,000 breakouts, 200 of them open. The first run of a command, which reads tables from disk, does not count.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from atlas.database import database
from harness.benchmarks.lines import Goal, Line
from harness.benchmarks.long.costs import MOST, fill
from harness.benchmarks.tables import no_videos
from harness.benchmarks.world import agent_environment, fresh_database

_SNAPSHOTS = 30  # of each video
_VIDEO = "bench000007"
COMMANDS: Mapping[str, Sequence[str]] = {
    "maia top": ["top"],
    "maia top --sort score --window 24h --limit 100": ["top", "--sort", "score", "--window", "24h", "--limit", "100"],
    "maia top --query": ["top", "--query", "number 7"],
    "maia metrics": ["metrics"],
    "maia show, a video": ["show", _VIDEO],
    "maia status": ["status"],
    "maia runs": ["runs"],
}
"""What is measured, and its arguments."""

_QUEUE = """
INSERT INTO search_queue (query_term, display_term, status, priority, source, added_at, searches, results, new_videos)
SELECT 'query number ' || n, 'query number ' || n, 'waiting', 1, 'tag', now(), 20, 900, 200
FROM generate_series(1, 5000) AS n
"""
_FOUND_BY = "UPDATE videos SET found_by = (SELECT min(id) FROM search_queue) + abs(hashtext(id)) % 5000"
# a day's readings of all videos at a time, as they would come; ids in the order of no index
_READINGS = """
INSERT INTO video_stats_log (video_id, observed_at, views, likes, comments)
SELECT id, now() - $1 * interval '1 day' - abs(hashtext(id)) % 86400 * interval '1 second',
    (abs(hashtext(id)) % 100000) * (40 - $1), 500, 20
FROM videos
"""
_GROWTH = """
INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour, views_per_hour_6h, views_per_hour_24h,
    usual_per_hour, score, views_24h_low, views_24h, views_24h_high, views_7d_low, views_7d, views_7d_high, found_by)
SELECT id, now() - abs(hashtext(id)) % 86400 * interval '1 second', 1 + abs(hashtext(id)) % 3,
    (abs(hashtext(id)) % 100000) * 40, rate, rate / 2, rate / 3, 50, rate / 100, 1000, 2000, 3000, 5000, 9000, 12000,
    found_by
FROM (SELECT *, 1 + 1e6 * power(random(), 5) AS rate FROM videos) AS rated
"""
_BREAKOUTS = """
INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, usual_per_hour, peak_views_per_hour,
    ended_at)
SELECT id, now() - n * interval '2 minutes', 8, 1000, 900, 90, 1500,
    CASE WHEN n > 200 THEN now() - n * interval '2 minutes' + interval '1 hour' END
FROM (SELECT id, row_number() OVER () AS n FROM videos LIMIT 20000) AS first
"""
_RUNS = """
INSERT INTO runs (id, run_id, wave, agent, shard, started_at, finished_at, outcome, exit_code, stats)
SELECT gen_random_uuid(), 'run ' || n / 4, 1, CASE WHEN n % 4 = 0 THEN 'hunter' ELSE 'tracker' END, n % 4 || '/4',
    now() - n * interval '5 minutes', now() - n * interval '5 minutes' + interval '3 minutes', 'ok', 0, '{}'
FROM generate_series(1, 8000) AS n
"""


@dataclass(frozen=True)
class Filled:
    """What the commands read."""

    videos: int
    snapshots: int


async def fill_all(connection: asyncpg.Connection, videos: int, snapshots: int = _SNAPSHOTS) -> Filled:
    """Fill the tables of a migrated database: so many videos, with so many snapshots each, and what is made of them."""
    await fill(connection, videos)
    await connection.execute(_QUEUE)
    await connection.execute(_FOUND_BY, timeout=900)
    for day in range(snapshots):
        await connection.execute(_READINGS, day, timeout=900)
    for statement in (_GROWTH, _BREAKOUTS, _RUNS):
        await connection.execute(statement, timeout=900)
    await connection.execute("VACUUM (ANALYZE)", timeout=3600)
    await connection.execute("CHECKPOINT", timeout=900)
    return Filled(videos, videos * snapshots)


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 13."""
    async with fresh_database():
        await no_videos()
        connection = await database.connect()
        try:
            filled = await fill_all(connection, 10_000 if quick else MOST)
        finally:
            await connection.close()
        with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
            environment = await agent_environment("http://127.0.0.1:9", Path(folder))
            return [await _line(name, words, filled, environment, runs) for name, words in COMMANDS.items()]


async def _line(name: str, words: Sequence[str], filled: Filled, environment: Mapping[str, str], runs: int) -> Line:
    first, *taken = [await _seconds(words, environment) for _ in range(runs + 1)]
    figure = statistics.median(taken)
    return Line(
        13, f"{name}; {filled.videos:,} videos, {filled.snapshots:,} snapshots", figure, "s", judged=figure,
        goal=Goal.at_most(1, " s"), noise=(max(taken) - min(taken)) / 2 / figure,
        details={"first": first, "runs": taken},
    )  # fmt: skip


async def _seconds(words: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "maia", *words, env=dict(environment), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode or not out:
        raise RuntimeError(f"maia {' '.join(words)} ended with {process.returncode}: {err.decode()[-500:]}")
    return time.monotonic() - began
