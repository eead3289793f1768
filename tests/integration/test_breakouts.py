"""Breakouts: which videos came to gain so many views an hour, by their last snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.database import Database
from atlas.db.queries import sql

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

# hours before now → views
CURVES: dict[str, dict[float, int | None]] = {
    "reaches it": {2: 0, 1: 50, 0: 250},
    "reaches it exactly": {2: 0, 1: 99, 0: 199},
    "has passed it before": {2: 0, 1: 150, 0: 300},
    "stays below": {2: 0, 1: 50, 0: 149},
    "has one interval": {1: 0, 0: 100},
    "has one snapshot": {0: 1_000_000},
    "has none": {},
    "came back after a fall": {2: 900, 1: 100, 0: 300},
    "falls": {2: 100, 1: 200, 0: 50},
    "in half an hour": {1.5: 0, 0.5: 50, 0: 100},
    "over a long gap": {100: 0, 50: 1000, 0: 5000},
    "with a count that was hidden": {3: 0, 2: 50, 1: None, 0: 350},
    "was hidden when it was read": {2: 0, 1: 50, 0.5: 1000, 0: None},
    "was read earlier": {3: 0, 2: 50, 1: 5000},
}
FOUND = {
    "reaches it": 200,
    "reaches it exactly": 100,
    "has one interval": 100,
    "came back after a fall": 200,
    "in half an hour": 100,
    "with a count that was hidden": 150,
}


async def seed(db: Database) -> None:
    rows = [(id_, NOW - hours * HOUR, views) for id_, curve in CURVES.items() for hours, views in curve.items()]
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) "
        "SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[])",
        *map(list, zip(*rows, strict=True)),
    )


async def breakouts(db: Database) -> dict[str, Any]:
    rows = await db.fetch("SELECT payload FROM events WHERE type = 'breakout' ORDER BY id")
    return {row["payload"]["video_id"]: row["payload"] for row in rows}


async def test_a_breakout_is_a_rate_that_was_not_there_an_interval_before(db: Database) -> None:
    await seed(db)
    number = await MaiaDAO().record_breakouts(list(CURVES), NOW - timedelta(minutes=10), 100)
    found = await breakouts(db)
    assert {id_: payload["views_per_hour"] for id_, payload in found.items()} == FOUND
    assert number == len(FOUND)
    assert found["reaches it"] == {"video_id": "reaches it", "views_per_hour": 200.0, "views": 250}


async def test_only_the_videos_that_were_read_are_looked_at(db: Database) -> None:
    await seed(db)
    assert await MaiaDAO().record_breakouts(["reaches it", "stays below"], NOW, 100) == 1
    assert set(await breakouts(db)) == {"reaches it"}
    assert await MaiaDAO().record_breakouts([], NOW, 100) == 0


async def test_a_thousand_videos_are_looked_at_by_the_index(db: Database) -> None:
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) SELECT 'v' || n % 5000, "
        "$1::timestamptz - n / 5000 * interval '1 hour', 40000 - n FROM generate_series(0, 39999) AS n",
        NOW,
    )
    await db.fetch("ANALYZE video_stats_log")
    ids = [f"v{n}" for n in range(1000)]
    plan = "\n".join(row[0] for row in await db.fetch(f"EXPLAIN {sql('tracker/find_breakouts')}", ids, NOW, 100))
    assert "Seq Scan on video_stats_log" not in plan
    assert "Index" in plan
