"""The sessions of the bare loops: some of the database's driver, one of HTTP, and nothing around them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import asyncpg
import orjson

from atlas.db.queries import sql
from atlas.quota.ledger import Calls

SESSIONS, CONCURRENCY = 4, 32
"""As the agents have by default: connections to the database, and API calls in flight."""
KEY, _PRINT, _POOL = "bench-key", "000000000000", "000000000001"
_PACIFIC = ZoneInfo("America/Los_Angeles")
_LONGEST = timedelta(hours=26)  # that a suspension can last


class Bare:
    """Calls that are counted, and statements. A statement or a transaction takes a session for its time."""

    def __init__(self, sessions: list[asyncpg.Connection], http: aiohttp.ClientSession, url: str) -> None:
        self._free: asyncio.LifoQueue[asyncpg.Connection] = asyncio.LifoQueue()
        for session in sessions:
            self._free.put_nowait(session)
        self._http = http
        self._url = url
        self._counter_shard = random.randrange(64)  # a call is settled where it was reserved

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """Yield a session that nothing else uses."""
        session = await self._free.get()
        try:
            yield session
        finally:
            self._free.put_nowait(session)

    async def fetch(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement of ``atlas/sql`` alone."""
        async with self.session() as session:
            rows: list[asyncpg.Record] = await session.fetch(sql(name), *arguments)
        return rows

    async def reserve(self, bucket: str, calls: int) -> date:
        """Count calls before they are made. Return their quota day."""
        now = datetime.now(UTC)
        day = now.astimezone(_PACIFIC).date()
        await self.fetch("quota/reserve_calls", day, _PRINT, bucket, self._counter_shard, calls, now, _LONGEST, _POOL)
        return day

    def answered(self, *calls: tuple[date, str]) -> Calls:
        """Return one call of each day and bucket, as a statement settles them."""
        days, buckets = zip(*sorted(calls), strict=True)
        number = len(calls)
        return Calls(days, [_PRINT] * number, buckets, [self._counter_shard] * number, [1] * number)

    async def get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        """Make a call. Return its decoded answer."""
        async with self._http.get(self._url + path, params=params, headers={"X-Goog-Api-Key": KEY}) as response:
            answer: dict[str, Any] = orjson.loads(await response.read())
        return answer


@contextlib.asynccontextmanager
async def bare(dsn: str, url: str) -> AsyncIterator[Bare]:
    sessions = [await asyncpg.connect(dsn, server_settings={"timezone": "UTC"}) for _ in range(SESSIONS)]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONCURRENCY),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "gzip"},
    ) as http:
        try:
            yield Bare(sessions, http, url)
        finally:
            for session in sessions:
                await session.close()


def zone_and_due(born: datetime, now: datetime) -> tuple[int, datetime]:
    """Return the schedule of ``atlas.policy``."""
    age = now - born
    if age < timedelta(hours=24):
        return 1, now + timedelta(hours=1)
    return (2, now + timedelta(hours=6)) if age < timedelta(days=7) else (3, now + timedelta(days=1))
