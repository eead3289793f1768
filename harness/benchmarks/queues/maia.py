"""Maia's queue is its table of videos: a batch is claimed, and finished with a snapshot of each, until none is due.

Before the clock starts, the videos are read some times, as in real use: rows that were found together crowd their
pages, and spread with each round. ``"rounds"`` says how often; without it, twice.

``run``: each worker is a DAO of its own that claims and writes in turn, as a shard of the Tracker does. Timed from
before the first claim to after the one that returns nothing.

``bare``: what PostgreSQL allows: the same two statements by hand, in asyncpg, each committed alone, on one connection
for each worker. Left out is what Maia has around them: mapped errors, retries, leases that are remembered. With
``"claimed": 1`` all is claimed and vacuumed before the clock starts: what is left is the cost of finishing.

``schedule``: what another design would allow: the same by hand, on a table that holds nothing but what claims and
updates write. ``videos`` would then hold what is read and seldom written, and this table half a page of room for its
rows, a key, and the index that claims walk.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.db.queries import sql
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import VideoStats
from atlas.schema.migrate import migrate
from harness.benchmarks.bare.tracker import claim, update
from harness.benchmarks.queues import Drained, Job, settled

_ROUNDS, _A_ROUND = 2, timedelta(hours=25)

_FILL = """
INSERT INTO videos (id, channel_id, title, published_at, first_seen_at, last_updated_at, zone, due_at, enriched_at,
    archived_at)
SELECT 'v' || lpad(n::text, 10, '0'), 'channel' || n % 991, 'A title of usual length, ' || n, at - interval '9 days',
    at - interval '9 days', at - interval '1 day', 3, at - interval '1 hour' + n * interval '1 millisecond',
    at - interval '9 days', at - interval '9 days'
FROM generate_series(1, $1::bigint) AS n, (SELECT $2::timestamptz AS at) AS moment
"""
_SCHEDULE = """
CREATE TABLE schedule (
    id text PRIMARY KEY, zone smallint NOT NULL, absences smallint NOT NULL DEFAULT 0, due_at timestamptz,
    published_at timestamptz, first_seen_at timestamptz NOT NULL, last_updated_at timestamptz,
    duration interval, archived_at timestamptz, last_absent_at timestamptz, retired_at timestamptz,
    leased_until timestamptz, lease_token uuid, leased_by text
) WITH (fillfactor = 50);
CREATE INDEX schedule_due ON schedule (zone, due_at) WHERE due_at IS NOT NULL;
INSERT INTO schedule (id, zone, due_at, published_at, first_seen_at, last_updated_at)
SELECT id, zone, due_at, published_at, first_seen_at, last_updated_at FROM videos
"""
_STATEMENTS = ("tracker/claim_videos", "tracker/update_videos")
_NOT_IN_SCHEDULE = re.compile(r"\b(title|enriched_at|archived_at),\s")


def run(job: Job) -> Drained:
    """Fill the tables and empty them through the DAO."""
    return asyncio.run(_drain(job))


def bare(job: Job) -> Drained:
    """Fill the tables and empty them by the same statements."""
    return asyncio.run(_drain_by_hand(job, *map(sql, _STATEMENTS)))


def schedule(job: Job) -> Drained:
    """Fill the tables and empty the schedule table."""
    claim, update = (re.sub(r"\bvideos\b", "schedule", sql(name)) for name in _STATEMENTS)
    return asyncio.run(_drain_by_hand(job, _NOT_IN_SCHEDULE.sub("", claim), update, _SCHEDULE))


@asynccontextmanager
async def _filled(job: Job) -> AsyncIterator[None]:
    """Give the process a migrated database with due videos. At the end each has to have one snapshot more."""
    with settings.override(database_url=job.dsn, vault_provider="off"):
        await migrate(database)
        async with database.session():
            rounds = job.settings.get("rounds", _ROUNDS)
            await database.fetch(_FILL, job.items, datetime.now(UTC) - rounds * _A_ROUND)
            for left in range(rounds, 0, -1):
                await settled(job.dsn)
                now = datetime.now(UTC)
                with settings.override(atlas_clock=f"1x@{now.isoformat()}={(now - left * _A_ROUND).isoformat()}"):
                    await _work(50)
            yield
            (found,) = await database.fetch("SELECT count(*) AS snapshots FROM video_stats_log")
            assert found["snapshots"] == job.items * (rounds + 1)


async def _drain(job: Job) -> Drained:
    async with _filled(job):
        await settled(job.dsn)
        began = time.perf_counter()
        done = await asyncio.gather(*(_work(job.settings["batch_size"]) for _ in range(job.settings["workers"])))
        seconds = time.perf_counter() - began
    return Drained(sum(done), seconds)


async def _work(batch: int) -> int:
    dao, done = MaiaDAO("bench"), 0
    while rows := await dao.fetch_tracker_targets(batch):
        updates = [VideoUpdate(row["id"], Presence.PRESENT, 1000 + n, 100, 10) for n, row in enumerate(rows)]
        done += await dao.update_video_stats_batch(updates)
    return done


async def _drain_by_hand(job: Job, claim_: str, update_: str, table: str = "") -> Drained:
    workers = job.settings["workers"]
    async with _filled(job):
        connections = [await asyncpg.connect(job.dsn) for _ in range(workers)]
        if table:
            await connections[0].execute(table)
        await settled(job.dsn)
        claims = [_claims(connection, claim_, job.settings["batch_size"]) for connection in connections]
        if job.settings.get("claimed"):
            ready = [rows async for rows in claims[0]]
            await settled(job.dsn)
            claims = [_given(ready[worker::workers]) for worker in range(workers)]
        began = time.perf_counter()
        pairs = zip(connections, claims, strict=True)
        done = await asyncio.gather(*(_finish(connection, update_, each) for connection, each in pairs))
        seconds = time.perf_counter() - began
        for connection in connections:
            await connection.close()
    return Drained(sum(done), seconds)


async def _claims(connection: asyncpg.Connection, statement: str, batch: int) -> AsyncIterator[list[asyncpg.Record]]:
    while rows := await connection.fetch(statement, *claim(batch)):
        yield rows


async def _given(batches: Iterable[list[asyncpg.Record]]) -> AsyncIterator[list[asyncpg.Record]]:
    for batch in batches:
        yield batch


async def _finish(connection: asyncpg.Connection, statement: str, claims: AsyncIterator[list[asyncpg.Record]]) -> int:
    done = 0
    async for rows in claims:
        targets = {row["id"]: row for row in rows}
        found = [VideoStats(id=id_, views=1_000, likes=100, comments=10) for id_ in sorted(targets)]
        done += len(await connection.fetch(statement, *update(targets, found)[1:]))
    return done
