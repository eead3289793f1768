"""Snapshots in a hypertable, in both editions of TimescaleDB."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.schema.migrate import migrate
from atlas.snapshots import ensure, hypertable

from ...support import snapshot_rows
from ...support.databases import closing
from ...support.snapshot_rows import DAY, NOW, everything, fill, insert

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


async def test_a_new_installation_is_in_one_with_weekly_chunks_and_no_index_but_the_keys(
    hyper: asyncpg.Connection,
) -> None:
    assert (await inspect(hyper)).storage is Storage.HYPERTABLE
    assert await hyper.fetchval(
        "SELECT time_interval FROM timescaledb_information.dimensions WHERE hypertable_name = 'video_stats_log'"
    ) == timedelta(days=7)
    indexes = await hyper.fetch("SELECT indexname FROM pg_indexes WHERE tablename = 'video_stats_log'")
    assert [row["indexname"] for row in indexes] == ["video_stats_log_pkey"]
    assert await snapshot_rows.tables(hyper) == {"video_stats_log"}, "no partition is left"


async def test_a_row_of_any_time_has_a_chunk(hyper: asyncpg.Connection) -> None:
    moments = [NOW - 4000 * DAY, NOW, NOW + 4000 * DAY]
    await insert(hyper, *moments)
    chunks = await hypertable.chunks(hyper)
    assert all(one.upper - one.lower == 7 * DAY for one in chunks)
    assert [one.lower <= at < one.upper for one, at in zip(chunks, moments, strict=True)] == [True] * 3


async def test_the_width_of_a_chunk_is_a_setting_for_those_to_come(hyper: asyncpg.Connection) -> None:
    await insert(hyper, NOW)
    with settings.override(database_chunk_days=1):
        assert await ensure(hyper) is Storage.HYPERTABLE
        await insert(hyper, NOW + 100 * DAY)
    assert [one.upper - one.lower for one in await hypertable.chunks(hyper)] == [7 * DAY, DAY]


async def test_a_hypertable_of_an_earlier_release_stays_one_with_its_rows(
    timescale: None, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    settings.reload()
    async with closing(Database().connect()) as connection:
        await snapshot_rows.first_release(connection)
        await connection.execute("CREATE EXTENSION timescaledb")
        await connection.execute(
            "SELECT create_hypertable('video_stats_log', by_range('observed_at', INTERVAL '7 days'))"
        )
        await fill(connection)
        before = await everything(connection)
        done = await migrate(Database())
        assert (done.before, done.storage) == ("0001", Storage.HYPERTABLE)
        assert await everything(connection) == before


async def test_a_migration_with_timescaledb_in_a_schema_of_its_own_needs_no_search_path(
    timescale: None, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    settings.reload()
    async with closing(asyncpg.connect(empty_dsn)) as connection:
        await connection.execute("CREATE SCHEMA elsewhere")
        await connection.execute("CREATE EXTENSION timescaledb SCHEMA elsewhere")
        done = await migrate(Database())
        assert done.storage is Storage.HYPERTABLE
        await insert(connection, NOW - 40 * DAY, NOW)
        assert len(await hypertable.drop_before(connection, NOW - 30 * DAY)) == 1
        with settings.override(database_chunk_days=2):
            await ensure(connection)
