"""``python -m harness.benchmarks.storage``: what a million snapshots take on a server, and how fast they are read.

Runs on the server of MAIA_TEST_DATABASE_URL, in a database of its own that is dropped afterwards, or on an embedded
PostgreSQL. On TimescaleDB's Community edition the columnstore is measured too, as Atlas sets it up and with a
segmentby, and what the continuous aggregates take.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from atlas.config import settings
from atlas.database import database
from atlas.db.embedded import start, stop
from atlas.db.server_info import Storage, inspect
from atlas.policy import ZONES
from atlas.schema.migrate import migrate
from atlas.snapshots import columnstore
from atlas.snapshots.partitions import create_missing
from harness.benchmarks.world import machine

_HOUR = timedelta(hours=1)
_ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_READS = 200
Row = tuple[str, datetime, int, int, int]

# how videos are read, and for how many days until now; with three zones for up to that many
_POLLS = {"hourly": 28, "daily": 28, "daily, new": 10, "three zones": 28}
# the columnstore's settings: those of Atlas, and batches of each video's own
_SETTINGS = {
    "columns": "timescaledb.segmentby = '', timescaledb.orderby = 'video_id, observed_at'",
    "segments": "timescaledb.segmentby = 'video_id', timescaledb.orderby = 'observed_at'",
}


@dataclass(frozen=True)
class Figures:
    """One line of the table: bytes for a million snapshots, and times."""

    polls: str
    kept: str
    table: float
    index: float
    history: float  # milliseconds for all that there is of one video
    fastest: float | None  # seconds for the 20 fastest of all videos

    @classmethod
    def of(cls, polls: str, kept: str, table: int, index: int, rows: int, reads: tuple[float, float | None]) -> Figures:
        return cls(polls, kept, table * 1e6 / rows, index * 1e6 / rows, *reads)


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────────


def _times(polls: str, chance: random.Random, now: datetime) -> Iterator[datetime]:
    """When one video's snapshots are taken, until now."""
    age = timedelta(days=_POLLS[polls])
    every = [(age, _HOUR if polls == "hourly" else 24 * _HOUR)]
    if polls == "three zones":
        age *= chance.random()
        every = [(zone.below or age, zone.interval) for zone in ZONES]
    at, born = now - age + timedelta(seconds=chance.uniform(0, 3600)), now - age
    for below, interval in every:
        while at - born < below and at < now:
            yield at
            at += interval + timedelta(seconds=chance.uniform(0, 120))


def snapshots(polls: str, wanted: int, now: datetime) -> list[Row]:
    """Return about as many snapshots as wanted, in the order in which Trackers write them."""
    chance = random.Random(polls)
    rows: list[Row] = []
    while len(rows) < wanted:
        video = "".join(chance.choices(_ID, k=11))
        rate = chance.lognormvariate(3, 2)  # views an hour at first, halved every two days
        times = list(_times(polls, chance, now))
        views = chance.lognormvariate(5, 2)
        for at, later in pairwise([*times, now]):
            rows.append((video, at, int(views), int(views * 0.03), int(views * 0.002)))
            age = (at - times[0]) / timedelta(days=2)
            views += chance.uniform(0.5, 1.5) * rate * 0.5**age * ((later - at) / _HOUR)
    rows.sort(key=lambda row: row[1])
    return rows[:wanted]


async def fill(connection: asyncpg.Connection, rows: list[Row]) -> None:
    """Replaces what is there."""
    await connection.execute("TRUNCATE videos, video_stats_log")
    videos = sorted({row[0] for row in rows})
    await connection.execute(
        "INSERT INTO videos (id, first_seen_at, zone) SELECT id, now(), 3 FROM unnest($1::text[]) AS id", videos
    )
    for first in range(0, len(rows), 5000):  # a load in one piece would pack the index tighter than trackers do
        await connection.copy_records_to_table("video_stats_log", records=rows[first : first + 5000])
    await connection.execute("VACUUM ANALYZE videos")
    await connection.execute("VACUUM ANALYZE video_stats_log")


# ── what is measured ────────────────────────────────────────────────────────────────────────────────────────────────


async def history(connection: asyncpg.Connection, table: str, videos: list[str]) -> float:
    """Milliseconds (median) for all that there is of a video."""
    took = []
    for video in random.Random(1).sample(videos, min(_READS, len(videos))):
        began = time.perf_counter()
        await connection.fetch(f"SELECT * FROM {table} WHERE video_id = $1", video)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


async def reads(connection: asyncpg.Connection, videos: list[str]) -> tuple[float, float]:
    """Milliseconds for a video's snapshots, seconds for the fastest videos."""
    fastest = "SELECT * FROM video_velocity ORDER BY views_per_hour DESC NULLS LAST LIMIT 20"
    took = []
    for _ in range(3):
        began = time.perf_counter()
        await connection.fetch(fastest)
        took.append(time.perf_counter() - began)
    return await history(connection, "video_stats_log", videos), statistics.median(took)


