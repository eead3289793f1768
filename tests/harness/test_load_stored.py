"""What the load run reads of the database to judge its agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from harness.load.stored import active_leases, births, early_snapshots

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def add(connection: asyncpg.Connection, id_: str, published: datetime | None, seen: datetime) -> None:
    await connection.execute(
        "INSERT INTO videos (id, published_at, first_seen_at, zone) VALUES ($1, $2, $3, 1)", id_, published, seen
    )


@pytest.mark.parametrize(
    ("age_hours", "gap_hours", "early"),
    [(2, 1, False), (2, 0.9, True), (40, 6, False), (40, 5.9, True), (300, 24, False), (300, 23.9, True)],
)
async def test_a_snapshot_before_its_zones_interval_is_found(
    connection: asyncpg.Connection, age_hours: float, gap_hours: float, early: bool
) -> None:
    born, before = NOW - (age_hours + gap_hours) * HOUR, NOW - gap_hours * HOUR
    await add(connection, "v", born, born)
    await connection.execute(
        "INSERT INTO video_stats_log (video_id, observed_at, views) VALUES ('v', $1, 1), ('v', $2, 2)", before, NOW
    )
    assert await early_snapshots(connection, NOW - HOUR) == ([("v", NOW, before)] if early else [])
    assert await early_snapshots(connection, NOW + HOUR) == []


async def test_leases_are_counted_and_births_are_publication_or_else_the_first_sight(
    connection: asyncpg.Connection,
) -> None:
    await add(connection, "known", NOW - 9 * HOUR, NOW)
    await add(connection, "unknown", None, NOW - 3 * HOUR)
    ids = ["known", "unknown", "absent"]
    assert await births(connection, ids) == {"known": NOW - 9 * HOUR, "unknown": NOW - 3 * HOUR}
    assert await active_leases(connection) == {}
    await connection.execute(
        "UPDATE videos SET leased_by = 'tracker 0/2', leased_until = now() + interval '1 min' WHERE id = 'known'"
    )
    assert await active_leases(connection) == {"tracker 0/2": 1}
