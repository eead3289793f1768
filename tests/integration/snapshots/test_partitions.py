"""Snapshots in partitions on plain PostgreSQL: made ahead, a default one for the rest, and how rows get out of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from atlas.config import settings
from atlas.db.queries import sql
from atlas.db.server_info import Storage
from atlas.snapshots import draining, ensure, partitions

from ...support import snapshot_rows
from ...support.clock_settings import standing_at
from ...support.snapshot_rows import DAY, NOW, fill, insert

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

WEEK = timedelta(days=7)


def moment(at: datetime) -> Any:
    """The schedule clock, standing nearly still."""
    return settings.override(atlas_clock=standing_at(at))


async def test_a_new_installation_has_this_week_and_four_more(plain: asyncpg.Connection) -> None:
    (first, *rest) = await partitions.attached(plain)
    assert first.lower <= NOW < first.upper
    assert [one.lower - first.lower for one in rest] == [WEEK * n for n in range(1, len(rest) + 1)]
    assert rest[-1].upper > NOW + 4 * WEEK
    assert await partitions.default(plain) == "video_stats_log_default"
    indexes = await plain.fetch("SELECT indexname FROM pg_indexes WHERE tablename = $1", first.name)
    assert [row["indexname"] for row in indexes] == [f"{first.name}_pkey"]
    checks = await plain.fetch("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conname = 'bounds'")
    assert checks == []


async def test_an_insert_never_fails_for_want_of_a_partition(plain: asyncpg.Connection) -> None:
    await insert(plain, NOW - 4000 * DAY, NOW, NOW + 4000 * DAY)
    found = await snapshot_rows.partitions(plain)
    assert found["video_stats_log_default"] == 2
    assert sum(found.values()) == 3


async def test_the_schedule_clock_says_which_partitions_are_made_ahead(plain: asyncpg.Connection) -> None:
    later = NOW + 100 * DAY
    with moment(later):
        assert await ensure(plain, try_timescaledb=False) is Storage.PARTITIONED
    ranges = await partitions.attached(plain)
    assert sum(one.lower <= later < one.upper for one in ranges) == 1
    assert ranges[-1].upper > later + 4 * WEEK
    await insert(plain, later)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0


async def test_where_the_width_has_changed_new_partitions_begin_where_the_old_end(plain: asyncpg.Connection) -> None:
    before = await partitions.attached(plain)
    with settings.override(database_chunk_days=60):
        await ensure(plain, try_timescaledb=False)
    after = await partitions.attached(plain)
    assert after[: len(before)] == before
    assert after[len(before)].lower == before[-1].upper
    assert after[-1].upper - after[-2].upper == 60 * DAY


# ── what it costs ───────────────────────────────────────────────────────────────────────────────────────────────────


async def explain(connection: asyncpg.Connection, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    """The nodes of a statement's plan as it runs, by the estimates of full tables."""
    (row,) = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    nodes: list[dict[str, Any]] = [orjson.loads(row[0])[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    return nodes


@pytest.fixture
async def full(plain: asyncpg.Connection) -> asyncpg.Connection:
    """Four weeks of snapshots in their partitions, analysed."""
    await fill(plain, videos=2_000)
    await draining.drain(plain, NOW, WEEK)
    await plain.execute("VACUUM ANALYZE")
    return plain


async def test_the_newest_two_of_a_video_are_one_probe_of_the_key_in_each_partition(full: asyncpg.Connection) -> None:
    nodes = await explain(
        full,
        "SELECT observed_at, views FROM video_stats_log WHERE video_id = $1 ORDER BY observed_at DESC LIMIT 2",
        "video7",
    )
    scans = [node for node in nodes if "Relation Name" in node]
    assert {node["Relation Name"] for node in scans} == set(await snapshot_rows.partitions(full))
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert all("video_id" in node["Index Cond"] for node in scans)
    assert sum(node["Actual Rows"] for node in scans) <= len(scans) + 2
    assert not [node for node in nodes if node["Node Type"] == "Sort"]


async def test_a_time_leaves_out_the_partitions_of_other_times(full: asyncpg.Connection) -> None:
    nodes = await explain(full, "SELECT * FROM video_stats_log WHERE observed_at > $1", NOW - timedelta(hours=1))
    scanned = {node["Relation Name"] for node in nodes if "Relation Name" in node}
    this_week = f"video_stats_log_{NOW - timedelta(days=NOW.weekday()):%Y%m%d}"
    assert min(scanned) >= f"video_stats_log_{NOW - timedelta(days=8):%Y%m%d}"
    assert this_week in scanned


async def test_an_insert_touches_the_partition_of_its_time_alone(full: asyncpg.Connection) -> None:
    async with full.transaction():
        await full.execute(
            "INSERT INTO video_stats_log (video_id, observed_at) SELECT 'v' || n, $1 FROM generate_series(1, 50) AS n"
            " ON CONFLICT DO NOTHING",
            NOW,
        )
        rows = await full.fetch(
            "SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
            "WHERE pid = pg_backend_pid() AND relname LIKE 'video\\_stats\\_log\\_%' AND relkind = 'r'"
        )
    monday = NOW - timedelta(days=NOW.weekday())
    assert [row["relname"] for row in rows] == [f"video_stats_log_{monday:%Y%m%d}"]


async def test_old_rows_are_found_along_the_key_of_the_partition_that_holds_them(full: asyncpg.Connection) -> None:
    keep_from = NOW - 25 * DAY
    nodes = await explain(full, sql("snapshots/maintenance/oldest_batch"), keep_from, "video5", 50)
    scans = [node for node in nodes if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} == {"Index Only Scan"}
    assert len(scans) <= 3, "that one, the one before and the default one"
    assert sum(node["Actual Rows"] for node in scans) <= 52
    async with full.transaction():
        deleted = await explain(full, sql("snapshots/maintenance/delete_batch"), keep_from, "video5", "video51")
    assert "Seq Scan" not in {node["Node Type"] for node in deleted if "default" not in node.get("Relation Name", "")}
