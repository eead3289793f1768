"""Maintenance of snapshots in partitions and hypertables alike: old ones go, partitions are created ahead."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.snapshots import Maintenance, hypertable, maintain, partitions

from ...support import snapshot_rows
from ...support.pgbouncer import pgbouncer
from ...support.snapshot_rows import DAY, NOW, Shards, everything, fill

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

KEEP = timedelta(days=30)
KEEP_FROM = NOW - KEEP


async def parts(connection: asyncpg.Connection) -> list[partitions.Range]:
    if (await inspect(connection)).storage is Storage.HYPERTABLE:
        return await hypertable.chunks(connection)
    return await partitions.attached(connection)


async def test_old_parts_are_dropped_and_older_rows_of_the_next_one_deleted(log: asyncpg.Connection) -> None:
    await fill(log, days=range(70))
    await maintain(Database(), NOW, NOW - 100 * DAY, batch=1_000)  # every week has its partition
    before, rows = await parts(log), await everything(log)
    old = [one for one in before if one.upper <= KEEP_FROM]
    straddling = [one for one in before if one.lower < KEEP_FROM < one.upper]
    later = NOW + 60 * DAY
    outlook = await maintain(Database(), later, KEEP_FROM, batch=64, dry_run=True)
    assert (await everything(log), await parts(log)) == (rows, before)
    done = await maintain(Database(), later, KEEP_FROM, batch=64)
    assert outlook == done
    assert bool(done.made) == ((await inspect(log)).storage is Storage.PARTITIONED)
    assert len(old) >= 4
    assert list(done.dropped) == [one.name for one in old]
    assert await everything(log) == [row for row in rows if row[1] >= KEEP_FROM]
    assert done.deleted == sum(row[1] < KEEP_FROM and any(one.lower <= row[1] for one in straddling) for row in rows)
    assert done.deleted > 64 * 2, "several transactions"
    assert [one for one in await parts(log) if one.upper <= KEEP_FROM] == []
    assert await maintain(Database(), later, KEEP_FROM, batch=64) == Maintenance()


async def test_nothing_is_left_of_snapshots_that_are_all_too_old(log: asyncpg.Connection) -> None:
    await fill(log, days=range(3))
    done = await maintain(Database(), NOW, NOW + 365 * DAY, batch=7)
    assert await everything(log) == []
    assert done.dropped or done.deleted == 300


async def test_rows_that_came_while_no_janitor_ran_get_partitions_also_through_a_pooler(
    plain: asyncpg.Connection, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(plain, days=range(70))
    rows = await everything(plain)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] > 0
    with pgbouncer(server, tmp_path) as pooler:
        monkeypatch.setenv("DATABASE_URL", pooler.dsn(os.environ["DATABASE_URL"]))
        settings.reload()
        done = await maintain(Database(), NOW, KEEP_FROM, batch=500)
    found = await snapshot_rows.partitions(plain)
    assert found["video_stats_log_default"] == 0
    assert await everything(plain) == [row for row in rows if row[1] >= KEEP_FROM]
    assert set(done.made) <= set(found)
    assert done.moved == sum(found[name] for name in done.made) > 0
    assert done.moved + done.deleted + found[_this_week()] == len(rows)


def _this_week() -> str:
    monday = NOW - timedelta(days=NOW.weekday())
    return f"video_stats_log_{monday:%Y%m%d}"


async def test_shards_write_meanwhile(log: asyncpg.Connection) -> None:
    await fill(log, videos=500, days=range(60))
    rows = await everything(log)
    async with Shards() as shards:
        await shards.more()
        await maintain(Database(), NOW, KEEP_FROM, batch=500)
        await shards.more()
    after = await everything(log)
    assert {row for row in after if row[0].startswith("video")} == {row for row in rows if row[1] >= KEEP_FROM}
    assert sorted((row[0], row[2]) for row in after if row[0].startswith("tracked")) == sorted(shards.written)


async def test_two_janitors_at_once_lose_nothing(log: asyncpg.Connection) -> None:
    await fill(log, videos=300, days=range(60))
    rows = await everything(log)
    done = await asyncio.gather(*(maintain(Database(), NOW, KEEP_FROM, batch=100) for _ in range(2)))
    assert await everything(log) == [row for row in rows if row[1] >= KEEP_FROM]
    assert sum(one.deleted for one in done) <= len(rows)
    assert await maintain(Database(), NOW, KEEP_FROM, batch=100) == Maintenance()


@pytest.fixture
async def stranger(log: asyncpg.Connection, role: str) -> Database:
    """The database of a user who may use every table, and owns none."""
    await log.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")

    class Stranger(Database):
        async def connect(self) -> asyncpg.Connection:
            connection = await super().connect()
            await connection.execute(f"SET ROLE {role}")
            return connection

    return Stranger()


async def test_a_user_who_may_only_delete_deletes_all_that_is_old_and_learns_who_does_the_rest(
    log: asyncpg.Connection, stranger: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(log, days=range(70))
    await maintain(Database(), NOW, NOW - 100 * DAY, batch=1_000)
    rows, before = await everything(log), await parts(log)
    with caplog.at_level(logging.WARNING):
        done = await maintain(stranger, NOW + 60 * DAY, KEEP_FROM, batch=100)
    kept = [row for row in rows if row[1] >= KEEP_FROM]
    assert await everything(log) == kept
    assert (done.made, done.dropped, done.deleted) == ((), (), len(rows) - len(kept))
    assert await parts(log) == before
    assert "only the owner of video_stats_log may drop its parts" in caplog.text
    if (await inspect(log)).storage is Storage.PARTITIONED:
        assert "run `atlas migrate` as the owner of video_stats_log" in caplog.text