async def measure(connection: asyncpg.Connection, storage: Storage | None, polls: str, wanted: int) -> list[Figures]:
    rows = snapshots(polls, wanted, datetime.now(UTC))
    await fill(connection, rows)
    videos = sorted({row[0] for row in rows})
    parts = "pg_partition_tree('video_stats_log') AS part (name)"
    if storage is Storage.HYPERTABLE:
        parts = "show_chunks('video_stats_log') AS part (name)"
    table, index = await connection.fetchrow(
        f"SELECT sum(pg_table_size(name)), sum(pg_indexes_size(name)) FROM {parts}"
    )
    found = [Figures.of(polls, "rows", int(table), int(index), len(rows), await reads(connection, videos))]
    if await columnstore.community(connection) is not None:
        for label, setting in _SETTINGS.items():
            found.append(await _by_column(connection, polls, label, setting, videos))
        if polls == "three zones":
            for view in ("video_stats_hourly", "video_stats_daily"):
                found += await _aggregate(connection, polls, view, videos, len(rows))
    return found


async def _by_column(
    connection: asyncpg.Connection, polls: str, label: str, setting: str, videos: list[str]
) -> Figures:
    """With the chunks in the columnstore that the policy puts there; their sizes alone are counted."""
    await connection.execute(f"ALTER TABLE video_stats_log SET ({setting})")
    chunks = [
        row["chunk"]
        for row in await connection.fetch(
            "SELECT show_chunks('video_stats_log', older_than => now() - INTERVAL '3 days')::text AS chunk"
        )
    ]
    rows = 0
    for chunk in chunks:
        await connection.execute(f"CALL convert_to_columnstore('{chunk}')")
        rows += await connection.fetchval(f"SELECT count(*) FROM {chunk}")
    await connection.execute("VACUUM ANALYZE video_stats_log")
    table, index = await connection.fetchrow(
        "SELECT sum(after_compression_table_bytes + after_compression_toast_bytes), sum(after_compression_index_bytes) "
        "FROM chunk_columnstore_stats('video_stats_log') WHERE compression_status = 'Compressed'"
    )
    figures = Figures.of(polls, label, int(table), int(index), rows, await reads(connection, videos))
    for chunk in chunks:
        await connection.execute(f"CALL convert_to_rowstore('{chunk}')")
    return figures


async def _aggregate(
    connection: asyncpg.Connection, polls: str, view: str, videos: list[str], snapshots: int
) -> list[Figures]:
    """Measure a continuous aggregate, all of it as rows and all of it in the columnstore."""
    await connection.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")
    as_rows = await history(connection, view, videos)
    await connection.fetch(f"SELECT compress_chunk(chunk) FROM show_chunks('{view}') AS chunk")
    as_columns = await history(connection, view, videos)
    kept = await connection.fetchval(
        "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) "
        "FROM timescaledb_information.continuous_aggregates WHERE view_name = $1",
        view,
    )
    found = []
    for state, column, took in (("", "before", as_rows), (", columns", "after", as_columns)):
        table, index = await connection.fetchrow(
            f"SELECT sum({column}_compression_table_bytes + {column}_compression_toast_bytes), "
            f"sum({column}_compression_index_bytes) FROM chunk_columnstore_stats($1)",
            kept,
        )
        label = view.removeprefix("video_stats_") + state
        found.append(Figures.of(polls, label, int(table), int(index), snapshots, (took, None)))
    return found


@contextlib.asynccontextmanager
async def own_database() -> AsyncIterator[str]:
    """The DSN of a new database on the server that is to be measured."""
    async with contextlib.AsyncExitStack() as afterwards:
        dsn = os.environ.get("MAIA_TEST_DATABASE_URL")
        if dsn is None:
            folder = Path(afterwards.enter_context(tempfile.TemporaryDirectory(prefix="maia-bench-")))
            embedded = await start(folder)
            afterwards.push_async_callback(stop, folder)
            afterwards.push_async_callback(embedded.leave)
            dsn = embedded.dsn
        outside = await asyncpg.connect(dsn)
        afterwards.push_async_callback(outside.close)
        name = f"bench_storage_{os.getpid()}"
        await outside.execute(f"CREATE DATABASE {name}")
        afterwards.push_async_callback(outside.execute, f"DROP DATABASE {name} WITH (FORCE)")
        address, mark, options = dsn.partition("?")
        yield f"{address.rpartition('/')[0]}/{name}{mark}{options}"


async def main(wanted: int) -> None:
    console = Console(width=100)
    async with own_database() as dsn:
        with settings.override(database_url=dsn):
            await migrate(database)
            connection = await database.connect()
            found = await inspect(connection)
            if await columnstore.community(connection) is not None:
                await connection.fetch("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
            kind = f"TimescaleDB {found.timescaledb} ({found.edition})" if found.timescaledb else "plain"
            console.print(f"PostgreSQL {found.server}, {kind}; {machine()}; {wanted:,} snapshots of each kind")
            if found.storage is Storage.PARTITIONED:
                await create_missing(connection, datetime.now(UTC) - timedelta(days=28), timedelta(days=7))
            table = Table("polls", "kept by", "table", "indexes", "total", "one video", "20 fastest")
            for polls in _POLLS:
                for one in await measure(connection, found.storage, polls, wanted):
                    size = [f"{value / 1e6:.0f} MB" for value in (one.table, one.index, one.table + one.index)]
                    fastest = "" if one.fastest is None else f"{one.fastest:.2f} s"
                    table.add_row(one.polls, one.kept, *size, f"{one.history:.2f} ms", fastest)
            console.print(table)
            await connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.storage", description=__doc__)
    parser.add_argument("--snapshots", type=int, default=1_000_000, help="of each kind; sizes are given for a million")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(main(given.snapshots))
