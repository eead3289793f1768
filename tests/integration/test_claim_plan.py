"""The claims walk their indexes: their cost must not grow with the tables."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql

from ..support.databases import closing, execute, fresh_database, make_template, with_database

pytestmark = pytest.mark.integration

ROWS = 30_000
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = 300.0


FILL = (
    f"""
    INSERT INTO videos (id, first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at, leased_until)
    SELECT 'video' || n, at, at, 1 + n % 3, at + make_interval(mins => (n * 7919) % 20000 - 10000),
        CASE WHEN n % 50 > 0 THEN at END, CASE WHEN n % 40 > 0 THEN at END,
        CASE WHEN n % 100 = 0 THEN now() + interval '1 hour' END
    FROM generate_series(1, {ROWS}) AS n, CAST('{NOW}' AS timestamptz) AS at
    """,
    f"""
    INSERT INTO search_queue (query_term, status, priority, source, mentions, added_at, due_at, last_searched_at)
    SELECT 'query ' || n, CASE WHEN n % 3 = 0 THEN 'waiting' ELSE 'active' END, n % 20, 'tag', n % 20, at,
        CASE WHEN n % 3 = 0 THEN at + make_interval(mins => (n * 7919) % 20000 - 10000) END,
        CASE WHEN n % 5 > 0 THEN at - make_interval(mins => n % 5000) END
    FROM generate_series(1, {ROWS}) AS n, CAST('{NOW}' AS timestamptz) AS at
    """,
    "ANALYZE videos",
    "ANALYZE search_queue",
)


@pytest.fixture(scope="module")
def filled(server: str) -> Iterator[str]:
    """The name of a template whose tables are full and analysed."""
    name = f"atlas_claim_plans_{os.getpid()}"

    async def fill(dsn: str, template: str) -> None:
        await execute(with_database(dsn, template), *FILL)

    asyncio.run(make_template(server, name, prepare=fill))
    yield name
    asyncio.run(execute(server, f"DROP DATABASE {name}"))


@pytest.fixture(scope="module")
def shared(server: str, filled: str) -> Iterator[str]:
    """The DSN of a copy that no test changes."""
    name = f"{filled}_shared"
    asyncio.run(execute(server, f"CREATE DATABASE {name} TEMPLATE {filled}"))
    yield with_database(server, name)
    asyncio.run(execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def full(shared: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to full tables, for what is rolled back."""
    with settings.override(database_url=shared):
        async with closing(Database().connect()) as connection:
            yield connection


@pytest.fixture
async def own(server: str, filled: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to full tables of this test's own."""
    async with fresh_database(server, filled) as dsn:
        with settings.override(database_url=dsn):
            async with closing(Database().connect()) as connection:
                yield connection


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def explain(
    connection: asyncpg.Connection, name: str, *arguments: Any, warm: bool = False
) -> list[dict[str, Any]]:
    """The nodes of a statement's plan as it runs; ``warm``: after so many runs that a generic plan is weighed."""
    async with _undone(connection):
        if warm:
            statement = await connection.prepare(sql(name))
            for _ in range(10):
                await statement.fetch(*arguments)
        (row,) = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql(name)}", *arguments)
    return list(nodes(orjson.loads(row[0])[0]["Plan"]))


class _undone:  # noqa: N801  reads as a phrase
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._transaction = connection.transaction()

    async def __aenter__(self) -> None:
        await self._transaction.start()

    async def __aexit__(self, *_: object) -> None:
        await self._transaction.rollback()


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in plan if "Index Name" in node}


def check(plan: list[dict[str, Any]], *wanted: str) -> None:
    kinds = {node["Node Type"] for node in plan}
    assert set(wanted) <= indexes(plan), indexes(plan)
    assert "Seq Scan" not in kinds
    # a bitmap over the due times would read all that are due; over the key, it is the batch
    assert not {node["Index Name"] for node in plan if node["Node Type"] == "Bitmap Index Scan"} - {"videos_pkey"}
    for node in plan:
        # what is sorted, hashed or walked is the batch and what others hold, never the table
        assert node["Actual Rows"] * node["Actual Loops"] < ROWS / 20, node
        removed = node.get("Rows Removed by Filter", 0)
        assert removed * node["Actual Loops"] < ROWS / 20, node


VIDEOS = (50, NOW, LEASE, uuid.UUID(int=1), "shard")
TOPICS = (10, LEASE, uuid.UUID(int=1), "shard")


