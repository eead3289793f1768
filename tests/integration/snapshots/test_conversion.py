"""`atlas migrate --to-timescaledb`: an installation goes into a hypertable in one transaction, or stays as it was."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db import connections
from atlas.db.server_info import Storage, inspect
from atlas.errors import ConfigError, Contended, DatabaseUnavailable
from atlas.schema.migrate import migrate
from atlas.snapshots import conversion, ddl, maintain
from atlas.snapshots.conversion import Estimate, to_timescaledb

from ...support.child_processes import child
from ...support.conversions import convert, ended, is_clean, run
from ...support.databases import closing
from ...support.pgbouncer import pgbouncer
from ...support.snapshot_rows import DAY, NOW, Shards, add_video, everything, fill, insert, partitions, tables

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


async def test_every_row_is_there_and_what_shards_write_at_the_same_time(
    timescale: None, plain: asyncpg.Connection
) -> None:
    await fill(plain, videos=2_000, days=range(35))
    before = await everything(plain)
    async with Shards() as shards:
        await shards.more()
        code, out, err = await run("--to-timescaledb")
        assert code == 0, err
        await shards.more()
    assert "is in a TimescaleDB hypertable now: " in out
    assert "MB of snapshots takes about 0:00:0" in err
    after = await everything(plain)
    assert len(after) == len(before) + len(shards.written)
    assert set(before) <= set(after)
    assert sorted((row[0], row[2]) for row in set(after) - set(before)) == sorted(shards.written)
    assert await is_clean(plain)


async def test_what_it_reports_and_what_the_hypertable_is_like(
    timescale: None, plain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_PAGES", 16)
    number = await fill(plain)
    estimates: list[Estimate] = []
    reports: list[tuple[str, int, int]] = []
    with settings.override(database_chunk_days=3):
        done = await to_timescaledb(Database(), estimates.append, lambda *what: reports.append(what))
    assert done is not None
    assert done.rows == number
    assert [one.size > 0 and one.seconds > 0 for one in estimates] == [True]
    assert len(reports) > 1
    assert [pages for _, pages, _ in reports] == sorted(pages for _, pages, _ in reports)
    assert reports[-1][1] == reports[-1][2] == estimates[0].size // 8192
    keys = await plain.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'video_stats_log'")
    assert [row["indexname"] for row in keys] == ["video_stats_log_pkey"]
    assert "(video_id, observed_at)" in keys[0]["indexdef"]
    widths = await plain.fetch("SELECT DISTINCT range_end - range_start AS width FROM timescaledb_information.chunks")
    assert [row["width"] for row in widths] == [3 * DAY]
    assert await is_clean(plain)


async def test_a_second_time_there_is_nothing_to_do(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain)
    before = await everything(plain)
    assert sorted(done is not None for done in await asyncio.gather(convert(), convert())) == [False, True]
    code, out, _ = await run("--to-timescaledb")
    assert code == 0
    assert "in a TimescaleDB hypertable already: nothing to do" in out
    assert await everything(plain) == before


async def test_without_a_partition_it_is_converted_too(timescale: None, plain: asyncpg.Connection) -> None:
    for name in await partitions(plain):
        await plain.execute(f"DROP TABLE {name}")
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


async def test_the_rights_of_others_stay(timescale: None, plain: asyncpg.Connection, stranger: str) -> None:
    await plain.execute(f"GRANT UPDATE (views) ON video_stats_log TO {stranger}")
    await plain.execute(f"GRANT SELECT ON video_velocity TO {stranger}")
    await add_video(plain, "v")
    await insert(plain, NOW)
    await convert()
    await plain.execute(f"SET ROLE {stranger}")
    await insert(plain, NOW + DAY)
    assert await plain.fetchval("SELECT count(*) FROM video_velocity WHERE video_id = 'v'") == 1
    assert await plain.fetchval("SELECT has_column_privilege('video_stats_log', 'views', 'UPDATE')")
    assert not await plain.fetchval("SELECT has_table_privilege('video_stats_log', 'TRUNCATE')")
    await plain.execute("RESET ROLE")


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
    async with closing(Database().connect()) as connection:
        await connection.execute("SET search_path TO pleiades, public")
        await fill(connection)
        before = await everything(connection)
        assert await convert() is not None
        assert await is_clean(connection)
        assert await everything(connection) == before
        found = await connection.fetch(
            "SELECT DISTINCT relnamespace::regnamespace::text AS name FROM pg_class WHERE relname LIKE 'video%'"
        )
        assert [row["name"] for row in found] == ["pleiades"]


async def test_an_owner_who_is_no_superuser_can_convert(timescale: None, owned: asyncpg.Connection) -> None:
    await fill(owned)
    before = await everything(owned)
    assert await convert() is not None
    assert await everything(owned) == before
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


async def test_through_a_pooler(
    timescale: None, plain: asyncpg.Connection, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(plain, videos=500, days=range(40))
    before = await everything(plain)
    with pgbouncer(server, tmp_path) as pooler:
        monkeypatch.setenv("DATABASE_URL", pooler.dsn(os.environ["DATABASE_URL"]))
        settings.reload()
        assert await convert() is not None
        done = await maintain(Database(), NOW, NOW - 30 * DAY, batch=500)
    assert done.dropped
    assert await everything(plain) == [row for row in before if row[1] >= NOW - 30 * DAY]
    assert await is_clean(plain)


SLOW = """
import time
from atlas.snapshots import conversion
conversion._PAGES = 1
copied = conversion._copy
async def copy(connection, progress):
    def slowly(what, done, total):
        if done == 1:
            print("copying", flush=True)
        time.sleep(0.05)
    return await copied(connection, slowly)
