"""The way to PostgreSQL: one pool per process, transactions that follow the task, and bounded patience.

``database`` is the process's own. It opens at first use (or by ``async with database.session()``, as the flows do) and
raises what ``atlas.db.connect`` makes of the driver's errors: DatabaseUnavailable, StatementFailed or ConfigError.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from atlas.clock import clock
from atlas.config import settings
from atlas.config.dotenv import left_out
from atlas.db import connect as connecting
from atlas.db import deadline
from atlas.db.connect import (
    COMMAND_TIMEOUT,
    LOST,
    connect,
    open_pool,
    opening,
    patiently,
)
from atlas.db.deadline import Watch
from atlas.db.errors import map_address_errors, map_driver_errors
from atlas.db.queries import sql
from atlas.db.server_info import SCHEMA_VERSION, State, read_state
from atlas.errors import ConfigError, DatabaseUnavailable, OlderSchema, SchemaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from atlas.db.embedded import EmbeddedServer
    from atlas.db.pool import Connections

__all__ = ["Database", "database"]

T = TypeVar("T")

_EMBEDDED = 90.0  # seconds for the embedded server; it gives up by itself before that

_GONE = (*LOST, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver says of a connection that is gone, the last where it was cut off in the middle: there is nothing to
roll back on it, and nothing to give back."""


@dataclass(slots=True)
class _Transaction:
    """A transaction, or a savepoint, of the task that began it and of the tasks that it starts while this is open."""

    connection: asyncpg.Connection
    undo: list[Callable[[], None]] = field(default_factory=list)
    open: bool = True


