"""Snapshots in partitions on plain PostgreSQL: created ahead, a default one for the rest, and how rows leave it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql
from atlas.db.server_info import Storage
from atlas.errors import Contended
from atlas.snapshots import ddl, ensure, partitions
from atlas.snapshots.partitions import create_missing

from ...support import snapshot_rows
from ...support.clock_settings import standing_at
from ...support.databases import closing
from ...support.snapshot_rows import DAY, NOW, Shards, everything, fill, insert

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


async def test_the_schedule_clock_decides_which_partitions_are_created_ahead(plain: asyncpg.Connection) -> None:
    later = NOW + 100 * DAY
    await insert(plain, NOW - 4000 * DAY, NOW, later)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 2, "no insert fails"
    with moment(later):
        assert await ensure(plain, try_timescaledb=False) is Storage.PARTITIONED
    ranges = await partitions.attached(plain)
    assert sum(one.lower <= later < one.upper for one in ranges) == 1
    assert ranges[-1].upper > later + 4 * WEEK
    await insert(plain, later + DAY)
    found = await snapshot_rows.partitions(plain)
    assert (found["video_stats_log_default"], sum(found.values())) == (0, 4)


async def test_rows_of_the_default_partition_get_partitions_of_their_own(plain: asyncpg.Connection) -> None:
    number = await fill(plain, now=NOW - 40 * DAY)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == number
    before = await everything(plain)
    made, moved = await create_missing(plain, NOW, WEEK)
    assert moved == number
    found = await snapshot_rows.partitions(plain)
    assert found["video_stats_log_default"] == 0
    assert sum(found[name] for name in made) == number
    assert await everything(plain) == before
    assert await snapshot_rows.tables(plain) == {*found, "video_stats_log"}, "nothing is left behind"
    assert await create_missing(plain, NOW, WEEK) == ([], 0)


async def test_a_partition_gets_another_name_beside_a_table_that_has_its_own(plain: asyncpg.Connection) -> None:
    await insert(plain, datetime(2026, 1, 7, tzinfo=UTC))
    await plain.execute("CREATE TABLE video_stats_log_20260105 (kept text)")
    assert await create_missing(plain, NOW, WEEK) == (["video_stats_log_20260105_2"], 1)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_20260105_2"] == 1


async def test_shards_write_meanwhile_and_nothing_is_lost(plain: asyncpg.Connection) -> None:
    # no partition is there for what they write: all of it lands in the default one
    for one in await partitions.attached(plain):
        await partitions.drop(plain, one.name)
    await fill(plain, videos=500, now=NOW - DAY)
    before = await everything(plain)
    async with Shards() as shards:
        await shards.more()
        made, _ = await create_missing(plain, NOW, WEEK)
        await shards.more()
    after = await everything(plain)
    assert made
    assert set(before) <= set(after)
    assert sorted((row[0], row[2]) for row in set(after) - set(before)) == sorted(shards.written)
    assert len(after) == len(before) + len(shards.written)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0


async def test_several_at_once_do_the_work_once(plain: asyncpg.Connection) -> None:
    await fill(plain, videos=1_000, now=NOW - 40 * DAY)
    before = await everything(plain)

    async def one() -> tuple[list[str], int]:
        async with closing(Database().connect()) as connection:
            return await create_missing(connection, NOW, WEEK)

    done = await asyncio.gather(one(), one(), one())
    names = [name for made, _ in done for name in made]
    assert len(names) == len(set(names)) > 0
    assert sum(moved for _, moved in done) == len(before)
    assert await everything(plain) == before
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0


async def test_a_table_that_stays_in_use_is_left_as_it_is(
    plain: asyncpg.Connection, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(ddl, "TABLE_WAIT", "20ms")
    await fill(plain, now=NOW - 40 * DAY)
    before = await everything(plain)
    async with other.transaction():
        await other.execute("SELECT FROM video_stats_log LIMIT 1")
        with pytest.raises(Contended, match="stays in use"):
            await ddl.run_ddl(plain, lambda: plain.execute("LOCK TABLE video_stats_log"), attempts=2)
        with caplog.at_level(logging.WARNING):
            assert await ensure(plain, try_timescaledb=False) is Storage.PARTITIONED
        assert "no partition is created this time: video_stats_log stays in use" in caplog.text
    assert await everything(plain) == before
    assert await snapshot_rows.tables(plain) == {*await snapshot_rows.partitions(plain), "video_stats_log"}


async def test_an_owner_who_is_no_superuser_does_all_of_it(owned: asyncpg.Connection) -> None:
    await owned.execute("DROP TABLE video_stats_log_default")
    await create_missing(owned, NOW, WEEK)
    number = await fill(owned, now=NOW - 40 * DAY)
    _, moved = await create_missing(owned, NOW, WEEK)
    assert moved == number


async def test_what_a_superuser_creates_belongs_to_the_owner_of_the_snapshots(
    plain: asyncpg.Connection, role: str
) -> None:
    await plain.execute(f"ALTER TABLE video_stats_log OWNER TO {role}; DROP TABLE video_stats_log_default")
    await plain.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    made, _ = await create_missing(plain, NOW + 60 * DAY, WEEK)
    assert len(made) > 2
    rows = await plain.fetch(
        "SELECT relname, pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = ANY ($1)",
        [*made, partitions.DEFAULT],
    )
    assert {row["relname"]: row["owner"] for row in rows} == dict.fromkeys([*made, partitions.DEFAULT], role)


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
    await create_missing(plain, NOW, WEEK)
    await plain.execute("VACUUM ANALYZE")
    return plain


def this_week(at: datetime = NOW) -> str:
    return f"video_stats_log_{at - timedelta(days=at.weekday()):%Y%m%d}"


async def test_what_a_statement_reads(full: asyncpg.Connection) -> None:
    newest_two = "SELECT observed_at, views FROM video_stats_log WHERE video_id = $1 ORDER BY observed_at DESC LIMIT 2"
    nodes = await explain(full, newest_two, "video7")
    scans = [node for node in nodes if "Relation Name" in node]
    assert {node["Relation Name"] for node in scans} == set(await snapshot_rows.partitions(full)), "one probe in each"
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert all("video_id" in node["Index Cond"] for node in scans)
    assert sum(node["Actual Rows"] for node in scans) <= len(scans) + 2
    assert not [node for node in nodes if node["Node Type"] == "Sort"]
    nodes = await explain(full, "SELECT * FROM video_stats_log WHERE observed_at > $1", NOW - timedelta(hours=1))
    scanned = {node["Relation Name"] for node in nodes if "Relation Name" in node}
    assert this_week() in scanned
    assert min(scanned) >= f"video_stats_log_{NOW - timedelta(days=8):%Y%m%d}", "no partition of another time"
    # old rows are found along the key of the partition that has them
    keep_from = NOW - 25 * DAY
    nodes = await explain(full, sql("snapshots/maintenance/oldest_batch"), keep_from, "video5", 50)
    scans = [node for node in nodes if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} == {"Index Only Scan"}
    assert len(scans) <= 3, "that one, the one before and the default one"
    assert sum(node["Actual Rows"] for node in scans) <= 52
    async with full.transaction():
        deleted = await explain(full, sql("snapshots/maintenance/delete_batch"), keep_from, "video5", "video51")
    assert "Seq Scan" not in {node["Node Type"] for node in deleted if "default" not in node.get("Relation Name", "")}


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
    assert [row["relname"] for row in rows] == [this_week()]
