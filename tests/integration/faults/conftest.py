"""A PostgreSQL that a test may lose, fill up or restart: one for all tests of this folder, and a database for each."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from ...support.databases import execute, make_template
from ..agents.conftest import api, children, timeline

if TYPE_CHECKING:
    from harness.driver.server import Server

__all__ = ["api", "children", "timeline"]  # fixtures

TEMPLATE = "faults_template"


@pytest.fixture(scope="session")
def private_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this folder's own, that runs."""
    pytest.importorskip("harness.load", reason="the server that can be lost is part of the checkout, not of the wheel")
    from harness.driver.server import Server  # noqa: PLC0415

    server = Server(tmp_path_factory.mktemp("faults") / "postgres", {"shared_buffers": "32MB"})
    try:
        server.create()
        asyncio.run(server.start())
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(private_server: Server) -> str:
    """Instead of the suite's server: its DSN, with a migrated template database."""
    asyncio.run(make_template(private_server.dsn(), TEMPLATE))
    return private_server.dsn()


@pytest.fixture
async def dsn(server: str, private_server: Server) -> AsyncIterator[str]:
    """The DSN of a migrated database of this test's own, on a server that is there again when the test has ended."""
    name = f"faults_{uuid.uuid4().hex[:12]}"
    await execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield private_server.dsn(name)
    if not private_server.runs:
        await private_server.start()
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres(private_server: Server, dsn: str) -> Server:
    """The server of this test's database, to be lost and started again."""
    return private_server
