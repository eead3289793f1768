"""A real PostgreSQL for the integration tests: the embedded one, with a database of its own for each test."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database, database
from atlas.embedded import start
from atlas.schema import migrate

from .prefect_server import mortal_server, prefect_server

__all__ = ["mortal_server", "prefect_server"]  # fixtures

TEMPLATE = "atlas_template"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a server with a migrated template database; MAIA_TEST_DATABASE_URL names another than the embedded."""
    given = os.environ.get("MAIA_TEST_DATABASE_URL")
    if given:
        asyncio.run(_make_template(given))
        yield given
        return
    embedded = asyncio.run(start(tmp_path_factory.mktemp("postgres")))
    asyncio.run(_make_template(embedded.dsn))
    yield embedded.dsn
    asyncio.run(embedded.leave())


def with_database(dsn: str, name: str) -> str:
    """The same server's address with another database."""
    head, _, query = dsn.partition("?")
    base = head.rsplit("/", 1)[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")


async def _admin(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _make_template(dsn: str) -> None:
    await _admin(dsn, f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)", f"CREATE DATABASE {TEMPLATE}")
    with settings.override(database_url=with_database(dsn, TEMPLATE)):
        await migrate(Database())
    # TimescaleDB's own worker would connect to it, and a template must have no session
    await _admin(
        dsn,
        f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'",
    )


@pytest.fixture
async def dsn(server: str) -> AsyncIterator[str]:
    """The DSN of a migrated database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await _admin(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield with_database(server, name)
    await _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_dsn(server: str) -> AsyncIterator[str]:
    """The DSN of a database without the schema."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await _admin(server, f"CREATE DATABASE {name} TEMPLATE template0")
    yield with_database(server, name)
    await _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def db(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The process's own database, open on this test's database; child processes get it by the environment."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    settings.reload()
    async with database.session():
        yield database


@pytest.fixture
def vault_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the local archive of this test is."""
    folder = tmp_path / "vault"
    monkeypatch.setenv("VAULT_PATH", str(folder))
    settings.reload()
    return folder
