"""The database of the process: one pool, one transaction per task, and bounded retries.

``database`` opens at its first use, or by ``async with database.session()`` as the flows do. It raises what
``atlas.db.errors`` makes of the driver's errors: DatabaseUnavailable, StatementFailed or ConfigError.
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
from atlas.db import deadline, retries
from atlas.db.connections import connect, limited_start, open_pool
from atlas.db.deadline import Watch
from atlas.db.errors import LOST, map_driver_errors
from atlas.db.pooler import COMMAND_TIMEOUT
from atlas.db.queries import sql
from atlas.db.server_info import SCHEMA_VERSION, State, read_state
from atlas.errors import ConfigError, DatabaseUnavailable, OlderSchema, SchemaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from atlas.db.embedded import EmbeddedServer
    from atlas.db.pool import Pool

T = TypeVar("T")

_EMBEDDED = 90.0  # seconds for the start of the embedded server, which gives up before that

_GRACE = 5.0  # seconds in which the server ends a statement whose time is over

# errors of a lost connection, on which nothing can be rolled back
_GONE = (*LOST, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(slots=True)
class _Transaction:
    """A transaction or savepoint, used by the task that began it and by tasks that this one starts meanwhile."""

    connection: asyncpg.Connection
    undo: list[Callable[[], None]] = field(default_factory=list)
    open: bool = True


class Database:
    """A pool of at most DATABASE_POOL_SIZE connections, and the embedded server where DATABASE_URL is not set."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Lock()
        self._embedded: EmbeddedServer | None = None
        current: contextvars.ContextVar[_Transaction | None] = contextvars.ContextVar("atlas_transaction", default=None)
        self._transaction = current
        # the task that retries; tasks that it starts inherit the variable, but retry by themselves
        self._retrying: contextvars.ContextVar[asyncio.Task[Any] | None] = contextvars.ContextVar(
            "atlas_retrying", default=None
        )
        self._watch = Watch()
        self.application_name = "atlas"

    async def dsn(self) -> str:
        """Return DATABASE_URL, or the address of the embedded server, which is started if it does not run."""
        if settings.database_url is not None:
            return settings.database_url.get_secret_value()
        from atlas.db.embedded import start  # noqa: PLC0415  the extra need not be installed

        if self._embedded is None:
            chosen = settings.embedded_is_chosen
            other = None if chosen or settings.source else left_out("database_url")
            if other is not None:
                raise ConfigError(
                    f"DATABASE_URL is not set here, and {other} is not read from this folder. Start the command in "
                    f"{other.parent}, or set DATABASE_URL; to use the embedded PostgreSQL, set ATLAS_EMBEDDED_PATH to "
                    f"its folder, such as {settings.atlas_embedded_path}."
                )
            async with self._watching().limited(_EMBEDDED):
                self._embedded = await start(settings.atlas_embedded_path, chosen=chosen, silent=deadline.DEADLINE)
        return self._embedded.dsn

    async def connect(self, *, seconds: float = COMMAND_TIMEOUT) -> asyncpg.Connection:
        """Return a connection outside the pool, for long use by a command.

        Its statements have ``seconds`` unless they have a time limit of their own. Raises ConfigError for a wrong
        DATABASE_URL or a database that this release cannot work on (a missing or older schema is accepted) and, after
        some retries, DatabaseUnavailable.
        """
        dsn = await self.dsn()
        watch = self._watching()
        async with limited_start(dsn, watch):
            connection = await connect(dsn, self.application_name, watch, seconds=seconds)
            try:
                state = await _state_of(connection)
                state.require()
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def open(self) -> None:
        """Open the pool and check the schema; migrate the embedded database.

        Raises ConfigError, SchemaError or DatabaseUnavailable.
        """
        watch = self._watching()
        async with self._opening:
            if self._pool is not None:
                return
            dsn = await self.dsn()
            async with contextlib.AsyncExitStack() as opened:
                async with limited_start(dsn, watch):
                    pool = await open_pool(dsn, self.application_name, watch, size=settings.database_pool_size)
                    opened.callback(pool.terminate)

                    async def read() -> State:
                        async with pool.connection() as connection:
                            return await _state_of(connection)

                    state = await retries.while_unavailable(read, retries.START_SECONDS, watch)
                await self._require(state, pool)
                opened.pop_all()
            self._pool = pool

    def _watching(self) -> Watch:
        """Return the watch of this event loop, a new one after a change of the loop."""
        if self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self._pool, self._opening, self._watch = None, asyncio.Lock(), Watch()
        return self._watch

    def hurry(self) -> None:
        """Give up a silent server within 2 s from now on, since a signal asked the process to end."""
        self._watching().hurry()

    async def _require(self, state: State, pool: Pool) -> None:
        """Raise ConfigError where this process cannot work on the database; migrate the embedded one."""
        state.require()
        found = state.schema
        if found == SCHEMA_VERSION:
            if clock.is_real:
                return
            async with pool.connection() as connection:
                (row,) = await _rows(connection, sql("schema/used_with_real_clock"), (), None)
            if row["used"]:
                raise ConfigError(
                    f"ATLAS_CLOCK: the database was used with the real clock, and this process's is {clock}: it would "
                    "treat fresh rows as old. Unset ATLAS_CLOCK, or name another database for demos and simulations."
                )
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

    async def close(self) -> None:
        """Close the pool, and leave the embedded server, which stops when no process uses it."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * self._watch.closing):
                    await pool.close()
            pool.terminate()
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            await embedded.leave()

    async def start_over(self) -> None:
        """Close the pool, and forget that the database was given up: the next use opens it again, with all its time."""
        await self.close()
        self._watch = Watch()

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Database]:
        """Open the database, and close it at the end of the block; a nested session does nothing."""
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
        """Yield the connection of the task's transaction or, outside one, any of the pool."""
        current = self._current()
        if current is not None:
            yield current.connection
            return
        async with (await self._opened()).connection() as connection:
            yield connection

    async def _opened(self) -> Pool:
        if self._pool is None or self._loop is not asyncio.get_running_loop():
            await self.open()
        if self._pool is None:
            raise DatabaseUnavailable("the database was closed while it was in use")
        return self._pool

    def _current(self) -> _Transaction | None:
        """Return the task's open transaction. A task may outlive the transaction that it was started in."""
        current = self._transaction.get()
        return current if current is not None and current.open else None

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run what this task does inside as one transaction; a nested one is a savepoint.

        All statements inside use one connection, one after the other.
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

    @contextlib.asynccontextmanager
    async def snapshot(self, settings_statement: str) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection of its own in a read-only transaction that sees one moment; an error ends both.

        For rows in a stream: no statement is repeated. ``settings_statement`` sets up the transaction.
        """
        await self.open()  # checks the schema
        connection = await self.connect()
        try:
            with map_driver_errors():
                transaction = connection.transaction(isolation="repeatable_read", readonly=True)
                await transaction.start()
                await connection.execute(settings_statement)
            yield connection
            with map_driver_errors():
                await transaction.commit()
                await connection.close()
        finally:
            connection.terminate()  # after an error the server may be in the middle of sending

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call ``undo`` if the task's transaction does not commit, so that memory agrees with the rows.

        Does nothing outside a transaction.
        """
        current = self._current()
        if current is not None:
            current.undo.append(undo)

    async def fetch(self, statement: str, *arguments: Any, seconds: float | None = None) -> list[asyncpg.Record]:
        """Return the rows of one statement. Outside a transaction it is repeated if the connection was lost.

        The statement comes from ``atlas.db.queries``; its time limit is ``seconds``, by default ``COMMAND_TIMEOUT``.
        """
        current = self._current()
        if current is not None:
            return await _rows(current.connection, statement, arguments, seconds)

        async def attempt() -> list[asyncpg.Record]:
            async with (await self._opened()).connection() as connection:
                return await _rows(connection, statement, arguments, seconds)

        return await self.retry(attempt)

    async def read(self, statement: str, *, most: int, seconds: float) -> tuple[list[str], list[asyncpg.Record]]:
        """Return the columns and at most ``most`` rows of one statement, in a transaction that only reads.

        It may name tables without their schema, and has ``seconds``. It is rolled back, since a READ ONLY transaction
        too may keep something: large objects, notifications, settings of the session. Raises the driver's own errors
        where the statement is wrong, and DatabaseUnavailable.
        """
        async with self._connection() as connection:
            try:
                transaction = connection.transaction(readonly=True)
                await transaction.start()
                try:
                    milliseconds = str(round(seconds * 1000))
                    await connection.fetch(sql("reading/limit_transaction"), milliseconds, settings.database_schema)
                    # prepared: the protocol then takes no second statement
                    prepared = await connection.prepare(statement)
                    cursor = await prepared.cursor(timeout=seconds + _GRACE)
                    rows: list[asyncpg.Record] = await cursor.fetch(most, timeout=seconds + _GRACE)
                    return [column.name for column in prepared.get_attributes()], rows
                finally:
                    with contextlib.suppress(*_GONE):
                        await transaction.rollback()
            except (*_GONE, *LOST):
                with map_driver_errors():
                    raise
                raise

    async def retry(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do work, and repeat it while the database is unavailable, for at most ``retries.SECONDS``.

        It must be safe to repeat: what it wrote before the loss was rolled back, or is idempotent.
        """
        task = asyncio.current_task()
        if self._current() is not None or (task is not None and self._retrying.get() is task):
            # only its owner can repeat a lost transaction, and only the outermost call of a task repeats
            return await work()
        token = self._retrying.set(task)
        watch = self._watching()
        try:
            return await retries.while_unavailable(work, retries.SECONDS, watch, time.monotonic())
        except DatabaseUnavailable:
            watch.give_up()  # so that the remaining steps do not wait as long again
            raise
        finally:
            self._retrying.reset(token)


async def _state_of(connection: asyncpg.Connection) -> State:
    with map_driver_errors(statement=sql("schema/schema_state")):
        return await read_state(connection)


async def _rows(
    connection: asyncpg.Connection, statement: str, arguments: Sequence[Any], seconds: float | None
) -> list[asyncpg.Record]:
    with map_driver_errors(statement=statement):
        rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments, timeout=seconds)
    return rows


database = Database()
