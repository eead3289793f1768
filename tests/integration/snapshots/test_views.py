"""The views answer like plain arithmetic on every server, and read few rows."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import orjson
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import migrate
from atlas.snapshots import maintain
from atlas.snapshots.views import ensure_views

from ...support.count_series import (
    DAY,
    HOUR,
    NOW,
    Sample,
    Series,
    buckets,
    edges,
    generated,
    partition,
    store,
    velocity,
)
from ...support.databases import closing

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

VIEWS = ("video_velocity", "video_stats_hourly", "video_stats_daily")
ORDER = {
    "video_velocity": "video_id",
    "video_stats_hourly": "video_id, bucket",
    "video_stats_daily": "video_id, bucket",
}


@pytest.fixture
async def connection(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own to a database with the views."""
    async with closing(db.connect()) as connection:
        await ensure_views(connection)
        await partition(connection)
        yield connection


async def rows(connection: asyncpg.Connection, view: str, where: str = "true") -> list[dict[str, Any]]:
    found = await connection.fetch(f"SELECT * FROM {view} WHERE {where} ORDER BY {ORDER[view]}")
    return [dict(row) for row in found]


def nearly(expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rates to nine digits: they are computed in another order."""
    return [
        {
            name: pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
            for name, value in row.items()
        }
        for row in expected
    ]


async def check(connection: asyncpg.Connection, series: Series) -> None:
    assert await rows(connection, "video_velocity") == nearly(velocity(series))
    assert await rows(connection, "video_stats_hourly") == buckets(series, HOUR)
    assert await rows(connection, "video_stats_daily") == buckets(series, DAY)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Chatham"])  # UTC+13:45
async def test_the_views_answer_like_plain_arithmetic_in_any_time_zone(
    connection: asyncpg.Connection, zone: str
) -> None:
    series = generated(0) if zone == "UTC" else edges(NOW)
    await store(connection, series)
    await connection.execute(f"SET timezone = '{zone}'")
    await check(connection, series)


async def test_what_an_answer_reads_like(connection: asyncpg.Connection) -> None:
    """Numbers that can be checked in one's head."""
    points = ((30, 0), (18, 1200), (6, 1200), (2, 3200), (0, 3000))
    await store(connection, {"one": [Sample(NOW - hours * HOUR, views) for hours, views in points]})
    (row,) = await rows(connection, "video_velocity")
    assert row == {
        "video_id": "one",
        "observed_at": NOW,
        "views": 3000,
        "previous_at": NOW - 2 * HOUR,
        "views_per_hour": -100.0,  # 200 fewer in 2 h
        "views_per_hour_6h": 300.0,  # 1800 in 6 h
        "views_per_hour_24h": 100.0,  # 24 h ago, in the middle between 0 and 1200: 600
        "acceleration": -200.0,  # from +500 to -100 views an hour, 3 h apart
    }


async def test_a_video_without_a_count_has_no_row_and_a_new_one_no_rates(connection: asyncpg.Connection) -> None:
    await store(connection, {"hidden": [Sample(NOW, None)], "none": [], "new": [Sample(NOW, 5)]})
    (row,) = await rows(connection, "video_velocity")
    assert row == dict.fromkeys(row) | {"video_id": "new", "observed_at": NOW, "views": 5}
    assert [row["video_id"] for row in await rows(connection, "video_stats_daily")] == ["new"]


async def test_they_are_in_the_schema_of_atlas_and_find_timescaledb_in_its_own(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_SCHEMA", "a_corner")
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    settings.reload()
    async with closing(asyncpg.connect(empty_dsn)) as connection:
        await connection.execute("CREATE SCHEMA tools")
        # only where the server has it loaded: elsewhere asking for it would end the connection
        if await connection.fetchval("SELECT current_setting('timescaledb.disable_load', true)") is not None:
            await connection.execute("CREATE EXTENSION timescaledb SCHEMA tools")
        await migrate(Database())
        assert not await connection.fetch("SELECT 1 FROM pg_class WHERE oid = to_regclass('public.video_velocity')")
        series = generated(8)
        await connection.execute("SET search_path = a_corner")
        await store(connection, series)
        await check(connection, series)
        await maintain(Database(), NOW, NOW - 5 * DAY, batch=1000)
        recent = {video: [one for one in samples if one.at >= NOW - 5 * DAY] for video, samples in series.items()}
        await check(connection, recent)


MANY = 5_000


@pytest.fixture
async def many(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Videos with snapshots in several chunks or partitions, analysed."""
    await connection.execute(
        "INSERT INTO videos (id, first_seen_at, zone, channel_id) "
        "SELECT 'video' || n, $1, 3, 'channel' || n / 5 FROM generate_series(1, $2) AS n",
        NOW, MANY,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO video_stats_log SELECT 'video' || n, $1::timestamptz - make_interval(days => d), n * (100 - d) "
        "FROM generate_series(1, $2) AS n, generate_series(0, 20, 2) AS d",
        NOW, MANY,
    )  # fmt: skip
    await connection.execute("ANALYZE videos, video_stats_log")
    return connection


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def walked(connection: asyncpg.Connection, query: str) -> int:
    """How many rows of snapshots the scans of a query have touched; only what is empty is scanned as a whole.

    The videos have no index of their channel: they are read as a whole, once at most.
    """
    (row,) = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
    touched = 0
    for node in nodes(orjson.loads(row[0])[0]["Plan"]):
        if node.get("Relation Name") == "videos":
            assert node["Actual Loops"] <= (1 if node["Node Type"] == "Seq Scan" else 300), node
        elif "Relation Name" in node:
            here = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            assert not here or node["Node Type"] != "Seq Scan", node
            touched += here
    return int(touched)


FEW = (
    "WHERE video_id = 'video77'",
    "WHERE video_id = ANY (ARRAY['video77', 'video4000'])",
    "WHERE video_id = ANY (ARRAY(SELECT id FROM videos WHERE channel_id = 'channel9'))",
)


async def test_a_question_about_few_videos_probes_indexes_alone(many: asyncpg.Connection) -> None:
    for view, few in itertools.product(VIEWS, FEW):
        assert await walked(many, f"SELECT {view}.* FROM {view} {few}") < 300, (view, few)
    join = "FROM videos JOIN video_velocity ON video_id = id WHERE channel_id = 'channel9'"
    assert await walked(many, f"SELECT video_velocity.* {join}") < 300
    assert await walked(many, f"SELECT sum(views_per_hour) {join}") < 100
    # the fastest ones are found without computing the windows of all
    query = "SELECT * FROM video_velocity ORDER BY views_per_hour DESC NULLS LAST LIMIT 10"
    (row,) = await many.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
    plans = [node for node in nodes(orjson.loads(row[0])[0]["Plan"]) if node.get("Parent Relationship") == "SubPlan"]
    assert [node["Actual Loops"] for node in plans] == [10, 10]


async def drop(connection: asyncpg.Connection) -> None:
    """Drops the views, of whichever kind they are."""
    for view in VIEWS:
        try:
            await connection.execute(f"DROP VIEW {view}")
        except asyncpg.PostgresError:
            await connection.execute(f"DROP MATERIALIZED VIEW {view}")


async def test_many_may_create_them_at_once(db: Database, connection: asyncpg.Connection) -> None:
    series = edges(NOW)
    await store(connection, series)
    await drop(connection)
    async with contextlib.AsyncExitStack() as opened:
        others = [await opened.enter_async_context(closing(db.connect())) for _ in range(4)]
        await asyncio.gather(*(ensure_views(other) for other in others))
    made = await connection.fetch("SELECT xmin FROM pg_class WHERE relname = ANY ($1)", VIEWS)
    await ensure_views(connection)
    assert await connection.fetch("SELECT xmin FROM pg_class WHERE relname = ANY ($1)", VIEWS) == made
    await check(connection, series)


async def test_a_view_of_another_release_is_replaced_and_keeps_its_grants(
    connection: asyncpg.Connection, role: str
) -> None:
    series = edges(NOW)
    await store(connection, series)
    for view in VIEWS:
        await connection.execute(f"GRANT SELECT ON {view} TO {role}")
        await connection.execute(f"COMMENT ON VIEW {view} IS 'of another release'")
    await ensure_views(connection)
    comments = await connection.fetch("SELECT obj_description(oid) FROM pg_class WHERE relname = ANY ($1)", VIEWS)
    assert all("definition" in comment for (comment,) in comments)
    await connection.execute(f"SET ROLE {role}")
    await check(connection, series)
    await ensure_views(connection)  # there is nothing to do, so this needs no right
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("SELECT 1 FROM video_stats_log")


async def test_new_views_are_granted_to_readers_of_the_snapshots(connection: asyncpg.Connection, role: str) -> None:
    """An agent's user, who was granted the tables before there were views."""
    await connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    await drop(connection)
    await ensure_views(connection)
    await connection.execute(f"SET ROLE {role}")
    await check(connection, {})
