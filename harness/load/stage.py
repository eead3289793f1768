"""The database as after two weeks of work, and the local YouTube."""

from __future__ import annotations

import asyncio
import contextlib
import random
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from atlas import policy
from atlas.adapters.queue import QueueDAO
from atlas.database import database
from atlas.schema.migrate import migrate
from harness.driver.processes import Child, Children
from harness.driver.sandbox import NO_QUOTA, start_sandbox
from harness.driver.server import Server
from harness.load.options import LoadOptions
from youtube_sandbox.themes import THEMES
from youtube_sandbox.world import SeededWorld

_WEEKS = 2
_PATIENCE = 120.0  # seconds that the sandbox may take to make its whole world
_COLUMNS = ["id", "title", "published_at", "first_seen_at", "last_updated_at", "zone", "due_at", "enriched_at",
            "archived_at"]  # fmt: skip

_SERVER = {
    "shared_buffers": "256MB",
    # one statement in ten, without what it carries: how long claims take in the server alone
    "log_min_duration_sample": "0",
    "log_statement_sample_rate": "0.1",
    "log_parameter_max_length": "0",
    "log_checkpoints": "off",
}


class NotEmpty(Exception):
    """The named database holds videos or queries."""


@contextlib.asynccontextmanager
async def open_server(options: LoadOptions) -> AsyncIterator[tuple[str, int | None]]:
    """Yield the database's address, and the process of the server if it is one of its own."""
    if options.database_url is not None:
        yield options.database_url, None
        return
    server = Server(options.folder / "postgres", {"max_connections": str(options.max_connections), **_SERVER})
    await asyncio.to_thread(server.create)
    try:
        await server.start()
        connection = await asyncpg.connect(server.dsn())
        await connection.execute("CREATE DATABASE load")
        await connection.close()
        yield server.dsn("load"), server.process.pid if server.process else None
    finally:
        await asyncio.to_thread(server.stop)


async def fill(options: LoadOptions, dsn: str, now: datetime, begins: datetime) -> int:
    """Migrate, and store two weeks of the sandbox's videos and some queries. Return the number of videos.

    In zones 1 and 2 the videos become due one after the other from the schedule time ``begins`` on, when the
    measurement begins. Those of zone 3 are all due at once, so that there is more to do than the shards can.
    """
    await migrate(database)
    if await database.fetch("SELECT FROM videos LIMIT 1") or await database.fetch("SELECT FROM search_queue LIMIT 1"):
        raise NotEmpty("the database holds videos or queries: name an empty one, which the load run may fill")
    rows = await asyncio.to_thread(lambda: list(_videos(options, now, begins)))
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("videos", records=rows, columns=_COLUMNS)
        await connection.execute("ANALYZE videos")
    finally:
        await connection.close()
    await QueueDAO().add(sorted({subject for theme in THEMES for subject in (theme.name, *theme.subjects)}))
    return len(rows)


def _videos(options: LoadOptions, now: datetime, begins: datetime) -> Iterator[tuple[Any, ...]]:
    order = random.Random(options.seed)  # noqa: S311  a load, not a secret
    oldest = now.timestamp() - _WEEKS * 7 * 86_400
    world = SeededWorld(seed=options.seed, begin=oldest, videos=options.videos)
    last = policy.ZONES[-1].number
    for shelf in world.shelves(oldest, now.timestamp()):
        for video in shelf.videos:
            if not video.alive(now.timestamp()):
                continue
            published = datetime.fromtimestamp(video.published, UTC)
            zone, next_due = policy.schedule(published, now)
            due = (
                begins + order.random() * (next_due - now) if zone != last else now - order.random() * (next_due - now)
            )
            yield video.id, video.title, published, published, now - timedelta(days=1), zone, due, published, published


async def start_load_sandbox(
    children: Children, options: LoadOptions, environment: Mapping[str, str]
) -> tuple[Child, str]:
    """Start the local YouTube Data API with all of its world made. Return the process and its base URL."""
    given = [
        "--seed", str(options.seed), "--videos", str(options.videos), "--latency", str(options.latency),
        "--history-days", str(_WEEKS * 7), *NO_QUOTA,
    ]  # fmt: skip
    child, address = await start_sandbox(children, options.folder, environment, given)
    await asyncio.to_thread(_make_world, address)
    return child, address


def _make_world(address: str) -> None:
    """Search for nothing, which reads the whole world."""
    request = urllib.request.Request(  # noqa: S310  our own server
        f"{address}/search?part=snippet&type=video&order=date&q=nosuchword", headers={"X-Goog-Api-Key": "warm-up"}
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310  likewise
        answer.read()
