"""The connections of one process: few, and no storm of attempts where the server has none left.

A process that has a connection can go on with it, more slowly, where the server refuses it another: each has a pool of
its own, so that a task which is refused waits for whichever is given back first. After a refusal nobody of this process
tries again for a while, which grows with every refusal and is never the same for two processes, and then one task alone
does: so many tasks of so many processes as there may be, each process tries as one that tries alone would.

Who waits is served in the order of coming. One that comes later may take what lies at hand in the meantime, since it
would lie there until the event loop gets to the one that waits; but not once that one has waited for long: a task that
has one use after another must not keep the others out.

A connection goes back to its pool, which cleans it up or lets it go, when something went wrong. After a use that ended
well it is only kept at hand: the pool's own way takes a task, a timer and three turns of the event loop each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from bisect import insort
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import asyncpg

from atlas.db.deadline import Watch
from atlas.db.errors import no_connection_left
from atlas.errors import NoConnectionLeft

__all__ = ["LONGEST_COURTESY", "LONGEST_IDLE", "LONGEST_PAUSE", "SHORTEST_PAUSE", "Connections"]

# Seconds after a refusal in which this process does not try again: the first, and what doubling it ends at. Each pause
# is drawn from its upper half.
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 5.0

# Seconds after which one that was not used is ended: somebody on the way to the server may have forgotten it.
LONGEST_IDLE = 300.0

# Seconds that the first of those that wait lets others pass: many turns of a busy event loop, and little for a task.
LONGEST_COURTESY = 0.1

_Turn: TypeAlias = tuple[float, int, asyncio.Event]
"""The place of one that waits: since when, by the order of coming, and what tells it that it may be served."""


class Connections:
    """At most as many connections as there are pools.

    Args:
        pools: of one connection each, which it makes when it is first asked for it.
        place: the server's host and port, for messages.
        watch: bounds what is said when a connection goes back to its pool.
    """

    def __init__(self, pools: Sequence[asyncpg.Pool], place: str = "", watch: Watch | None = None) -> None:
        self.place = place
        self._watch = watch or Watch()
        self._pools = tuple(pools)
        self._free = list(pools)  # the one that was given back last comes first: it is the least likely to be stale
        self._taken: dict[int, asyncpg.Pool] = {}
        self._kept: dict[asyncpg.Pool, tuple[asyncpg.Connection, float]] = {}  # of free pools, and since when
        self._closing = False
        self._turns = itertools.count()
        self._waiters: list[_Turn] = []  # each until it is served or leaves
        self._door = _Door()

    def made(self) -> None:
        """A connection could be made: the server has some left."""
        self._door.open()
        self._wake()

    async def acquire(self, seconds: float) -> asyncpg.Connection:
        """A connection that nobody else has, waited for so long at most. Give it back with ``release``.

        Raises:
            NoConnectionLeft: this process has none, and the server refuses it one. Anything else is the driver's.
        """
        if self._kept and not self._owed():
            pool = next(reversed(self._kept))
            if (connection := self._at_hand(pool)) is not None:
                self._free.remove(pool)
                self._taken[id(connection)] = pool
                return connection
        turn = time.monotonic(), next(self._turns), asyncio.Event()
        async with asyncio.timeout(seconds):
            while True:
                pool = await self._chosen(turn)
                try:
                    connection = await self._from(pool)
                except NoConnectionLeft:
                    continue  # another may be idle, or come back; where there is none, the choice says so
                self._taken[id(connection)] = pool
                return connection

    def _at_hand(self, pool: asyncpg.Pool) -> asyncpg.Connection | None:
        """The one that was kept of a pool, if it is as good as new."""
        connection, since = self._kept[pool]
        if _gone(connection) or time.monotonic() - since > LONGEST_IDLE:
            return None
        del self._kept[pool]
        return connection

    async def _chosen(self, turn: _Turn) -> asyncpg.Pool:
        """A pool that nobody uses, taken out of the free ones, once nobody waits who came earlier."""
        insort(self._waiters, turn)  # one that was refused at the door has its old place
        told = turn[-1]
        try:
            while (pool := self._served(turn)) is None:
                first = self._waiters[0] is turn
                with contextlib.suppress(TimeoutError):
                    # nobody tells when a pause is over
                    async with asyncio.timeout(self._door.left if first and self._free else None):
                        await told.wait()
                told.clear()
            return pool
        finally:
            self._waiters.remove(turn)
            self._wake()

    def _served(self, turn: _Turn) -> asyncpg.Pool | None:
        """For the first of those that wait: a free pool that has its connection, else one that may try."""
        if self._waiters[0] is not turn:
            return None
        chosen = next((pool for pool in reversed(self._free) if pool.get_size()), None)
        if chosen is None and self._free and self._door.lets_try():
            chosen = self._free[-1]
        if chosen is not None:
            self._free.remove(chosen)
        elif len(self._free) == len(self._pools):
            raise NoConnectionLeft(self._door.said)  # nobody has one that could be waited for
        return chosen

    def _wake(self) -> None:
        """Tells the first of those that wait to look at what is free; it tells the next when it goes."""
        if self._waiters and self._free:
            self._waiters[0][-1].set()

    def _owed(self) -> bool:
        """Whether what is free is for the first of those that wait, and for nobody else."""
        return bool(self._waiters) and time.monotonic() - self._waiters[0][0] > LONGEST_COURTESY

    async def _from(self, pool: asyncpg.Pool) -> asyncpg.Connection:
        try:
            if pool in self._kept:
                if (connection := self._at_hand(pool)) is not None:
                    return connection
                self._let_go(pool)
            with self._door.trying(made=bool(pool.get_size())):
                return await pool.acquire()
        except BaseException as error:
            full = no_connection_left(error) if isinstance(error, asyncpg.PostgresError) else None
            if full is not None:
                self._door.close(str(full))
            self._give_back(pool)
            if full is None:
                raise
            raise full from None

    def _give_back(self, pool: asyncpg.Pool) -> None:
        self._free.append(pool)
        self._wake()

    async def release(self, connection: asyncpg.Connection, *, clean: bool = False) -> None:
        """Gives one back. Raises as the driver does, of a connection that is gone; it is given back all the same.

        Args:
            connection: from ``acquire``.
            clean: all that was said on it was answered, and no transaction is left open.
        """
        pool = self._taken.pop(id(connection))
        try:
            if clean and not self._closing and not connection.is_in_transaction():
                self._kept[pool] = connection, time.monotonic()
            else:
                await self._to_pool(pool, connection)
        finally:
            self._give_back(pool)
            self._tidy()

    def _tidy(self) -> None:
        """Ends the connection that nobody has needed for longest, where that is long: others may need a place."""
        if self._kept:
            pool = next(iter(self._kept))
            if time.monotonic() - self._kept[pool][1] > LONGEST_IDLE:
                self._let_go(pool)

    def _let_go(self, pool: asyncpg.Pool) -> None:
        """Ends the connection that was kept of a pool without a word: whoever forgot it would not answer."""
        connection, _ = self._kept.pop(pool)
        with contextlib.suppress(asyncpg.InterfaceError):  # gone already
            connection.terminate()

    async def _to_pool(self, pool: asyncpg.Pool, connection: asyncpg.Connection) -> None:
        """Give a connection back to its pool, or end it at once where that takes long.

        The driver waits for the end of a statement that it has cancelled, which a silent server never confirms.
        """
        try:
            async with asyncio.timeout(self._watch.closing):
                with contextlib.suppress(asyncpg.InternalClientError):  # lost just now: the driver has freed it itself
                    await pool.release(connection)
        except TimeoutError:
            connection.terminate()

    async def close(self) -> None:
        """Closes all, once they are given back."""
        self._closing = True
        while self._kept:
            pool, (connection, _) = self._kept.popitem()
            await self._to_pool(pool, connection)
        for pool in self._pools:
            await pool.close()

    def terminate(self) -> None:
        """Closes all at once."""
        for pool in self._pools:
            pool.terminate()


def _gone(connection: asyncpg.Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # its pool has heard of it first, and taken it back
        return True


class _Door:
    """Whether the server may be asked for another connection."""

    def __init__(self) -> None:
        self._refusals = 0
        self._until = 0.0
        self._trying = False
        self.said = ""

    @property
    def left(self) -> float | None:
        """Seconds until a task may try; None: another tries for all, whose return is waited for."""
        return None if self._refusals and self._trying else max(self._until - time.monotonic(), 0.0)

    def lets_try(self) -> bool:
        """Whether a task may try: after a refusal one alone, when the pause is over."""
        return self.left == 0.0

    @contextlib.contextmanager
    def trying(self, *, made: bool) -> Iterator[None]:
        """A task at the door; one that has its connection already only passes by."""
        alone = not made and self._refusals > 0
        self._trying |= alone
        try:
            yield
        finally:
            if alone:
                self._trying = False

    def close(self, said: str) -> None:
        longest: float = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0**self._refusals)
        self._refusals += 1
        self._until = time.monotonic() + random.uniform(longest / 2, longest)  # noqa: S311  a pause, not a secret
        self.said = said

    def open(self) -> None:
        self._refusals = 0
        self._until = 0.0
