"""Fixtures of a real PostgreSQL: the embedded one, or MAIA_TEST_DATABASE_URL; each test has a database of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atlas.config import settings
from atlas.database import Database, database
from atlas.db.embedded import start

from .database_logins import drop_logins, make_logins
from .databases import execute, fresh_database, make_template

TEMPLATE = f"atlas_template_{os.getpid()}"  # several test processes may share one server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a server with a migrated template database; MAIA_TEST_DATABASE_URL names another than the embedded."""
    given = os.environ.get("MAIA_TEST_DATABASE_URL")
    if given:
        try:
            asyncio.run(make_template(given, TEMPLATE, prepare=make_logins))
            yield given
        finally:
            asyncio.run(execute(given, f"DROP DATABASE IF EXISTS {TEMPLATE}"))
            asyncio.run(drop_logins(given))
        return
    embedded = asyncio.run(start(tmp_path_factory.mktemp("postgres")))
    try:
        changes = ["fsync = off", "full_page_writes = off"]  # the data does not outlive the server
        if "FAKETIME" in os.environ:
            # libfaketime shows the real time to a signal handler that interrupts a wait, as the check for deadlocks
            # does after a second: by that time every other timeout has passed
            changes.append("deadlock_timeout = '1h'")
        statements = [f"ALTER SYSTEM SET {change}" for change in changes]
        asyncio.run(execute(embedded.dsn, *statements, "SELECT pg_reload_conf()"))
        asyncio.run(make_template(embedded.dsn, TEMPLATE, prepare=make_logins))
        yield embedded.dsn
    finally:
        asyncio.run(embedded.leave())


@pytest.fixture
async def dsn(server: str) -> AsyncIterator[str]:
    """The DSN of a migrated database of this test's own."""
    async with fresh_database(server, TEMPLATE) as dsn:
        yield dsn


@pytest.fixture
async def empty_dsn(server: str) -> AsyncIterator[str]:
    """The DSN of a database without the schema."""
    async with fresh_database(server, "template0") as dsn:
        yield dsn


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