@pytest.mark.parametrize("size", [1, 50, 500])
async def test_a_claim_of_videos_probes_the_index_of_due_times_once_per_zone(
    full: asyncpg.Connection, size: int
) -> None:
    plan = await explain(full, "tracker/claim_videos", size, *VIDEOS[1:])
    check(plan, "videos_due")
    probes = [node for node in plan if node.get("Index Name") == "videos_due"]
    assert len(probes) == 3
    for probe in probes:
        assert "zone" in probe["Index Cond"]
        assert "due_at" in probe["Index Cond"]
    # zones that are not needed any more are not looked at
    assert sum(probe["Actual Rows"] for probe in probes) <= size + ROWS / 100
    assert not [node for node in plan if node["Node Type"] == "Sort"]
    assert "Tid Scan" in {node["Node Type"] for node in plan}, "what is locked is found by its place"
    assert indexes(plan) == {"videos_due"}


async def test_a_claim_of_videos_keeps_its_plan_when_it_was_run_often(full: asyncpg.Connection) -> None:
    await full.execute("SET plan_cache_mode = auto")
    (row,) = await full.fetch("SELECT count(*) AS due FROM videos WHERE due_at <= $1", NOW)
    assert row["due"] > ROWS / 3, "many are due, which tempts the planner into reading them all"
    check(await explain(full, "tracker/claim_videos", *VIDEOS, warm=True), "videos_due")
    statement = "PREPARE claim (bigint, timestamptz, double precision, uuid, text) AS " + sql("tracker/claim_videos")
    await full.execute(statement)
    execute = f"EXECUTE claim (50, '{NOW.isoformat()}', 300, '{uuid.UUID(int=1)}', 'shard')"
    for _ in range(10):
        async with _undone(full):
            await full.execute(execute)
    async with _undone(full):
        (row,) = await full.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {execute}")
    check(list(nodes(orjson.loads(row[0])[0]["Plan"])), "videos_due")


LITERALS = {
    "tracker/claim_videos": (
        "bigint, timestamptz, double precision, uuid, text",
        (50, NOW, LEASE, uuid.UUID(int=1), "shard"),
    ),
    "hunter/claim_topics": ("bigint, double precision, uuid, text", (10, LEASE, uuid.UUID(int=1), "shard")),
    "hunter/promote_topics": ("timestamptz, bigint", (NOW, 100)),
}


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("tracker/claim_videos", "videos_due"), ("hunter/claim_topics", "search_queue_claim"),
        ("hunter/promote_topics", "search_queue_waiting"),
    ],
)  # fmt: skip
async def test_claims_walk_their_index_when_all_is_due_and_little_fits_into_memory(
    own: asyncpg.Connection, name: str, index: str, mode: str
) -> None:
    """Where reading along an index looks dear, sorting all that is due must not look cheaper."""
    await own.execute(
        "UPDATE videos SET zone = 3, leased_until = NULL,"
        " due_at = $1::timestamptz - make_interval(secs => abs(hashtext(id)) / 1e5)",
        NOW,
    )
    await own.execute(
        "UPDATE search_queue SET priority = hashtext(query_term),"
        " status = CASE WHEN $2 THEN 'waiting' ELSE 'active' END,"
        " due_at = CASE WHEN $2 THEN $1::timestamptz - make_interval(secs => abs(hashtext(query_term)) / 1e5) END",
        NOW,
        name == "hunter/promote_topics",
    )
    for table in ("videos", "search_queue"):
        await own.execute(f"VACUUM ANALYZE {table}")
    await own.execute("SET effective_cache_size = '1MB'")
    await own.execute(f"SET plan_cache_mode = {mode}")
    types, values = LITERALS[name]
    await own.execute(f"PREPARE claim ({types}) AS {sql(name)}")
    given = ", ".join(f"'{value}'" for value in values)
    async with _undone(own):
        (row,) = await own.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE claim ({given})")
    plan = list(nodes(orjson.loads(row[0])[0]["Plan"]))
    check(plan, index)
    assert not [node for node in plan if node["Node Type"] in {"Sort", "Incremental Sort"}]


async def test_a_claim_of_topics_walks_the_index_in_their_rank(full: asyncpg.Connection) -> None:
    plan = await explain(full, "hunter/claim_topics", *TOPICS, warm=True)
    check(plan, "search_queue_claim")
    assert not [node for node in plan if node["Node Type"] in {"Sort", "Incremental Sort"}]


async def test_making_topics_claimable_reads_those_that_are_due(full: asyncpg.Connection) -> None:
    check(await explain(full, "hunter/promote_topics", NOW, 500), "search_queue_waiting")


async def test_a_claim_of_unfinished_videos_walks_its_indexes(full: asyncpg.Connection) -> None:
    arguments = (50, NOW, LEASE, uuid.UUID(int=1), "shard", True, NOW)
    plan = await explain(full, "hunter/claim_unfinished", *arguments, warm=True)
    check(plan, "videos_unenriched", "videos_unarchived")


