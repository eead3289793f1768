"""``python -m harness.benchmarks.conversion``: a plain installation becomes a TimescaleDB one while its shards write.

Needs a server with TimescaleDB, in MAIA_TEST_DATABASE_URL; works in a database of its own there. The conversion runs in
a process of its own, as `atlas migrate --to-timescaledb` does; the shards claim and update videos in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import os
import sys
import time
import uuid
from dataclasses import dataclass

import asyncpg
from rich.console import Console
from rich.table import Table

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import inspect
from atlas.models.rows import Presence, VideoUpdate
from atlas.schema.migrate import migrate
from atlas.snapshots import ensure
from harness.benchmarks.world import machine

__all__ = ["Figures", "measure"]

# snapshots of four weeks, as many of each video as the zones ask for in that time
_SNAPSHOTS_OF_A_VIDEO = 60
_BEFORE = 3.0  # seconds that the shards are measured for before the conversion begins
_VIDEOS = """
INSERT INTO videos (id, title, published_at, first_seen_at, zone, due_at, enriched_at)
SELECT 'v' || lpad(n::text, 10, '0'), 'title', now() - interval '28 days', now() - interval '28 days', 3, now(), now()
FROM generate_series(1, $1::bigint) AS n
"""
_SNAPSHOTS = """
INSERT INTO video_stats_log (video_id, observed_at, views, likes, comments)
SELECT 'v' || lpad((1 + n % $2::bigint)::text, 10, '0'), now() - interval '28 days' * (1 - n::float8 / $1::bigint),
    n, n / 30, n / 300
FROM generate_series(1, $1::bigint) AS n
"""
_CONVERT = """
import asyncio, dataclasses, json
from atlas.database import Database
from atlas.snapshots.conversion import to_timescaledb
done = asyncio.run(to_timescaledb(Database(), lambda *_: None))
print(json.dumps(dataclasses.asdict(done)))
"""


_DUE = "UPDATE videos SET due_at = now() WHERE id = ANY ($1::text[])"
_LOST = """
SELECT count(*) FROM (
    (SELECT * FROM expected EXCEPT SELECT * FROM video_stats_log) UNION ALL
    SELECT NULL, NULL, views, NULL, NULL FROM written
    WHERE NOT EXISTS (SELECT FROM video_stats_log AS there WHERE there.views = written.views)
) AS lost (video_id, observed_at, views, likes, comments)
"""


@dataclass
class Figures:
    """What was measured, in seconds and snapshots; and the server."""

    server: str
    draining: float
    seconds: float
    locked: float
    written: int
    lost: int
    before: list[float]
    during: list[float]


class Shards:
    """Trackers that claim and update videos until they are told to end.

    Attributes:
        written: the views that each update wrote: no two are the same.
        times: seconds of each update of 50.
    """

    def __init__(self, database: Database, number: int) -> None:
        self.written: list[int] = []
        self.times: list[float] = []
        self._database = database
        self._counts = itertools.count(10**12)
        self._ended = asyncio.Event()
        self._work = [asyncio.create_task(self._shard(MaiaDAO(f"tracker {n}", database))) for n in range(number)]

    async def end(self) -> None:
        """Returns when the last update is done; raises what a shard raised."""
        self._ended.set()
        await asyncio.gather(*self._work)

    async def _shard(self, dao: MaiaDAO) -> None:
        while not self._ended.is_set():
            targets = await dao.fetch_tracker_targets(50)
            updates = [VideoUpdate(row["id"], Presence.PRESENT, next(self._counts)) for row in targets]
            began = time.perf_counter()
            await dao.update_video_stats_batch(updates)
            self.times.append(time.perf_counter() - began)
            self.written += [update.views for update in updates if update.views]
            # due again at once, so that there is always work
            await self._database.fetch(_DUE, sorted(update.id for update in updates))


async def measure(server: str, rows: int, shards: int) -> Figures:
    """Makes a plain installation with so many snapshots, converts it while shards write, and compares every row."""
    name = f"conversion_{uuid.uuid4().hex[:8]}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"CREATE DATABASE {name}")
    head, _, query = server.partition("?")
    dsn = f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")
    try:
        with settings.override(database_url=dsn, database_pool_size=shards):
            return await _measure(dsn, rows, shards)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def _measure(dsn: str, rows: int, shards: int) -> Figures:
    await migrate(Database(), try_timescaledb=False)
    connection = await asyncpg.connect(dsn)
    await connection.execute(_VIDEOS, 50_000)
    await connection.execute(_SNAPSHOTS, rows, max(1, rows // _SNAPSHOTS_OF_A_VIDEO))
    began = time.perf_counter()
    await ensure(connection, try_timescaledb=False)  # out of the default partition
    draining = time.perf_counter() - began
    await connection.execute("CREATE TABLE expected AS SELECT * FROM video_stats_log")
    await connection.execute("CREATE TABLE written (views bigint)")
    await connection.execute("VACUUM ANALYZE")
    async with Database().session() as database:
        writing = Shards(database, shards)
        await asyncio.sleep(_BEFORE)
        before, writing.times = writing.times, []
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CONVERT, env={**os.environ, "DATABASE_URL": dsn}, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        await writing.end()
    done = json.loads(out)
    await connection.copy_records_to_table("written", records=[(views,) for views in writing.written])
    there = await connection.fetchval("SELECT count(*) FROM video_stats_log")
    assert there == rows + len(writing.written), f"{there} snapshots instead of {rows} and {len(writing.written)}"
    lost = await connection.fetchval(_LOST)
    found = await inspect(connection)
    await connection.close()
    return Figures(
        f"PostgreSQL {found.server}, TimescaleDB {found.timescaledb} ({found.edition})",
        draining,
        done["seconds"],
        done["locked"],
        50 * len(writing.times),
        lost,
        before,
        writing.times,
    )


async def main(rows: int, shards: int) -> None:
    server = os.environ.get("MAIA_TEST_DATABASE_URL")
    if not server:
        raise SystemExit("Set MAIA_TEST_DATABASE_URL to a server with TimescaleDB.")
    figures = await measure(server, rows, shards)
    console = Console()
    console.print(f"{figures.server}; {machine()}")
    table = Table("conversion to a hypertable", "")
    table.add_row("snapshots", f"{rows:,}")
    table.add_row("out of the default partition before", f"{figures.draining:.1f} s")
    table.add_row("copied and compared", f"{figures.seconds:.1f} s")
    table.add_row("nobody could use the table for", f"{figures.locked * 1000:.0f} ms")
    table.add_row("snapshots lost", str(figures.lost))
    table.add_row(f"written by {shards} shards meanwhile", f"{figures.written:,}")
    for label, times in (("before", figures.before), ("meanwhile", figures.during)):
        middle = sorted(times)[len(times) // 2] * 1000
        table.add_row(f"an update of 50, {label}: median, slowest", f"{middle:.1f} ms, {max(times) * 1000:.0f} ms")
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.conversion", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="snapshots that are there")
    parser.add_argument("--shards", type=int, default=4, help="Trackers that write meanwhile")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(main(given.rows, given.shards))
