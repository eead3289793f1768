"""``python -m harness.benchmarks.report``: fill a database, and make the page of `maia report` from it.

The videos are spread evenly over 30 days and have as many snapshots each, in the order of time, as agents write them.
Titles have 50 characters that deflate to about 25 bytes, as titles of trending videos do. The page is made by the
command in a process of its own, whose memory is measured; the database is the embedded one, with its own settings.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import bisect
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from atlas.config import settings
from atlas.database import database
from atlas.snapshots import partitions
from harness.benchmarks.world import fresh_database
from harness.driver.proc import machine, parent_of, tree_seconds
from harness.driver.screen import Screen, table

DAYS = 30
_LETTERS, _WEIGHTS = "etaoinshrdlucmfwypvbgkq", (12, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1)
_ALPHABET_END = "AEIMQUYcgkosw048"  # of an id's last character

_VIDEOS = """
    CREATE TEMP TABLE world AS
    SELECT number, id, title, exp(random() * 9) * 5 AS final, random() * 30 AS age FROM unnest($1::text[], $2::text[])
        WITH ORDINALITY AS video (id, title, number)
"""
_SNAPSHOTS = """
    INSERT INTO video_stats_log (video_id, observed_at, views, likes, comments)
    SELECT id, $1::timestamptz - random() * interval '5 hours',
        (final * (1 - exp(-$2::float8 * (1 + number % 7)))) ::bigint + (random() * 3)::int, number % 1000, number % 50
    FROM world ORDER BY random()
"""
_REST = (
    """
    INSERT INTO channels (id, title, first_seen_at, updated_at)
    SELECT 'UC' || lpad(number::text, 22, '0'), left(title, 14), $1, $1 FROM world WHERE number % 3 = 0
    """,
    """
    INSERT INTO videos (id, channel_id, title, published_at, first_seen_at, last_updated_at, zone, due_at, enriched_at)
    SELECT id, 'UC' || lpad((number / 3 * 3)::text, 22, '0'), title, $1::timestamptz - age * interval '1 day',
        $1::timestamptz - age * interval '1 day', $1, CASE WHEN age < 1 THEN 1 WHEN age < 7 THEN 2 ELSE 3 END,
        $1::timestamptz + random() * interval '5 hours', $1
    FROM world
    """,
    """
    INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour, views_per_hour_6h, views_per_hour_24h,
        usual_per_hour, score, views_24h_low, views_24h, views_24h_high, views_7d_low, views_7d, views_7d_high)
    SELECT id, $1::timestamptz - random() * interval '5 hours', 1 + number % 2, final::bigint, rate,
        rate * (0.5 + random()), CASE WHEN age > 1 THEN rate * (0.3 + random()) END, rate * (0.2 + random() * 2),
        random() * 8 - 1,
        CASE WHEN age < 1 THEN final * 0.8 END, CASE WHEN age < 1 THEN final * (1 + random()) END,
        CASE WHEN age < 1 THEN final * 2.5 END, CASE WHEN age < 7 THEN final * 0.9 END,
        CASE WHEN age < 7 THEN final * (1 + random() * 3) END, CASE WHEN age < 7 THEN final * 6 END
    FROM (
        SELECT *, final / (age * 24 + 2) * random() ^ 2 * CASE WHEN number % 40 = 0 THEN -0.05 ELSE 1 END AS rate
        FROM world
    ) AS moving
    """,
    "VACUUM ANALYZE",
)


def titles(number: int, draw: random.Random) -> Iterator[str]:
    """Yield titles of words whose frequencies are those of a language (Zipf)."""
    words = ["".join(draw.choices(_LETTERS, _WEIGHTS, k=draw.randint(2, 10))) for _ in range(30_000)]
    sums = list(itertools.accumulate(1 / (rank + 20) for rank in range(len(words))))
    for _ in range(number):
        title = ""
        while len(title) < 46:
            word = words[bisect.bisect(sums, draw.random() * sums[-1]) - 1]
            title += (
                f"{' | ' if title and draw.random() < 0.05 else ' '}{word.title() if draw.random() < 0.6 else word}"
            )
        yield title.strip()


def ids(number: int, draw: random.Random) -> Iterator[str]:
    """Yield ids like YouTube's."""
    for _ in range(number):
        yield base64.urlsafe_b64encode(draw.randbytes(9)).decode()[:10] + draw.choice(_ALPHABET_END)


