"""How PostgreSQL is reached: connections and pools of them, directly or by a pooler, and patience."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import orjson
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    wait_exponential,
    wait_random_exponential,
)

from atlas.config.database_url import Address
from atlas.db import deadline
from atlas.db.errors import LOST, TlsRefused, describe_server, map_address_errors, map_driver_errors, refused_parameter
from atlas.db.pool import Connections
from atlas.db.pooler import COMMAND_TIMEOUT, Bounded, Shared, is_own, options
from atlas.db.queries import sql
from atlas.errors import ConfigError, Contended, DatabaseUnavailable, ReadOnly
from atlas.times import time_as_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from atlas.db.deadline import Watch

    Dial = Callable[..., Awaitable[asyncpg.Connection]]
    Look = Callable[[asyncpg.Connection], Awaitable[None]]

__all__ = ["COMMAND_TIMEOUT", "LOST", "PATIENCE", "connect", "open_pool", "opening", "patiently"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long a lost database is waited for before the process gives up with 69 (real seconds). A restart of a managed
# PostgreSQL takes 5 to 20 s; a runner's minute costs money.
PATIENCE = 30.0
START_PATIENCE = 10.0
"""Also for a host that does not exist: in a group of containers, a name begins to exist when its container starts."""
_LAST_TRY = 1.0
"""Real seconds for a connection that is tried for when the patience is over."""
_QUIET = 2.0
"""Real seconds after which a person is told what is waited for."""


_until: contextvars.ContextVar[float] = contextvars.ContextVar("atlas_until", default=float("inf"))
"""When the patience is over in which a connection is made, in ``time.monotonic()`` seconds."""


class _PoolerFoundError(Exception):
    """What a session said at its start was not heard by the server."""


@contextlib.asynccontextmanager
async def opening(url: str, watch: Watch) -> AsyncIterator[None]:
    """Bound all steps inside, which open sessions, by ``silence.DEADLINE``. Log what is waited for where they are slow.

    Raises DatabaseUnavailable when the time is up.
    """
    watch.where = describe_server(Address.parse(url).place)
    notice = asyncio.get_running_loop().call_later(_QUIET, logger.warning, "waiting for %s", watch.where)
    try:
        async with watch.limited(deadline.DEADLINE) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise watch.silence() from None
    finally:
        notice.cancel()


async def connect(
    dsn: str, application_name: str, watch: Watch, *, seconds: float = COMMAND_TIMEOUT
) -> asyncpg.Connection:
    """One connection, watched, whose statements may take so many seconds unless they have a limit of their own.

    Raises ConfigError for a wrong address and, after some patience, DatabaseUnavailable if it is unreachable.
    """

    async def make(dial: Dial, look: Look, dsn: str, given: dict[str, Any]) -> asyncpg.Connection:
        connection = await dial(dsn, **given | {"command_timeout": seconds})
        try:
            await look(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    return await _made(make, dsn, application_name, watch)


async def open_pool(dsn: str, application_name: str, watch: Watch, *, size: int) -> Connections:
    """At most ``size`` connections, watched, the first of which is made. Raises as ``connect`` does."""

    async def make(dial: Dial, look: Look, dsn: str, given: dict[str, Any]) -> Connections:
        looked = False

        async def prepare(connection: asyncpg.Connection) -> None:
            nonlocal looked
            if not looked:
                await look(connection)
                looked = True
            await _know_json(connection)
            connections.made()

        async def pool() -> asyncpg.Pool:
            return await asyncpg.create_pool(
                dsn,
                min_size=0,  # the driver would report a lost connection that it keeps for itself, at length
                max_size=1,
                connect=dial,
                init=prepare,
                reset=_leave_as_it_is,
                **given,
            )

        connections = Connections([await pool() for _ in range(size)], Address.parse(dsn).place, watch)
        try:
            await connections.release(await connections.acquire(COMMAND_TIMEOUT))
        except BaseException:
            connections.terminate()
            raise
        return connections

    return await _made(make, dsn, application_name, watch)


async def _made(make: Callable[..., Awaitable[T]], url: str, application_name: str, watch: Watch) -> T:
    """What ``make`` makes with the driver's options for the sessions that an address leads to."""
    address = Address.parse(url)
    tls = {"ssl": address.tls} if address.tls else {}

    async def dial(dsn: str, **given: Any) -> asyncpg.Connection:
        watch.ask = lambda pids: _at_work(dsn, given, pids)
        left = max(_until.get() - time.monotonic(), _LAST_TRY)
        async with watch.limited(min(given["timeout"], left)):
            connection = await asyncpg.connect(dsn, **given)
        watch.over(connection)
        return connection

    async def attempt() -> T:
        with map_driver_errors(address.place), map_address_errors():
            if address.pooled is None:
                with contextlib.suppress(_PoolerFoundError):
                    return await directly()
                logger.info("DATABASE_URL leads to a pooler; pgbouncer=true among its parameters saves finding it out")
            kind = Bounded if address.pooled is False else Shared
            return await make(dial, _look_at_nothing, address.dsn, options(application_name, kind) | tls)

    async def directly() -> T:
        try:
            return await make(dial, _look_for_pooler, address.dsn, options(application_name) | tls)
        except asyncpg.PostgresError as error:
            if refused_parameter(error) is None:
                raise
            raise _PoolerFoundError from None

    try:
        return await patiently(attempt, START_PATIENCE, watch)
    except TlsRefused as refused:
        if not address.verified_unasked:
            raise
        raise ConfigError(
            f"{refused} The address leads out of this network and says nothing of sslmode, so the server has to prove "
            "who it is: sslrootcert=FILE names an authority that is not public, sslmode=require does without the proof."
        ) from None


