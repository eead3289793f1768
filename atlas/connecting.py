"""How PostgreSQL is reached: connections and pools of them, directly or by a pooler, and patience."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import orjson
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_exponential,
    wait_random_exponential,
)

from atlas.address import Address
from atlas.connections import Connections
from atlas.errors import ConfigError, Contended, DatabaseUnavailable, ReadOnly
from atlas.refusals import LOST, TlsRefused, making, place_said, refused_parameter, translated
from atlas.sessions import COMMAND_TIMEOUT, Bounded, Shared, is_own, options
from atlas.times import time_as_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Look = Callable[[asyncpg.Connection], Awaitable[None]]

__all__ = ["COMMAND_TIMEOUT", "LOST", "PATIENCE", "connect", "open_pool", "opening", "patiently", "translated"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long a lost database is waited for before the process gives up with 69 (real seconds). A restart of a managed
# PostgreSQL takes 5 to 20 s; a runner's minute costs money.
PATIENCE = 30.0
START_PATIENCE = 10.0
"""Also for a host that does not exist: in a group of containers, a name begins to exist when its container starts."""
DEADLINE = 30.0
"""Real seconds for all steps until a session can be used: a server may accept a connection and then say nothing."""
_QUIET = 2.0
"""Real seconds after which a person is told what is waited for."""


class _PoolerFoundError(Exception):
    """What a session said at its start was not heard by the server."""


@contextlib.asynccontextmanager
async def opening(url: str) -> AsyncIterator[None]:
    """Bound all steps inside, which open sessions, by ``DEADLINE``. Log what is waited for where they take long.

    Raises DatabaseUnavailable when the time is up.
    """
    where = place_said(Address.parse(url).place)
    notice = asyncio.get_running_loop().call_later(_QUIET, logger.warning, "waiting for %s", where)
    limit = asyncio.timeout(DEADLINE)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DatabaseUnavailable(
            f"{where} gave no answer within {DEADLINE:.0f} s. Check that it runs, that DATABASE_URL names its host and "
            "port, and that no firewall is in the way."
        ) from None
    finally:
        notice.cancel()


async def connect(dsn: str, application_name: str) -> asyncpg.Connection:
    """One connection.

    Raises ConfigError for a wrong address and, after some patience, DatabaseUnavailable if it is unreachable.
    """

    async def make(dsn: str, look: Look, **given: Any) -> asyncpg.Connection:
        connection = await asyncpg.connect(dsn, **given)
        try:
            await look(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    return await _made(make, dsn, application_name)


async def open_pool(dsn: str, application_name: str, *, size: int) -> Connections:
    """At most ``size`` connections, the first of which is made. Raises as ``connect`` does."""

    async def make(dsn: str, look: Look, **given: Any) -> Connections:
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
                init=prepare,
                reset=_leave_as_it_is,
                **given,
            )

        connections = Connections([await pool() for _ in range(size)], Address.parse(dsn).place)
        try:
            await connections.release(await connections.acquire(COMMAND_TIMEOUT))
        except BaseException:
            connections.terminate()
            raise
        return connections

    return await _made(make, dsn, application_name)


async def _made(make: Callable[..., Awaitable[T]], url: str, application_name: str) -> T:
    """What ``make`` makes with the driver's options for the sessions that an address leads to."""
    address = Address.parse(url)
    given = {"ssl": address.tls} if address.tls else {}

    async def attempt() -> T:
        with translated(address.place), making():
            if address.pooled is None:
                with contextlib.suppress(_PoolerFoundError):
                    return await directly()
                logger.info("DATABASE_URL leads to a pooler; pgbouncer=true among its parameters saves finding it out")
            kind = Bounded if address.pooled is False else Shared
            return await make(address.dsn, _look_at_nothing, **options(application_name, kind), **given)

    async def directly() -> T:
        try:
            return await make(address.dsn, _look_for_pooler, **options(application_name), **given)
        except asyncpg.PostgresError as error:
            if refused_parameter(error) is None:
                raise
            raise _PoolerFoundError from None

    try:
        return await patiently(attempt, START_PATIENCE)
    except TlsRefused as refused:
        if not address.verified_unasked:
            raise
        raise ConfigError(
            f"{refused} The address leads out of this network and says nothing of sslmode, so the server has to prove "
            "who it is: sslrootcert=FILE names an authority that is not public, sslmode=require does without the proof."
        ) from None


async def _look_for_pooler(session: asyncpg.Connection) -> None:
    if not await is_own(session):
        raise _PoolerFoundError


async def _look_at_nothing(session: asyncpg.Connection) -> None:
    """For a session of which all is known."""


async def patiently(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Does the work, again while the database is not there or has others go first, for so many real seconds at most."""
    try:
        return await work()  # nearly always: the machinery of retries would cost more than many a statement
    except ReadOnly:
        raise
    except (DatabaseUnavailable, Contended):
        pass
    retrying = AsyncRetrying(
        retry=retry_if_exception_type((DatabaseUnavailable, Contended)) & retry_if_not_exception_type(ReadOnly),
        # half of it is certain, which bounds the tries (9 in 10 s, 17 in 30 s), half random, which spreads the shards
        wait=wait_exponential(multiplier=0.1, max=2.5) + wait_random_exponential(multiplier=0.1, max=2.5),
        stop=stop_after_delay(seconds),
        reraise=True,
    )

    async def again() -> T:
        return await work()  # tenacity would not await what a lambda returns

    return await retrying(again)


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
