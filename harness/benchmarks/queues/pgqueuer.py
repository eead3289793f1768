"""pgqueuer (PyPI), drained by its own workers: ``PgQueuer.run`` in its mode ``drain``, on its own event loop (uvloop).

Set up as its guide to performance says: asyncpg, a connection of its own for each worker, ``pgq autovac``, larger
batches for short jobs; durability as installed (``durable``, as Maia's writes are). Several workers in a process are
what its own benchmark runs. ``max_concurrent_tasks`` stays unset, which spares it a check; jobs do nothing. It claims a
batch in a statement, and ends about as many in another.

Timed by the database, from the first claim that its log names to the last end of a job: start and shutdown are left
out, as is the statement that ends the last jobs.
"""

from __future__ import annotations

import asyncio

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer import Job as QueuedJob
from pgqueuer.types import QueueExecutionMode

from harness.benchmarks.queues import Drained, Job, settled

_AT_ONCE = 5_000
_TIMES = """
SELECT count(*) FILTER (WHERE status = 'successful') AS done,
    extract(epoch FROM max(created) FILTER (WHERE status = 'successful')
        - min(created) FILTER (WHERE status = 'picked'))::float AS seconds,
    (SELECT count(*) FROM pgqueuer) AS remaining
FROM pgqueuer_log
"""


def run(job: Job) -> Drained:
    """Fill the queue and have it emptied."""
    return uvloop.run(_drain(job))


async def _drain(job: Job) -> Drained:
    connections = [await asyncpg.connect(job.dsn) for _ in range(job.settings["workers"])]
    queries = Queries(AsyncpgDriver(connections[0]))
    await queries.install()
    await queries.optimize_autovacuum()
    for first in range(0, job.items, _AT_ONCE):
        number = min(_AT_ONCE, job.items - first)
        await queries.enqueue(["nothing"] * number, [None] * number, [0] * number)
    await settled(job.dsn)
    await asyncio.gather(*(_work(connection, job.settings["batch_size"]) for connection in connections))
    found = await connections[0].fetchrow(_TIMES)
    assert found is not None
    assert (found["done"], found["remaining"]) == (job.items, 0)
    for connection in connections:
        await connection.close()
    return Drained(found["done"], found["seconds"])


async def _work(connection: asyncpg.Connection, batch_size: int) -> None:
    worker = PgQueuer.from_asyncpg_connection(connection)

    @worker.entrypoint("nothing")
    async def nothing(_job: QueuedJob) -> None:
        pass

    await worker.run(batch_size=batch_size, mode=QueueExecutionMode.drain)
