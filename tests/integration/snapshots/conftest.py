"""A plain installation on any server, and one in a hypertable where the server has TimescaleDB."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.schema.migrate import migrate

from ...support.clock_settings import running_from
from ...support.count_series import NOW
from ...support.databases import closing, execute, fresh_database, make_template


@pytest.fixture(autouse=True)
def schedule_clock(clean_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule clock of these tests and their child processes runs from NOW, which is far from any border."""
    monkeypatch.setenv("ATLAS_CLOCK", running_from(NOW))
    settings.reload()


@pytest.fixture(scope="session")
def plain_template(server: str) -> Iterator[str]:
    """The name of a database with the schema, whose snapshots are in partitions."""
    name = f"atlas_plain_template_{os.getpid()}"
    with settings.override(atlas_clock=running_from(NOW)):
        asyncio.run(make_template(server, name, try_timescaledb=False))
    yield name
    asyncio.run(execute(server, f"DROP DATABASE {name}"))


@pytest.fixture
async def plain(server: str, plain_template: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """A connection to an installation whose snapshots are in partitions; DATABASE_URL names it."""
    async with fresh_database(server, plain_template) as dsn, _connected(dsn, monkeypatch) as connection:
        assert (await inspect(connection)).storage is Storage.PARTITIONED
        yield connection


@pytest.fixture
async def timescale(empty_dsn: str) -> None:
    """Skips by name where the server cannot have a hypertable."""
    async with closing(asyncpg.connect(empty_dsn)) as connection:
        found = await inspect(connection)
    if not (found.available and found.preloaded):
        pytest.skip("needs a server with TimescaleDB (MAIA_TEST_DATABASE_URL)")


@pytest.fixture
async def hyper(timescale: None, dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """A connection to an installation whose snapshots are in a hypertable; DATABASE_URL names it."""
    async with _connected(dsn, monkeypatch) as connection:
        assert (await inspect(connection)).storage is Storage.HYPERTABLE
        yield connection


@contextlib.asynccontextmanager
async def _connected(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    monkeypatch.setenv("DATABASE_URL", dsn)
    settings.reload()
    async with closing(Database().connect()) as connection:
        yield connection


@pytest.fixture(scope="session")
def roles(server: str) -> Iterator[list[str]]:
    """The roles that tests created; dropped once no database is left in which a worker may grant them something."""
    names: list[str] = []
    yield names
    asyncio.run(execute(server, *(f"DROP ROLE {name}" for name in names)))


@pytest.fixture
async def role(server: str, roles: list[str]) -> str:
    """The name of a role that may do nothing yet."""
    name = f"stranger_{uuid.uuid4().hex[:8]}"
    await execute(server, f"CREATE ROLE {name}")
    roles.append(name)
    return name


@pytest.fixture
async def owned(
    server: str, empty_dsn: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncpg.Connection]:
    """An installation in partitions whose owner is no superuser; DATABASE_URL and the connection are the owner's."""
    database = urlsplit(empty_dsn).path.removeprefix("/")
    await execute(
        server,
        f"ALTER ROLE {role} LOGIN PASSWORD 'unasked'",
        f"ALTER DATABASE {database} OWNER TO {role}",
    )
    address = urlsplit(empty_dsn)
    host = f"{address.hostname}:{address.port}" if address.port else ""
    dsn = urlunsplit(address._replace(netloc=f"{role}:unasked@{host}"))
    async with _connected(dsn, monkeypatch) as connection:
        await migrate(Database(), try_timescaledb=False)
        yield connection


@pytest.fixture(params=[Storage.PARTITIONED, Storage.HYPERTABLE])
def log(request: pytest.FixtureRequest) -> asyncpg.Connection:
    """A connection to an installation of each kind."""
    connection: asyncpg.Connection = request.getfixturevalue(
        "plain" if request.param is Storage.PARTITIONED else "hyper"
    )
    return connection


@pytest.fixture
async def other(plain: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to the same database, which may keep its locks for as long as a test takes."""
    async with closing(Database().connect()) as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        yield connection


@pytest.fixture
async def stranger(plain: asyncpg.Connection, role: str) -> str:
    """The name of a role that may use snapshots, and owns nothing."""
    await plain.execute(f"GRANT SELECT, INSERT, DELETE ON video_stats_log TO {role}")
    return role
