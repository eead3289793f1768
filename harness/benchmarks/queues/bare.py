"""What PostgreSQL allows: Maia's two statements by hand, in asyncpg, on one connection for each worker.

The same tables, rows and statements as ``harness.benchmarks.queues.maia``, each committed alone, with the zone and
the due time
of each video. Left out is what Maia has around them: errors that are told apart, patience, leases that are remembered.
With ``"claimed": 1`` all is claimed and vacuumed before the clock starts: what is left is what finishing costs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

import asyncpg

from atlas.db.queries import sql
from atlas.models.youtube import VideoStats
from harness.benchmarks.bare.tracker import claim, update
from harness.benchmarks.queues.drained import Drained, Job, settled
from harness.benchmarks.queues.maia import filled

__all__ = ["Statements", "drain", "run"]


class Statements(NamedTuple):
    """The two statements, with the parameters of ``claim_videos`` and ``update_videos``; and what makes their table."""

    claim: str
    update: str
    table: str = ""


def run(job: Job) -> Drained:
    """Fills the tables and empties them."""
    return asyncio.run(drain(job, Statements(sql("tracker/claim_videos"), sql("tracker/update_videos"))))


async def drain(job: Job, statements: Statements) -> Drained:
    """Empties them by these statements."""
    batch, workers = job.settings["batch_size"], job.settings["workers"]
    async with filled(job):
        connections = [await asyncpg.connect(job.dsn) for _ in range(workers)]
        if statements.table:
            await connections[0].execute(statements.table)
        await settled(job.dsn)
        claims = [_claims(connection, statements.claim, batch) for connection in connections]
        if job.settings.get("claimed"):
            ready = [rows async for rows in claims[0]]
            await settled(job.dsn)
            claims = [_given(ready[worker::workers]) for worker in range(workers)]
        began = time.perf_counter()
        ended = (
            _finish(connection, statements.update, each) for connection, each in zip(connections, claims, strict=True)
        )
        done = await asyncio.gather(*ended)
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
