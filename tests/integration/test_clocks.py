"""The tests and their server have one clock, also where `make test-clocks` shifts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.database import Database

pytestmark = pytest.mark.integration


async def test_the_server_has_the_clock_of_the_tests(db: Database) -> None:
    before = datetime.now(UTC)
    (row,) = await db.fetch("SELECT clock_timestamp() AS at")
    assert before - timedelta(seconds=1) <= row["at"] <= datetime.now(UTC) + timedelta(seconds=1)
