"""procrastinate (PyPI), drained by its own worker: ``App.run_worker_async`` with ``wait=False``.

Set up as its guide says: psycopg with its C part, as many jobs at once as ``concurrency`` and a pool that is larger.
Jobs do nothing. It claims and ends one job at a time, by a statement each, whatever is set; finished jobs stay, as by
default, or are deleted (``delete_jobs``).

Timed from the start of the first job, so that the worker's own start is left out, to its return, when every job is
ended.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import parse_qs, urlsplit

from procrastinate import App, PsycopgConnector

from harness.benchmarks.queues import Drained, Job, settled

_SPARE = 3  # connections beside those of the jobs: the worker listens and claims


def run(job: Job) -> Drained:
    """Fill the queue and have it emptied."""
    return asyncio.run(_drain(job))


async def _drain(job: Job) -> Drained:
    concurrency = job.settings["concurrency"]
    size = concurrency + _SPARE
    app = App(connector=PsycopgConnector(conninfo=_conninfo(job.dsn), min_size=size, max_size=size))
    began = list[float]()

    @app.task(name="nothing")
    async def nothing() -> None:
        if not began:
            began.append(time.perf_counter())

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*({} for _ in range(job.items)))
        await settled(job.dsn)
        delete = "successful" if job.settings["delete_jobs"] else "never"
        await app.run_worker_async(concurrency=concurrency, wait=False, delete_jobs=delete)
        seconds = time.perf_counter() - began[0]
        left = await app.job_manager.list_jobs_async(status="todo")
        assert not list(left)
    return Drained(job.items, seconds)


def _conninfo(dsn: str) -> str:
    """As libpq reads it: asyncpg takes the socket's folder from the query."""
    parts = urlsplit(dsn)
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return " ".join([f"dbname={parts.path[1:]}", f"user={parts.username or 'postgres'}", *map("=".join, given.items())])