async def _at_work(dsn: str, given: dict[str, Any], pids: Sequence[int]) -> list[int] | None:
    """Ask the server which of these processes of its are at work; None behind a pooler, which has its own numbers."""
    connection = await asyncpg.connect(dsn, **given)
    try:
        row = await connection.fetchrow(sql("schema/at_work"), list(pids))
        return row["at_work"] if row["asked"] == connection.get_server_pid() else None
    finally:
        connection.terminate()


async def _look_for_pooler(session: asyncpg.Connection) -> None:
    if not await is_own(session):
        raise _PoolerFoundError


async def _look_at_nothing(session: asyncpg.Connection) -> None:
    """For a session of which all is known."""


async def patiently(work: Callable[[], Awaitable[T]], seconds: float, watch: Watch, since: float | None = None) -> T:
    """Do the work, again while the database is not there or has others go first, within bounded patience.

    Args:
        work: must be safe to repeat.
        seconds: real ones, that a database is waited for.
        watch: the server's; once it has given the server up, nothing is tried again.
        since: when the waiting began at the earliest, in ``time.monotonic()`` seconds; where the server has answered
            since then, it began with its last answer. None: it begins with the first failure.
    """
    try:
        return await work()  # nearly always: the machinery of retries would cost more than many a statement
    except ReadOnly:
        raise
    except (DatabaseUnavailable, Contended):
        if watch.ending or not seconds:
            raise
    until = seconds + (time.monotonic() if since is None else max(since, watch.heard))
    # half of it is certain, which bounds the tries (10 in 10 s, 18 in 30 s), half random, which spreads the shards
    pause = wait_exponential(multiplier=0.1, max=2.5) + wait_random_exponential(multiplier=0.1, max=2.5)
    retrying = AsyncRetrying(
        retry=retry_if_exception_type((DatabaseUnavailable, Contended)) & retry_if_not_exception_type(ReadOnly),
        wait=lambda state: min(pause(state), max(until - time.monotonic(), 0.0)),
        stop=lambda _: watch.ending or time.monotonic() >= until,
        sleep=watch.pause,
        reraise=True,
    )

    async def again() -> T:
        return await work()  # tenacity would not await what a lambda returns

    token = _until.set(until)
    try:
        return await retrying(again)
    finally:
        _until.reset(token)


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    """Instead of the driver's RESET, a round trip at each release: no statement of ours changes the session."""


_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


async def _know_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value, default=time_as_json, option=_JSON).decode(),
        decoder=orjson.loads,
    )
