"""What PostgreSQL allows: Maia's two statements by hand, in asyncpg, on one connection for each worker.

The same tables, rows and statements as ``benchmarks.queues.maia``, each committed alone, with the zone and the due time
of each video. Left out is what Maia has around them: errors that are told apart, patience, leases that are remembered.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from atlas.resources import VideoStats
from atlas.statements import sql
from atlas.tickets import NO_CALLS
from benchmarks.bare.tracker import claim, update
from benchmarks.queues.drained import Drained, Job
from benchmarks.queues.maia import filled

__all__ = ["run"]


def run(job: Job) -> Drained:
    """Fills the tables and empties them."""
    return asyncio.run(_drain(job))


async def _drain(job: Job) -> Drained:
    async with filled(job):
        connections = [await asyncpg.connect(job.dsn) for _ in range(job.settings["workers"])]
        began = time.perf_counter()
        done = await asyncio.gather(*(_work(connection, job.settings["batch_size"]) for connection in connections))
        seconds = time.perf_counter() - began
        for connection in connections:
            await connection.close()
    return Drained(sum(done), seconds)


async def _work(connection: asyncpg.Connection, batch: int) -> int:
    done = 0
    while rows := await connection.fetch(sql("claim_videos"), *claim(batch)):
        targets = {row["id"]: row for row in rows}
        found = [VideoStats(id=id_, views=1_000, likes=100, comments=10) for id_ in sorted(targets)]
        done += len(await connection.fetch(sql("update_videos"), *update(targets, found), *NO_CALLS))
    return done