INTERVALS = [timedelta(hours=1), timedelta(hours=6), timedelta(days=1)]
MINUTES, DAY, WEEK = timedelta(minutes=10), timedelta(days=1), timedelta(days=7)


@pytest.mark.parametrize("late", [timedelta(), timedelta(days=365)], ids=["much to repair", "nothing to repair"])
async def test_a_repair_walks_indexes_from_where_what_is_ahead_begins(
    full: asyncpg.Connection, late: timedelta
) -> None:
    now = NOW + late
    plan = await explain(full, "claims/repair_videos", 50, now, MINUTES, INTERVALS, DAY, warm=True)
    check(plan, "videos_due", "videos_unenriched", "videos_unarchived")
    walked = [node for node in plan if node.get("Index Name", "").startswith("videos_")]
    assert sum(node["Actual Rows"] for node in walked) <= (0 if late else 150)
    plan = await explain(full, "claims/repair_topics", 50, now, MINUTES, INTERVALS[1], WEEK, warm=True)
    check(plan, "search_queue_waiting")
    (walk,) = (node for node in plan if node.get("Index Name") == "search_queue_waiting")
    assert walk["Actual Rows"] == (0 if late else 50)


async def test_an_empty_claim_costs_next_to_nothing(own: asyncpg.Connection) -> None:
    await own.execute("UPDATE videos SET due_at = due_at + interval '1 year'")
    await own.execute("VACUUM ANALYZE videos")
    plan = await explain(own, "tracker/claim_videos", *VIDEOS)
    check(plan, "videos_due")
    assert sum(node["Actual Rows"] for node in plan if node.get("Index Name") == "videos_due") == 0


@pytest.mark.parametrize("name", ["tracker/tracking_outlook", "tracker/select_control_ids"])
async def test_questions_about_what_is_due_walk_the_index(full: asyncpg.Connection, name: str) -> None:
    plan = await explain(full, name, *([5] if name == "tracker/select_control_ids" else []))
    assert "videos_due" in indexes(plan)
    assert sum(node["Actual Rows"] for node in plan if node.get("Index Name") == "videos_due") <= 30


# ── what a plan counts ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1, 40, 400])
async def test_due_queries_are_counted_along_the_indexes_of_the_claim(full: asyncpg.Connection, limit: int) -> None:
    plan = await explain(full, "plan/count_due_queries", limit, NOW)
    check(plan, "search_queue_claim", "search_queue_waiting")
    assert sum(node["Actual Rows"] for node in plan if node["Node Type"].startswith("Index")) <= 2 * limit


@pytest.mark.parametrize("limit", [1, 40, 400])
async def test_due_videos_are_counted_along_the_index_of_the_claim(full: asyncpg.Connection, limit: int) -> None:
    plan = await explain(full, "plan/count_due_videos", limit, NOW)
    check(plan, "videos_due")
    (probe,) = (node for node in plan if node.get("Index Name") == "videos_due")
    assert "zone" in probe["Index Cond"]
    assert "due_at" in probe["Index Cond"]
    assert probe["Actual Loops"] == 3
    assert probe["Actual Rows"] <= limit


async def test_unfinished_videos_are_counted_along_the_indexes_of_their_claim(full: asyncpg.Connection) -> None:
    plan = await explain(full, "plan/count_unfinished", 200, NOW, NOW, True)
    check(plan, "videos_unenriched", "videos_unarchived")
    archived = await explain(full, "plan/count_unfinished", 200, NOW, NOW, False)
    walked = [node for node in archived if node.get("Index Name") == "videos_unarchived"]
    assert not any(node["Actual Loops"] for node in walked), "without an archive, nobody looks there"


async def test_the_shards_of_a_run_are_found_by_its_id(own: asyncpg.Connection) -> None:
    await own.execute(
        "INSERT INTO runs (id, run_id, wave, agent, shard, started_at, outcome)"
        " SELECT gen_random_uuid(), 'run ' || n / 8, 1 + n % 2, 'hunter', n % 4 || '/4', now(), 'churn'"
        " FROM generate_series(1, 10000) AS n"
    )
    await own.execute("ANALYZE runs")
    for name, arguments in (
        ("plan/count_churned", ("run 77", 1, "hunter", 255)),
        ("plan/list_runs", ("run 77", "hunter", 1000)),
    ):
        plan = await explain(own, name, *arguments)
        assert "Seq Scan" not in {node["Node Type"] for node in plan}
        assert indexes(plan) == {"runs_by_run"}
