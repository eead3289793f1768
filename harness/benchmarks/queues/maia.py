"""Maia's queue is its table of videos: a batch is claimed, and finished with a snapshot of each, until none is due.

Each worker is a DAO of its own that claims and writes in turn, as a shard of the Tracker does. Timed from before the
first claim to after the one that comes back empty.

Before that they are read some times, as videos are: rows that were found together crowd their pages, and spread with
each round. ``"rounds"`` says how often; without it, twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.models.rows import Presence, VideoUpdate
from atlas.schema.migrate import migrate
from harness.benchmarks.queues.drained import Drained, Job, settled

__all__ = ["filled", "run"]

_ROUNDS, _A_ROUND = 2, timedelta(hours=25)

_FILL = """
INSERT INTO videos (id, channel_id, title, published_at, first_seen_at, last_updated_at, zone, due_at, enriched_at,
    archived_at)
SELECT 'v' || lpad(n::text, 10, '0'), 'channel' || n % 991, 'A title of usual length, ' || n, at - interval '9 days',
    at - interval '9 days', at - interval '1 day', 3, at - interval '1 hour' + n * interval '1 millisecond',
    at - interval '9 days', at - interval '9 days'
FROM generate_series(1, $1::bigint) AS n, (SELECT $2::timestamptz AS at) AS moment
"""


def run(job: Job) -> Drained:
    """Fills the tables and empties them."""
    return asyncio.run(_drain(job))


@asynccontextmanager
async def filled(job: Job) -> AsyncIterator[None]:
    """The process's database, migrated, with as many due videos; at the end each has to have a snapshot more."""
    with settings.override(database_url=job.dsn, vault_provider="off"):
        await migrate(database)
        async with database.session():
            rounds = job.settings.get("rounds", _ROUNDS)
            await database.fetch(_FILL, job.items, datetime.now(UTC) - rounds * _A_ROUND)
            for left in range(rounds, 0, -1):
                await settled(job.dsn)
                await _read_all(datetime.now(UTC) - left * _A_ROUND)
            yield
            (found,) = await database.fetch("SELECT count(*) AS snapshots FROM video_stats_log")
            assert found["snapshots"] == job.items * (rounds + 1)


async def _read_all(at: datetime) -> None:
    with settings.override(atlas_clock=f"1x@{datetime.now(UTC).isoformat()}={at.isoformat()}"):
        await _work(50)


async def _drain(job: Job) -> Drained:
    async with filled(job):
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
