"""What the bare loops work with: some sessions of the driver, one HTTP session, and nothing around them."""

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
from atlas.quota.reservations import Calls

__all__ = ["CONCURRENCY", "KEY", "SESSIONS", "Bare", "bare", "zone_and_due"]

SESSIONS, CONCURRENCY = 4, 32
"""As the agents have by default: connections to the database, and API calls in flight."""
KEY, _PRINT, _POOL = "bench-key", "000000000000", "000000000001"
_PACIFIC = ZoneInfo("America/Los_Angeles")
_LONGEST = timedelta(hours=26)  # that a suspension can last


class Bare:
    """Calls that are counted, and statements.

    Args:
        sessions: of the driver, one of which a statement or a transaction takes for its time.
        http: the HTTP session.
        url: the API's.
    """

    def __init__(self, sessions: list[asyncpg.Connection], http: aiohttp.ClientSession, url: str) -> None:
        self._free: asyncio.LifoQueue[asyncpg.Connection] = asyncio.LifoQueue()
        for session in sessions:
            self._free.put_nowait(session)
        self._http = http
        self._url = url

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """A session that nobody else has."""
        session = await self._free.get()
        try:
            yield session
        finally:
            self._free.put_nowait(session)

    async def fetch(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        """A statement of ``atlas/sql``, alone."""
        async with self.session() as session:
            rows: list[asyncpg.Record] = await session.fetch(sql(name), *arguments)
        return rows

    async def reserve(self, bucket: str, calls: int) -> date:
        """Counts calls before they are made; the quota day that they count for."""
        now = datetime.now(UTC)
        day = now.astimezone(_PACIFIC).date()
        await self.fetch("quota/reserve_calls", day, _PRINT, bucket, random.randrange(64), calls, now, _LONGEST, _POOL)
        return day

    @staticmethod
    def answered(*calls: tuple[date, str]) -> Calls:
        """One call of each day and bucket, as a statement settles them."""
        days, buckets = zip(*sorted(calls), strict=True)
        number = len(calls)
        return Calls(days, [_PRINT] * number, buckets, [random.randrange(64)] * number, [1] * number)

    async def get(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        """One call, decoded."""
        async with self._http.get(self._url + path, params=params, headers={"X-Goog-Api-Key": KEY}) as response:
            answer: dict[str, Any] = orjson.loads(await response.read())
        return answer


@contextlib.asynccontextmanager
async def bare(dsn: str, url: str) -> AsyncIterator[Bare]:
    """Everything open, and closed at the end."""
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
    """The schedule (``atlas.policy``) in three lines."""
    age = now - born
    if age < timedelta(hours=24):
        return 1, now + timedelta(hours=1)
    return (2, now + timedelta(hours=6)) if age < timedelta(days=7) else (3, now + timedelta(days=1))
