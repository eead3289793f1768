"""What a claim does with rows that change between its snapshot and its locks."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest

from atlas.database import Database
from atlas.db.queries import sql

from ..support.event_loop import PATIENCE
from ..support.statement_gate import until

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GATE = 4713
BEGINS = "LIMIT (SELECT $1::bigint)"
"""Where a claim stands once it has its snapshot, and before it locks anything."""


async def claim(connection: asyncpg.Connection, statement: str) -> dict[str, uuid.UUID]:
    rows = await connection.fetch(statement, 50, NOW, 300.0, uuid.uuid4(), "shard")
    return {row["id"]: row["lease_token"] for row in rows}


async def test_what_another_session_changes_meanwhile_is_left_to_it_or_to_the_next_claim(db: Database) -> None:
    await db.fetch(
        "INSERT INTO videos (id, title, first_seen_at, zone, due_at)"
        " SELECT 'video' || n, 'a title', at, 1, at - interval '1 hour' FROM (SELECT $1::timestamptz AS at) AS moment,"
        " generate_series(1, 5) AS n",
        NOW,
    )
    statement = sql("tracker/claim_videos")
    assert statement.count(BEGINS) == 1
    held_up = statement.replace(BEGINS, f"LIMIT (SELECT $1::bigint FROM pg_advisory_xact_lock_shared({GATE}))")
    first, second = await db.connect(), await db.connect()
    try:
        await second.execute("SELECT pg_advisory_lock($1)", GATE)
        claiming = asyncio.create_task(claim(first, held_up))
        await until(
            second,
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted)",
            GATE,
        )
        token = uuid.uuid4()
        await second.execute("UPDATE videos SET title = 'found again' WHERE id = 'video1'")
        await second.execute("UPDATE videos SET due_at = $1::timestamptz + interval '1 day' WHERE id = 'video2'", NOW)
        await second.execute(
            "UPDATE videos SET lease_token = $1, leased_until = now() + interval '5 min' WHERE id = 'video3'", token
        )
        await second.execute("SELECT pg_advisory_unlock($1)", GATE)
        claimed = await asyncio.wait_for(claiming, PATIENCE)
        assert claimed.keys() == {"video4", "video5"}
        assert (await claim(second, statement)).keys() == {"video1"}, "due still, and nobody's"
        leases = await second.fetch("SELECT id, lease_token, title FROM videos ORDER BY id")
    finally:
        await first.close()
        await second.close()
    assert [row["title"] for row in leases] == ["found again", *["a title"] * 4], "no write is lost"
    assert leases[1]["lease_token"] is None
    assert leases[2]["lease_token"] == token
    assert {row["id"]: row["lease_token"] for row in leases[3:]} == claimed
