"""Open connections to PostgreSQL and pools of them, directly or through a pooler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from atlas.config.database_url import Address
from atlas.db import deadline, retries
from atlas.db.errors import TlsRefused, describe_server, map_address_errors, map_driver_errors, refused_parameter
from atlas.db.pool import Pool
from atlas.db.pooler import COMMAND_TIMEOUT, Bounded, Shared, is_own, options
from atlas.db.queries import sql
from atlas.errors import ConfigError
from atlas.times import time_as_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from atlas.db.deadline import Watch

logger = logging.getLogger(__name__)

_LAST_ATTEMPT = 1.0
"""Real seconds for a connection attempt that begins when the time for retries is over."""
_SLOW = 2.0
"""Real seconds of waiting after which a log line names the server."""


@contextlib.asynccontextmanager
async def limited_start(url: str, watch: Watch) -> AsyncIterator[None]:
    """Limit all steps inside, which open connections, by one DEADLINE, and log the server if they are slow.

    Raises DatabaseUnavailable when the time is up.
    """
    watch.server = describe_server(Address.parse(url).place)
    notice = asyncio.get_running_loop().call_later(_SLOW, logger.warning, "waiting for %s", watch.server)
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
    url: str, application_name: str, watch: Watch, *, seconds: float = COMMAND_TIMEOUT
) -> asyncpg.Connection:
    """Return a watched connection, whose statements have ``seconds`` unless they have a time limit of their own.

    Raises ConfigError for a wrong address and, after some retries, DatabaseUnavailable.
    """
    return await _first(_Maker(Address.parse(url), application_name, watch, command_timeout=seconds))


async def open_pool(url: str, application_name: str, watch: Watch, *, size: int) -> Pool:
    """Return a pool of at most ``size`` watched connections, one of which is made. Raises as ``connect`` does."""
    make = _Maker(Address.parse(url), application_name, watch, json=True)
    return Pool(make, size, watch, await _first(make))


async def _first(make: _Maker) -> asyncpg.Connection:
    try:
        return await retries.while_unavailable(make, retries.START_SECONDS, make.watch)
    except TlsRefused as refused:
        if not make.address.verified_unasked:
            raise
        raise ConfigError(
            f"{refused} The address leads out of this network and names no sslmode, so the server has to prove who it "
            "is: sslrootcert=FILE names an authority that is not public, sslmode=require does without the proof."
        ) from None


@dataclass(eq=False)
class _Maker:
    """Makes connections to an address; the first one detects a pooler."""

    address: Address
    application_name: str
    watch: Watch
    json: bool = False  # whether jsonb is converted from and to Python values
    command_timeout: float = COMMAND_TIMEOUT
    _kind: type[asyncpg.Connection] | None = None

    async def __call__(self) -> asyncpg.Connection:
        with map_driver_errors(self.address.place), map_address_errors():
            connection = await (self._find_kind() if self._kind is None else self._dial(self._kind))
            try:
                if self.json:
                    await _set_json_codec(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def _find_kind(self) -> asyncpg.Connection:
        if self.address.pooled is None:
            if (connection := await self._dial_directly()) is not None:
                self._kind = asyncpg.Connection
                return connection
            logger.info("DATABASE_URL leads to a pooler; add pgbouncer=true to its parameters to skip this detection")
        self._kind = Bounded if self.address.pooled is False else Shared
        return await self._dial(self._kind)

    async def _dial_directly(self) -> asyncpg.Connection | None:
        """Return a direct session of the server; None if a pooler refuses or drops its parameters."""
        try:
            connection = await self._dial(asyncpg.Connection)
        except asyncpg.PostgresError as error:
            if refused_parameter(error) is None:
                raise
            return None
        own = False
        try:
            own = await is_own(connection)
        finally:
            if not own:
                connection.terminate()
        return connection if own else None

    async def _dial(self, kind: type[asyncpg.Connection]) -> asyncpg.Connection:
        given = options(self.application_name, kind) | {"command_timeout": self.command_timeout}
        if self.address.tls:
            given["ssl"] = self.address.tls
        self.watch.probe = lambda pids: _busy_pids(self.address.dsn, given, pids)
        async with self.watch.limited(min(given["timeout"], max(retries.time_left(), _LAST_ATTEMPT))):
            connection = await asyncpg.connect(self.address.dsn, **given)
        self.watch.attach(connection)
        return connection


async def _busy_pids(dsn: str, given: dict[str, Any], pids: Sequence[int]) -> list[int] | None:
    """Return which of the server's processes run a statement; None behind a pooler, which has its own process ids."""
    connection = await asyncpg.connect(dsn, **given)
    try:
        row = await connection.fetchrow(sql("schema/at_work"), list(pids))
        return row["busy"] if row["own_pid"] == connection.get_server_pid() else None
    finally:
        connection.terminate()


_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


async def _set_json_codec(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value, default=time_as_json, option=_JSON).decode(),
        decoder=orjson.loads,
    )