conversion._copy = copy
from atlas.cli import main
main()
"""


@pytest.fixture
async def converting(timescale: None, plain: asyncpg.Connection) -> AsyncIterator[asyncio.subprocess.Process]:
    """A conversion of 28,000 snapshots that takes many seconds, in a process of its own, after its first rows."""
    await fill(plain, videos=1_000)
    command = (sys.executable, "-c", SLOW, "migrate", "--to-timescaledb")
    async with child(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            while b"copying" not in (line := await process.stdout.readline()):
                assert line, await process.communicate()
        yield process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
async def test_a_signal_leaves_the_installation_as_it_was(
    converting: asyncio.subprocess.Process, plain: asyncpg.Connection, number: signal.Signals, code: int
) -> None:
    converting.send_signal(number)
    ended_with, _, err = await ended(converting)
    assert ended_with == code, err
    if number is not signal.SIGKILL:
        assert "interrupted; the snapshots are where they were" in err
    assert len(await everything(plain)) == 28_000  # waits for the server to roll back
    assert (await inspect(plain)).storage is Storage.PARTITIONED
    assert await tables(plain) == {*await partitions(plain), "video_stats_log"}


async def test_a_process_that_starts_meanwhile_waits_and_ends_with_69(
    converting: asyncio.subprocess.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = functools.partial(connections._Maker, command_timeout=1.0)
    monkeypatch.setattr(connections, "_Maker", soon)
    with pytest.raises(DatabaseUnavailable) as caught:
        await Database().open()
    assert caught.value.exit_code == 69


async def test_without_timescaledb_it_says_so(plain: asyncpg.Connection) -> None:
    found = await inspect(plain)
    if found.available and found.preloaded:
        pytest.skip("needs a server without TimescaleDB")
    await fill(plain)
    before = await everything(plain)
    code, _, err = await run("--to-timescaledb")
    assert code == 78
    assert "atlas: DATABASE_URL: snapshots cannot go into a hypertable: the server does not have TimescaleDB." in err
    assert await everything(plain) == before


async def test_what_depends_on_the_table_is_named_before_anything_is_copied(
    timescale: None, plain: asyncpg.Connection
) -> None:
    await fill(plain)
    await plain.execute("CREATE VIEW mine AS SELECT video_id FROM video_stats_log")
    await plain.execute("CREATE MATERIALIZED VIEW slow AS SELECT count(*) FROM video_stats_log")
    await plain.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    await plain.execute("CREATE TRIGGER theirs AFTER INSERT ON video_stats_log EXECUTE FUNCTION f()")
    found = "video_stats_log is used by materialized view slow, trigger theirs, view mine, which would be lost"
    with pytest.raises(ConfigError, match=found):
        await convert()
    await plain.execute("DROP VIEW mine; DROP MATERIALIZED VIEW slow; DROP TRIGGER theirs ON video_stats_log")
    assert await convert() is not None


async def test_a_user_who_does_not_own_the_table_is_refused(
    timescale: None, plain: asyncpg.Connection, stranger: str
) -> None:
    await plain.execute("CREATE EXTENSION timescaledb")
    await plain.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger}")
    await plain.execute(f"GRANT CREATE ON SCHEMA public TO {stranger}")
    await fill(plain)

    class Stranger(Database):
        async def connect(self) -> asyncpg.Connection:
            connection = await super().connect()
            await connection.execute(f"SET ROLE {stranger}")
            return connection

    with pytest.raises(ConfigError, match=r"may not convert video_stats_log .* Run it as the owner"):
        await to_timescaledb(Stranger(), lambda _: None, lambda *_: None)
    assert (await inspect(plain)).storage is Storage.PARTITIONED


async def test_a_table_that_stays_in_use_is_left_as_it_is(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ddl, "TABLE_WAIT", "20ms")
    monkeypatch.setattr(conversion, "_ATTEMPTS", 2)
    await fill(plain)
    before = await everything(plain)
    async with other.transaction():
        await other.execute("SELECT FROM video_stats_log LIMIT 1")  # a long export
        with pytest.raises(Contended, match="stays in use"):
            await convert()
    assert (await inspect(plain)).storage is Storage.PARTITIONED
    assert await everything(plain) == before
