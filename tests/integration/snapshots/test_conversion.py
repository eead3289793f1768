"""`atlas migrate --to-timescaledb`: a plain installation goes into a hypertable while its shards write, and no row is
lost, whenever it is killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.schema.migrate import migrate
from atlas.snapshots import draining, maintain, moving, partitions
from atlas.snapshots.conversion import to_timescaledb

from ...support.conversions import convert, ended, is_clean, migrating, run, until_it_waits_for
from ...support.pgbouncer import pgbouncer
from ...support.snapshot_rows import DAY, NOW, Shards, add_video, everything, fill, insert

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


async def test_shards_write_the_conversion_is_killed_and_resumed_and_every_row_is_there(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await fill(plain, videos=2_000, days=range(35))
    await draining.drain(plain, NOW, 7 * DAY)
    before = await everything(plain)
    oldest = await plain.fetchrow("SELECT video_id, observed_at FROM video_stats_log ORDER BY observed_at LIMIT 1")
    async with Shards() as shards:
        await shards.more()
        holder = other.transaction()
        await holder.start()  # the copy comes to this row, and no further
        await other.execute(
            "SELECT FROM video_stats_log WHERE video_id = $1 AND observed_at = $2 FOR UPDATE", *oldest.values()
        )
        async with migrating("--to-timescaledb") as process:
            await until_it_waits_for(plain, other, process)
            await shards.more()
            os.kill(process.pid, signal.SIGKILL)
            assert (await ended(process))[0] == -signal.SIGKILL
        await holder.rollback()
        parts = await plain.fetch("SELECT pages, remaining FROM video_stats_log_moving")
        assert 0 < sum(part["remaining"] for part in parts) < sum(part["pages"] for part in parts)
        assert (await inspect(plain)).storage is Storage.PARTITIONED
        await shards.more()
        code, out, err = await run("--to-timescaledb")
        assert code == 0, err
        await shards.more()
    assert "in a TimescaleDB hypertable now" in out
    assert "video_stats_log_2" in err, "it says how far it is"
    after = await everything(plain)
    assert len(after) == len(before) + len(shards.written)
    assert set(before) <= set(after)
    assert sorted((row[0], row[2]) for row in set(after) - set(before)) == sorted(shards.written)
    assert await is_clean(plain)


async def test_what_it_reports_and_what_the_hypertable_is_like(timescale: None, plain: asyncpg.Connection) -> None:
    number = await fill(plain)
    await draining.drain(plain, NOW, 7 * DAY)
    told: list[tuple[str, int, int]] = []
    with settings.override(database_chunk_days=3):
        done = await to_timescaledb(Database(), lambda *what: told.append(what))
    assert done is not None
    assert done.rows == number
    assert 0 < done.locked <= done.seconds + done.locked
    parts = [part for part, _, _ in told]
    assert parts == sorted(parts, reverse=True), "the newest first"
    assert all(done == pages for _, done, pages in told)
    keys = await plain.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'video_stats_log'")
    assert [row["indexname"] for row in keys] == ["video_stats_log_pkey"]
    assert "(video_id, observed_at)" in keys[0]["indexdef"]
    widths = await plain.fetch("SELECT DISTINCT range_end - range_start AS width FROM timescaledb_information.chunks")
    assert [row["width"] for row in widths] == [3 * DAY]
    assert await is_clean(plain)


async def test_a_second_time_there_is_nothing_to_do(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain)
    before = await everything(plain)
    assert await convert() is not None
    assert await convert() is None
    code, out, _ = await run("--to-timescaledb")
    assert code == 0
    assert "in a TimescaleDB hypertable already: nothing to do" in out
    assert await everything(plain) == before


async def test_without_snapshots_it_is_converted_too(timescale: None, plain: asyncpg.Connection) -> None:
    done = await convert()
    assert done is not None
    assert done.rows == 0
    assert await is_clean(plain)


async def test_an_empty_installation_goes_into_a_hypertable_by_the_next_migration(
    timescale: None, plain: asyncpg.Connection, stranger: str
) -> None:
    done = await migrate(Database())
    assert done.storage is Storage.HYPERTABLE
    assert await is_clean(plain)
    assert await plain.fetchval("SELECT has_table_privilege($1, 'video_stats_log', 'INSERT')", stranger)
    assert await plain.fetchval("SELECT count(*) FROM video_velocity") == 0


async def test_snapshots_stay_in_partitions_until_it_is_asked_for(
    timescale: None, plain: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(plain)
    before = await everything(plain)
    with caplog.at_level(logging.WARNING):
        done = await migrate(Database())
    assert done.storage is Storage.PARTITIONED
    assert "run `atlas migrate --to-timescaledb`" in caplog.text
    assert await everything(plain) == before


async def test_what_is_deleted_or_changed_while_it_is_copied_stays_so(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await fill(plain, videos=1_000)
    await draining.drain(plain, NOW, 7 * DAY)
    seen = 0

    async def change(step: int) -> None:
        await other.execute("DELETE FROM video_stats_log WHERE video_id LIKE $1", f"video{step}1%")
        await other.execute("UPDATE video_stats_log SET views = -1 WHERE video_id LIKE $1", f"video{step}2%")

    copy = moving.copy

    async def copy_and_change(*arguments: Any) -> None:
        nonlocal seen
        await change(1)
        await copy(*arguments)
        await change(2)
        seen = await other.fetchval("SELECT count(*) FROM video_stats_log_converting")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "copy", copy_and_change)
        done = await convert()
    after = await everything(plain)
    assert done is not None
    assert seen == done.rows == len(after)
    names = {row[0] for row in after}
    assert names
    assert not [name for name in names if name.startswith(("video11", "video21"))]
    assert {row[2] for row in after if row[0].startswith(("video12", "video22"))} == {-1}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM video_stats_log WHERE video_id = 'video7'", []),
        ("UPDATE video_stats_log SET views = -1 WHERE video_id = 'video7'", [-1] * 28),
        (
            "UPDATE video_stats_log SET views = -1, observed_at = observed_at + '1 s' WHERE video_id = 'video7'",
            [-1] * 28,
        ),
    ],
)
async def test_what_waits_for_the_copy_is_not_undone_by_it(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection, statement: str, expected: list[int]
) -> None:
    await fill(plain)
    waiting: list[asyncio.Task[Any]] = []
    perform = asyncpg.Connection.execute

    async def execute(self: asyncpg.Connection, query: str, *arguments: Any, **options: Any) -> str:
        done: str = await perform(self, query, *arguments, **options)
        if "FOR SHARE" in query and not waiting:
            # the rows are copied, and their transaction is open
            waiting.append(asyncio.create_task(other.execute(statement)))
            await until_it_waits_for(plain, self)
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", execute)
        await convert()
    assert await waiting[0] == f"{statement.split(maxsplit=1)[0]} 28"
    assert [row[2] for row in await everything(plain) if row[0] == "video7"] == expected
    assert len(await everything(plain)) == 99 * 28 + len(expected)


async def test_a_truncated_table_stays_empty(timescale: None, plain: asyncpg.Connection, other: Any) -> None:
    await fill(plain)
    copy = moving.copy

    async def copy_and_truncate(*arguments: Any) -> None:
        await copy(*arguments)
        await other.execute("TRUNCATE video_stats_log")
        await insert(other, NOW)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "copy", copy_and_truncate)
        await convert()
    assert len(await everything(plain)) == 1


async def test_what_the_mirror_could_not_see_is_mended_before_the_swap(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await fill(plain)
    before = await everything(plain)
    copy = moving.copy

    async def copy_badly(*arguments: Any) -> None:
        await copy(*arguments)
        await other.execute("DELETE FROM video_stats_log_converting WHERE video_id LIKE 'video1%'")
        await insert(other, NOW)
        await other.execute(
            "INSERT INTO video_stats_log_converting (video_id, observed_at) VALUES ('nowhere', $1)", NOW
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "copy", copy_badly)
        done = await convert()
    after = await everything(plain)
    assert [row for row in after if row[0] != "v"] == before
    assert done is not None
    assert done.rows == len(after) == len(before) + 1


async def test_the_rights_of_others_stay_and_they_can_write_meanwhile(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection, stranger: str
) -> None:
    await plain.execute(f"GRANT UPDATE (views) ON video_stats_log TO {stranger}")
    await plain.execute(f"GRANT SELECT ON video_velocity TO {stranger}")
    await fill(plain)
    await add_video(plain, "v")
    await other.execute(f"SET ROLE {stranger}")
    copy = moving.copy

    async def copy_and_write(*arguments: Any) -> None:
        await copy(*arguments)
        await insert(other, NOW)  # has no right to the copy, which it is mirrored into

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "copy", copy_and_write)
        await convert()
    assert await other.fetchval("SELECT count(*) FROM video_stats_log WHERE video_id = 'v'") == 1
    await insert(other, NOW + DAY)
    assert await other.fetchval("SELECT count(*) FROM video_velocity WHERE video_id = 'v'") == 1
    assert await other.fetchval("SELECT has_column_privilege('video_stats_log', 'views', 'UPDATE')")
    assert not await other.fetchval("SELECT has_table_privilege('video_stats_log', 'TRUNCATE')")
    await other.execute("RESET ROLE")


async def test_views_read_the_hypertable_afterwards(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain, videos=3)
    await convert()
    for video in ("new", "video1", "video2", "video3"):
        await add_video(plain, video)
    await plain.execute(
        "INSERT INTO video_stats_log (video_id, observed_at, views) VALUES ('new', $1, 1), ('new', $2, 101)",
        NOW, NOW + DAY,
    )  # fmt: skip
    assert await plain.fetchval("SELECT views FROM video_velocity WHERE video_id = 'new'") == 101
    for view in ("video_stats_hourly", "video_stats_daily"):
        assert await plain.fetchval(f"SELECT count(DISTINCT video_id) FROM {view}") == 4


async def test_another_schema_is_converted_in_its_place(
    timescale: None, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    monkeypatch.setenv("DATABASE_SCHEMA", "pleiades")
    settings.reload()
    await migrate(Database(), try_timescaledb=False)
    connection = await Database().connect()
    try:
        await connection.execute("SET search_path TO pleiades, public")
        await fill(connection)
        await draining.drain(connection, NOW, 7 * DAY)
        before = await everything(connection)
        async with Shards() as shards:
            await shards.more()
            assert await convert() is not None
            await shards.more()
        assert await is_clean(connection)
        assert (await inspect(connection)).storage is Storage.HYPERTABLE
        after = await everything(connection)
        assert len(after) == len(before) + len(shards.written)
        found = await connection.fetch(
            "SELECT DISTINCT relnamespace::regnamespace::text AS name FROM pg_class WHERE relname LIKE 'video%'"
        )
        assert [row["name"] for row in found] == ["pleiades"]
        assert await partitions.default(connection) is None
    finally:
        await connection.close()


async def test_an_owner_who_is_no_superuser_can_convert(timescale: None, owned: asyncpg.Connection) -> None:
    await fill(owned)
    await draining.drain(owned, NOW, 7 * DAY)
    before = await everything(owned)
    async with Shards() as shards:
        await shards.more()
        done = await convert()
        await shards.more()
    assert done is not None
    after = await everything(owned)
    assert set(before) <= set(after)
    assert len(after) == len(before) + len(shards.written)
    assert await is_clean(owned)


async def test_what_a_superuser_converts_belongs_to_the_owner_of_the_snapshots(
    timescale: None, plain: asyncpg.Connection, role: str
) -> None:
    await plain.execute(f"ALTER TABLE video_stats_log OWNER TO {role}")
    await plain.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    await fill(plain)
    assert await convert() is not None
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'video_stats_log'::regclass"
    assert await plain.fetchval(owner) == role


async def test_by_way_of_a_pooler(
    timescale: None, plain: asyncpg.Connection, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(plain, videos=500, days=range(40))
    await draining.drain(plain, NOW, 7 * DAY)
    before = await everything(plain)
    with pgbouncer(server, tmp_path) as pooler:
        monkeypatch.setenv("DATABASE_URL", pooler.dsn(os.environ["DATABASE_URL"]))
        settings.reload()
        async with Shards() as shards:
            await shards.more()
            assert await convert() is not None
            await shards.more()
        after = await everything(plain)
        keep_from = NOW - 30 * DAY
        done = await maintain(Database(), NOW, keep_from, batch=500)
    assert set(before) <= set(after)
    assert len(after) == len(before) + len(shards.written)
    assert done.dropped
    assert await everything(plain) == [row for row in after if row[1] >= keep_from]
    assert await is_clean(plain)