async def fill(videos: int, snapshots: int, screen: Screen) -> None:
    """Fill the database, whose snapshots are in partitions as the Janitor makes them."""
    draw, now, began = random.Random(1), datetime.now(UTC), time.monotonic()
    names = list(titles(videos, draw))
    screen.say(f"titles deflate to {len(zlib.compress(chr(10).join(names).encode(), 9)) / videos:.1f} bytes each")
    connection = await database.connect(seconds=3_600)
    try:
        await _partition(connection, now)
        await connection.execute(_VIDEOS, list(ids(videos, draw)), names)
        step = timedelta(days=DAYS) / snapshots
        for place in range(snapshots):
            await connection.execute(_SNAPSHOTS, now - step * (snapshots - 1 - place), place / snapshots)
        for statement in _REST:
            await connection.execute(statement, *([now] if "$1" in statement else []))
    finally:
        await connection.close()
    screen.say(f"{videos:,} videos with {videos * snapshots:,} snapshots, filled in {time.monotonic() - began:.0f} s")


async def _server() -> int:
    connection = await database.connect()
    try:
        return parent_of(connection.get_server_pid())
    finally:
        await connection.close()


async def _partition(connection: asyncpg.Connection, now: datetime) -> None:
    days = [(now - timedelta(days=day),) for day in range(DAYS + 2)]
    await connection.executemany("INSERT INTO video_stats_log (video_id, observed_at) VALUES ('partition', $1)", days)
    await partitions.create_missing(connection, now, timedelta(days=settings.database_chunk_days))
    await connection.execute("DELETE FROM video_stats_log")


@dataclass(frozen=True)
class Made:
    """A page that was made: seconds, processor seconds of command and database, the command's most memory, bytes."""

    seconds: float
    cpu: float
    database_cpu: float
    memory: int
    size: int


def make(dsn: str, server: int, folder: Path, limit: int, days: int) -> Made:
    """Make a page by the command; ``server`` is the first process of the database."""
    page = folder / f"{limit}.html"
    command = [
        sys.executable,
        "-m",
        "maia",
        "report",
        "--output",
        str(page),
        "--limit",
        str(limit),
        "--days",
        str(days),
    ]
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "DATABASE_URL": dsn}
    began, database_cpu = time.monotonic(), tree_seconds(server)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Made(
        time.monotonic() - began, usage.ru_utime + usage.ru_stime, tree_seconds(server) - database_cpu,
        usage.ru_maxrss * 1024, page.stat().st_size,
    )  # fmt: skip


_GOALS = {10_000: 1.5, 100_000: 8.0}
"""Megabytes of a page of so many videos."""
_SECONDS = 10.0


async def main(videos: int, snapshots: int, limits: Sequence[int], runs: int, days: int, keep: Path | None) -> bool:
    """Measure, print a table, and return whether all goals are met."""
    screen = Screen(width=140)
    screen.say(machine())
    rows, good = [], True
    async with fresh_database():
        await fill(videos, snapshots, screen)
        dsn, server = await database.dsn(), await _server()
        with tempfile.TemporaryDirectory(prefix="maia-bench-") as temporary:
            folder = keep or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            for limit in limits:
                made = [await asyncio.to_thread(make, dsn, server, folder, limit, days) for _ in range(runs)]
                seconds = statistics.median(each.seconds for each in made)
                size, most = made[-1].size / 1e6, _GOALS.get(limit)
                good = good and seconds <= _SECONDS and (most is None or size <= most)
                rows.append(
                    (
                        f"{limit:,}", f"{seconds:.1f} s", f"≤ {_SECONDS:g} s",
                        f"{statistics.median(each.cpu for each in made):.1f} s",
                        f"{statistics.median(each.database_cpu for each in made):.1f} s", f"{size:.2f} MB",
                        f"≤ {most:g} MB" if most else "", f"{max(each.memory for each in made) / 1e6:.0f} MB",
                        f"{os.getloadavg()[0]:.1f}",
                    )
                )  # fmt: skip
    columns = ("videos", "made in", "goal", "command's processor", "database's", "page", "goal", "most memory", "load")
    screen.show(table(*columns, rows=rows, title=f"maia report --days {days}, median of {runs}"))
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.report", description=__doc__)
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=100, help="of each video (default 100)")
    parser.add_argument("--limits", default="10000,100000", help="videos of the pages that are made")
    parser.add_argument("--runs", type=int, default=3, help="of each page (default 3)")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="write the pages into this folder")
    given = parser.parse_args()
    sizes = [int(each) for each in given.limits.split(",")]
    sys.exit(not asyncio.run(main(given.videos, given.snapshots, sizes, given.runs, given.days, given.keep)))
