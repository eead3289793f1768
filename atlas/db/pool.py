"""The connection pool of a process, which makes few attempts while the server has no connection left.

A task that finds no idle connection makes one, or waits in a queue where the pool is full or the server refuses more. A
released connection goes straight to the first task in the queue. After a refusal the process makes no attempt for a
pause, which doubles with each refusal and is random, so that processes do not retry at the same time; then one task
tries for all. If the process has no connection at all, the refusal is an error.

In asyncpg's pool each waiting task would try for itself, and each release would need a turn of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from typing import TYPE_CHECKING

import asyncpg

from atlas.db.pooler import COMMAND_TIMEOUT
from atlas.errors import DatabaseUnavailable, NoConnectionLeft, StatementFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas.db.deadline import Watch

# Seconds without an attempt after the first refusal, and at most. Each pause is random between half of that and all.
MIN_PAUSE = 0.2
MAX_PAUSE = 5.0
MAX_IDLE = 300.0
"""Seconds after which an idle connection is closed: a router or firewall may have dropped it."""


class Pool:
    """At most ``size`` connections, some of which are ``made`` already.

    ``make`` raises Atlas's errors, NoConnectionLeft where the server refuses one more.
    """

    def __init__(
        self, make: Callable[[], Awaitable[asyncpg.Connection]], size: int, watch: Watch, *made: asyncpg.Connection
    ) -> None:
        self._make = make
        self._size = size
        self._watch = watch
        self._connections = set(made)
        self._idle = deque((connection, time.monotonic()) for connection in made)  # the last used one at the end
        self._making = 0
        self._waiting: deque[asyncio.Future[asyncpg.Connection | None]] = deque()
        self._refusals = 0
        self._refusal = ""
        self._pause: asyncio.TimerHandle | None = None
        self._closing = False

    def connection(self) -> _Use:
        """Return a context manager for one use of a connection, which raises as ``acquire``."""
        return _Use(self)

    async def acquire(self) -> asyncpg.Connection:
        """Return a connection that no other task uses; end its use with ``release``.

        Raises what ``make`` raises, and DatabaseUnavailable where none comes free in time.
        """
        if (connection := self._take_idle()) is not None:
            return connection
        seconds = self._watch.left(COMMAND_TIMEOUT)
        try:
            async with asyncio.timeout(seconds):
                return await self._acquire_in_turn()
        except TimeoutError:
            if self._watch.ending:
                raise self._watch.silence() from None
            raise DatabaseUnavailable(f"no connection to the database came free within {seconds:.0f} s.") from None

    async def release(self, connection: asyncpg.Connection, *, reusable: bool) -> None:
        """Take a connection back; close it unless every statement on it was answered (``reusable``)."""
        if reusable and not (self._closing or connection.is_closed() or connection.is_in_transaction()):
            self._hand_over(connection)
        else:
            await self._close(connection)

    async def close(self) -> None:
        """Close every connection, those in use when they are released."""
        self._closing = True
        while self._idle:
            await self._close(self._idle.pop()[0])
        while self._connections:
            await self._wait_in_queue(first=False)

    def terminate(self) -> None:
        """End every connection at once."""
        self._closing = True
        if self._pause is not None:
            self._pause.cancel()
        for connection in list(self._connections):
            self._end(connection)
        self._wake()

    def _take_idle(self) -> asyncpg.Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if not connection.is_closed() and time.monotonic() - since <= MAX_IDLE:
                return connection
            self._end(connection)
        return None

    def _hand_over(self, connection: asyncpg.Connection) -> None:
        if not self._resume(connection):
            self._idle.append((connection, time.monotonic()))
            oldest, since = self._idle[0]
            if time.monotonic() - since > MAX_IDLE:
                self._idle.popleft()
                self._end(oldest)

    def _wake(self) -> None:
        """Wake the first task in the queue, which checks again whether it can make a connection."""
        self._resume(None)

    def _resume(self, result: asyncpg.Connection | None) -> bool:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(result)
                return True
        return False

    async def _wait_in_queue(self, *, first: bool) -> asyncpg.Connection | None:
        """Return the connection that another task hands over, or None where there may be something to do."""
        future: asyncio.Future[asyncpg.Connection | None] = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.appendleft(future)
        else:
            self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiting.remove(future)
            elif (connection := future.result()) is not None:
                self._hand_over(connection)
            else:
                self._wake()
            raise

    async def _acquire_in_turn(self) -> asyncpg.Connection:
        connection = await self._wait_in_queue(first=False) if self._waiting else None
        while connection is None:
            if self._closing:
                self._wake()
                raise DatabaseUnavailable("the database was closed while it was in use")
            if self._may_make():
                with contextlib.suppress(NoConnectionLeft):
                    return await self._make_connection()
            if not self._connections and not self._making:
                self._wake()  # so that the next in the queue ends as well
                raise NoConnectionLeft(self._refusal)
            connection = await self._wait_in_queue(first=True)
        return connection

    def _may_make(self) -> bool:
        if self._refusals and (self._pause is not None or self._making):
            return False
        return len(self._connections) + self._making < self._size

    async def _make_connection(self) -> asyncpg.Connection:
        self._making += 1
        try:
            connection = await self._make()
        except NoConnectionLeft as refusal:
            self._begin_pause(str(refusal))
            raise
        else:
            self._connections.add(connection)
            self._end_pause()
            self._refusals = 0
            return connection
        finally:
            self._making -= 1
            self._wake()

    def _begin_pause(self, refusal: str) -> None:
        self._end_pause()
        longest: float = min(MAX_PAUSE, MIN_PAUSE * 2.0**self._refusals)
        seconds = random.uniform(longest / 2, longest)  # noqa: S311  a pause, not a secret
        self._pause = asyncio.get_running_loop().call_later(seconds, self._pause_is_over)
        self._refusals += 1
        self._refusal = refusal

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _pause_is_over(self) -> None:
        self._pause = None
        self._wake()

    async def _close(self, connection: asyncpg.Connection) -> None:
        """Close a connection politely: the driver first waits until a cancelled statement has ended."""
        try:
            async with asyncio.timeout(self._watch.closing):
                await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            pass  # it is gone, or the server is silent
        finally:
            self._end(connection)

    def _end(self, connection: asyncpg.Connection) -> None:
        connection.terminate()
        self._connections.discard(connection)
        self._wake()


class _Use:
    """One use of a connection. Cheaper than a generator's context manager: most uses are one short statement."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        await self._pool.release(self._connection, reusable=error is None or isinstance(error, StatementFailed))