class Database:
    """A pool of at most ``DATABASE_POOL_SIZE`` connections, and the embedded server behind it where one is used."""

    def __init__(self) -> None:
        self._pool: Connections | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Lock()
        self._embedded: EmbeddedServer | None = None
        self._transaction: contextvars.ContextVar[_Transaction | None] = contextvars.ContextVar(
            "atlas_transaction", default=None
        )
        # the task that is patient: those that it starts inherit this, and are not
        self._patient: contextvars.ContextVar[asyncio.Task[Any] | None] = contextvars.ContextVar(
            "atlas_patient", default=None
        )
        self._watch = Watch()
        self.application_name = "atlas"

    async def dsn(self) -> str:
        """The address: DATABASE_URL, or that of the embedded server, which is started if it is not running."""
        if settings.database_url is not None:
            return settings.database_url.get_secret_value()
        from atlas.db.embedded import start  # noqa: PLC0415  the extra need not be installed

        if self._embedded is None:
            asked = settings.embedded_asked_for
            other = None if asked or settings.source else left_out("database_url")
            if other is not None:
                raise ConfigError(
                    f"DATABASE_URL is not set here, and {other} is not read from this folder. Start the command in "
                    f"{other.parent}, or set DATABASE_URL; to use the embedded PostgreSQL, set ATLAS_EMBEDDED_PATH to "
                    f"its folder, such as {settings.atlas_embedded_path}."
                )
            async with self._watching().limited(_EMBEDDED):
                self._embedded = await start(settings.atlas_embedded_path, asked=asked, silent=deadline.DEADLINE)
        return self._embedded.dsn

    async def connect(self, *, seconds: float = COMMAND_TIMEOUT) -> asyncpg.Connection:
        """A connection of one's own, outside the pool: for migrations and `atlas status`.

        Args:
            seconds: that its statements may take unless they have a limit of their own.

        Raises ConfigError for a wrong DATABASE_URL or a database that this release cannot work on (a schema that is
        missing or older is none of these) and, after some patience, DatabaseUnavailable if it is unreachable.
        """
        dsn = await self.dsn()
        watch = self._watching()
        async with opening(dsn, watch):
            connection = await connect(dsn, self.application_name, watch, seconds=seconds)
            try:
                state = await _state_of(connection)
                state.require()
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def open(self) -> None:
        """Opens the pool and looks at the schema. The embedded database migrates by itself.

        Raises ConfigError, SchemaError or DatabaseUnavailable.
        """
        watch = self._watching()
        async with self._opening:
            if self._pool is not None:
                return
            dsn = await self.dsn()
            async with opening(dsn, watch):
                pool = await open_pool(dsn, self.application_name, watch, size=settings.database_pool_size)
                try:
                    state = await self._state(pool)
                except BaseException:
                    pool.terminate()
                    raise
            try:
                await self._require(state, pool)
            except BaseException:
                pool.terminate()
                raise
            self._pool = pool

    def _watching(self) -> Watch:
        """The watch over the server. Another event loop's cannot be used from here, nor its pool."""
        if self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self._pool, self._opening, self._watch = None, asyncio.Lock(), Watch()
        return self._watch

    def hurry(self) -> None:
        """Wait no longer than some seconds for a silent server from now on: a signal asked the process to end."""
        self._watching().hurry()

    async def _state(self, pool: Connections) -> State:
        async def read() -> State:
            async with self._taken(pool) as connection:
                return await _state_of(connection)

        return await patiently(read, connecting.START_PATIENCE, self._watch)

    async def _require(self, state: State, pool: Connections) -> None:
        """Raise ConfigError where this process cannot work on the database; the embedded one migrates by itself."""
        state.require()
        found = state.schema
        if found == SCHEMA_VERSION:
            await self._require_clock(pool)
        elif settings.database_url is None:
            from atlas.schema.migrate import migrate  # noqa: PLC0415  Alembic is slow to import and seldom needed

            await migrate(self)
        elif found is None:
            named, too = "", ""
            if settings.database_schema != "public":
                named, too = f" named '{settings.database_schema}'", " and DATABASE_SCHEMA"
            raise SchemaError(
                f"The database has no Atlas schema{named}. Run `atlas migrate` once with the same DATABASE_URL{too}."
            )
        else:
            raise OlderSchema(
                f"The database's schema is {found}, older than this release's {SCHEMA_VERSION}. Run `atlas migrate`."
            )

    async def _require_clock(self, pool: Connections) -> None:
        """Raise ConfigError where this process's clock is a faster one, and the database was used with the real one."""
        if clock.is_real:
            return
        async with self._taken(pool) as connection:
            (row,) = await _rows(connection, sql("schema/used_with_real_clock"), (), None)
        if row["used"]:
            raise ConfigError(
                f"ATLAS_CLOCK: the database was used with the real clock, and this process's is {clock}: it would take "
                "what is fresh for old. Unset ATLAS_CLOCK, or name another database for demos and simulations."
            )

    async def close(self) -> None:
        """Closes the pool and leaves the embedded server, which stops when nobody uses it."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            try:
                await asyncio.wait_for(pool.close(), 2 * self._watch.closing)
            except (*LOST, asyncpg.InterfaceError):
                pool.terminate()
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            await embedded.leave()

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Database]:
        """Open inside, closed at the end; inside another session it does nothing."""
        if self._pool is not None and self._loop is asyncio.get_running_loop():
            yield self
            return
        await self.open()
        try:
            yield self
        finally:
            await self.close()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection of the task's transaction or, outside one, any of the pool."""
        current = self._current()
        if current is not None:
            yield current.connection
            return
        async with self._taken(await self._opened()) as connection:
            yield connection

    async def _opened(self) -> Connections:
        if self._pool is None or self._loop is not asyncio.get_running_loop():
            await self.open()
        if self._pool is None:
            raise DatabaseUnavailable("the database was closed while it was in use")
        return self._pool

    async def _take(self, pool: Connections) -> asyncpg.Connection:
        with map_driver_errors(pool.place), map_address_errors():
            try:
                # it makes one where all others are in use
                return await pool.acquire(self._watch.left(COMMAND_TIMEOUT))
            except TimeoutError:
                if self._watch.ending:
                    raise self._watch.silence() from None
                raise

    @contextlib.asynccontextmanager
    async def _taken(self, pool: Connections) -> AsyncIterator[asyncpg.Connection]:
        connection, clean = await self._take(pool), False
        try:
            yield connection
            clean = True
        finally:
            await _give_back(pool, connection, clean=clean)

    def _current(self) -> _Transaction | None:
        """The task's transaction; one that has ended is none (a task may outlive the one it was started in)."""
        current = self._transaction.get()
        return current if current is not None and current.open else None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """What this task does inside commits together or not at all; a transaction inside another is a savepoint.

        Statements inside come one after the other: a transaction is one connection's.
        """
        outer = self._current()
        async with self._connection() as connection:
            transaction = connection.transaction()
            with map_driver_errors():
                await transaction.start()
            this = _Transaction(connection)
            token = self._transaction.set(this)
            try:
                try:
                    yield
                except BaseException:
                    with contextlib.suppress(*_GONE):
                        await transaction.rollback()
                    raise
                else:
                    with map_driver_errors():
                        await transaction.commit()
            except BaseException:
                for undo in reversed(this.undo):
                    undo()
                raise
            else:
                if outer is not None:
                    outer.undo.extend(this.undo)
            finally:
                this.open = False
                self._transaction.reset(token)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Has ``undo`` called if the task's transaction does not commit, so that memory never says more than the rows.

        Does nothing outside a transaction.
        """
        current = self._current()
        if current is not None:
            current.undo.append(undo)

    async def fetch(self, statement: str, *arguments: Any, seconds: float | None = None) -> list[asyncpg.Record]:
        """The rows of one statement; outside a transaction it is tried again if the connection was lost.

        Args:
            statement: the SQL.
            arguments: for its ``$1``, ``$2`` and so on.
            seconds: after which the database counts as lost; None: ``COMMAND_TIMEOUT``.
        """
        current = self._current()
        if current is not None:
            return await _rows(current.connection, statement, arguments, seconds)

        async def attempt() -> list[asyncpg.Record]:
            # as _connection does, without its price: most of what is done here is one statement alone
            pool = await self._opened()
            connection, clean = await self._take(pool), False
            try:
                rows = await _rows(connection, statement, arguments, seconds)
                clean = True
            finally:
                await _give_back(pool, connection, clean=clean)
            return rows

        return await self.patiently(attempt)

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does the work, again if the database was lost, for at most ``PATIENCE`` seconds.

        Args:
            work: must be safe to repeat: what it wrote before the loss was rolled back, or is idempotent.
        """
        task = asyncio.current_task()
        if self._current() is not None or (task is not None and self._patient.get() is task):
            # the transaction is gone with its connection: only its owner can begin again; and patience is had once
            return await work()
        token = self._patient.set(task)
        watch = self._watching()
        try:
            return await patiently(work, connecting.PATIENCE, watch, time.monotonic())
        except DatabaseUnavailable:
            watch.lose()  # what is left to do on the way out must not wait as long again, each time
            raise
        finally:
            self._patient.reset(token)


async def _state_of(connection: asyncpg.Connection) -> State:
    with map_driver_errors(statement=sql("schema/schema_state")):
        return await read_state(connection)


async def _give_back(pool: Connections, connection: asyncpg.Connection, *, clean: bool) -> None:
    with contextlib.suppress(*_GONE):
        await pool.release(connection, clean=clean)


async def _rows(
    connection: asyncpg.Connection, statement: str, arguments: Sequence[Any], seconds: float | None
) -> list[asyncpg.Record]:
    with map_driver_errors(statement=statement):
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments, timeout=seconds)
    return rows


database = Database()
