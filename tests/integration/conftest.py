"""Fixtures that only the integration tests need."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ..support.prefect_server import prefect_server

__all__ = ["prefect_server"]


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Another client's connection to this test's database."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
