"""The connections of one process: few, and no storm of attempts where the server has none left.

A process that has a connection can go on with it, more slowly, where the server refuses it another. Therefore the first
has a pool of its own, and the others have one together: a refused one sends its task to wait for the first. After a
refusal nobody of this process tries again for a while, which grows with every refusal and is never the same for two
processes: so many tasks of so many processes as there may be, each process tries as one that tries alone would.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import asyncpg

from atlas.errors import NoConnectionLeft
from atlas.refusals import no_connection_left

__all__ = ["LONGEST_PAUSE", "SHORTEST_PAUSE", "Connections"]

# Seconds after a refusal in which this process does not try again: the first, and what doubling it ends at. Each pause
# is drawn from its upper half.
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


class Connections:
    """At most ``size`` connections.

    Args:
        first: a pool of one connection.
        others: a pool of the rest; None: there is no rest.
        size: of both together.
    """

    def __init__(self, first: asyncpg.Pool, others: asyncpg.Pool | None, size: int) -> None:
        self._first = first
        self._others = others
        self._places = asyncio.Semaphore(size)
        self._for_first = 0
        self._taken: dict[int, asyncpg.Pool] = {}
        self._door = _Door()

    def made(self) -> None:
        """A connection could be made: the server has some left."""
        self._door.open()

    async def acquire(self, seconds: float) -> asyncpg.Connection:
        """A connection that nobody else has, waited for so long at most. Give it back with ``release``.

        Raises:
            NoConnectionLeft: the server refuses this process its only one. Anything else is the driver's.
        """
        async with asyncio.timeout(seconds):
            await self._places.acquire()
            try:
                pool, connection = await self._take()
            except BaseException:
                self._places.release()
                raise
        self._taken[id(connection)] = pool
        return connection

    async def _take(self) -> tuple[asyncpg.Pool, asyncpg.Connection]:
        if self._others is not None and self._for_first and not self._door.shut:
            with contextlib.suppress(NoConnectionLeft):
                return self._others, await self._from(self._others)
        if self._door.shut and self._first.get_size() == 0:
            raise NoConnectionLeft(self._door.said)
        self._for_first += 1
        try:
            return self._first, await self._from(self._first)
        except BaseException:
            self._for_first -= 1
            raise

    async def _from(self, pool: asyncpg.Pool) -> asyncpg.Connection:
        try:
            return await pool.acquire()
        except asyncpg.PostgresError as error:
            full = no_connection_left(error)
            if full is None:
                raise
            self._door.close(str(full))
            raise full from None

    async def release(self, connection: asyncpg.Connection) -> None:
        """Gives one back. Raises as the driver does, of a connection that is gone; it is given back all the same."""
        pool = self._taken.pop(id(connection))
        try:
            await pool.release(connection)
        finally:
            self._for_first -= pool is self._first
            self._places.release()

    async def close(self) -> None:
        """Closes all, once they are given back."""
        for pool in self._pools():
            await pool.close()

    def terminate(self) -> None:
        """Closes all at once."""
        for pool in self._pools():
            pool.terminate()

    def _pools(self) -> list[asyncpg.Pool]:
        return [pool for pool in (self._others, self._first) if pool is not None]


class _Door:
    """Whether the server may be asked for another connection."""

    def __init__(self) -> None:
        self._refusals = 0
        self._until = 0.0
        self.said = ""

    @property
    def shut(self) -> bool:
        return time.monotonic() < self._until

    def close(self, said: str) -> None:
        longest: float = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0**self._refusals)
        self._refusals += 1
        self._until = time.monotonic() + random.uniform(longest / 2, longest)  # noqa: S311  a pause, not a secret
        self.said = said

    def open(self) -> None:
        self._refusals = 0
        self._until = 0.0
