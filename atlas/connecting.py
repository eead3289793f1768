"""How PostgreSQL is reached: addresses, connections, patience, and what the driver's errors mean.

The only place that knows the driver's errors: they leave it as DatabaseUnavailable, StatementFailed or ConfigError.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from atlas.errors import ConfigError, Contended, DatabaseUnavailable, StatementFailed, scrub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["COMMAND_TIMEOUT", "LOST", "PATIENCE", "connect", "open_pool", "patiently", "translated"]

T = TypeVar("T")

# How long a lost database is waited for before the process gives up with 69 (real seconds). A restart of a managed
# PostgreSQL takes 5 to 20 s; a runner's minute costs money.
PATIENCE = 30.0
START_PATIENCE = 10.0
_CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 60.0
# A process that is frozen, or whose network is gone, in the middle of a transaction holds its locks for as long as the
# server believes in it: hours. After this long without a statement, the server ends it, and others go on.
STALLED_TRANSACTION = 10.0

LOST = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_MISCONFIGURED = (
    asyncpg.InvalidAuthorizationSpecificationError,  # also a wrong password
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)

# what hosts put into the addresses they hand out for libpq: the driver would send them to the server, which refuses
_LIBPQ_ONLY = {
    "channel_binding", "connect_timeout", "gssencmode", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "load_balance_hosts", "pgbouncer", "sslcompression", "sslnegotiation", "sslsni",
    "tcp_user_timeout",
}  # fmt: skip


async def connect(dsn: str, application_name: str) -> asyncpg.Connection:
    """One connection.

    Raises ConfigError for a wrong address and, after some patience, DatabaseUnavailable if it is unreachable.
    """

    async def attempt() -> asyncpg.Connection:
        with translated(), _connecting():
            return await asyncpg.connect(_for_driver(dsn), **_options(application_name))

    return await patiently(attempt, START_PATIENCE)


async def open_pool(dsn: str, application_name: str, *, size: int) -> asyncpg.Pool:
    """A pool of at most ``size`` connections. Raises as ``connect`` does."""

    async def attempt() -> asyncpg.Pool:
        with translated(), _connecting():
            return await asyncpg.create_pool(
                _for_driver(dsn),
                min_size=0,  # the driver would report a lost connection that it keeps for itself, at length
                max_size=size,
                init=_prepare,
                reset=_leave_as_it_is,
                **_options(application_name),
            )

    return await patiently(attempt, START_PATIENCE)


def _options(application_name: str) -> dict[str, Any]:
    return {
        "timeout": _CONNECT_TIMEOUT,
        "command_timeout": COMMAND_TIMEOUT,
        "server_settings": {
            "application_name": application_name[:63],
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": str(round(STALLED_TRANSACTION * 1000)),
        },
    }


async def patiently(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Does the work, again while the database is not there or has others go first, for so many real seconds at most."""
    try:
        return await work()  # nearly always: the machinery of retries would cost more than many a statement
    except (DatabaseUnavailable, Contended):
        pass
    retrying = AsyncRetrying(
        retry=retry_if_exception_type((DatabaseUnavailable, Contended)),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(seconds),
        reraise=True,
    )
    return await retrying(work)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors into Atlas's; the only place that does."""
    try:
        yield
    except _MISCONFIGURED as error:
        raise ConfigError(
            f"DATABASE_URL: the server refused it: {_line(error)}. Check user, password and database."
        ) from None
    except LOST as error:
        raise DatabaseUnavailable(
            f"the database cannot be reached: {_line(error)}. "
            "Check that it runs and that DATABASE_URL names its host and port."
        ) from None
    except asyncpg.InterfaceError as error:
        # the driver says "closed" by this class too, and of a connection that was lost while a transaction held it that
        # it is "released back to the pool"; anything else of it is a fault of ours
        if "clos" not in str(error) and "released back to the pool" not in str(error):
            raise
        raise DatabaseUnavailable(f"the connection to the database was lost: {_line(error)}.") from None
    except asyncpg.InternalClientError as error:
        # seen where a server dies while a connection to it is made
        raise DatabaseUnavailable(f"the connection to the database broke: {_line(error)}.") from None
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
        raise Contended(f"the database let another transaction go first: {_line(error)} ({error.sqlstate})") from error
    except asyncpg.PostgresError as error:
        raise StatementFailed(f"the database refused a statement: {_line(error)} ({error.sqlstate})") from error


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    """What only an address can be blamed for, while a connection is made. Never shows a part of it."""
    try:
        yield
    except (*LOST, *_MISCONFIGURED):
        raise
    except asyncpg.PostgresError as error:
        raise ConfigError(f"DATABASE_URL: the server refused it: {_line(error)}.") from None
    except (ValueError, LookupError, OverflowError):
        raise ConfigError(
            "DATABASE_URL cannot be read as an address. Write it like postgresql://user:password@host:5432/database; "
            "in user and password, / ? # @ : % are written as %2F %3F %23 %40 %3A %25."
        ) from None


def _for_driver(dsn: str) -> str:
    """The address without the parameters that only libpq knows."""
    address, _, query = dsn.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in _LIBPQ_ONLY]
    return address + ("?" + "&".join(kept) if kept else "")


def _line(error: BaseException) -> str:
    return scrub(" ".join(str(error).split()) or type(error).__name__)


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    """Instead of the driver's RESET, a round trip at each release: no statement of ours changes the session."""


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode(),
        decoder=orjson.loads,
    )
