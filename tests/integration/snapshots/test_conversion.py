"""`atlas migrate --to-timescaledb`: a plain installation goes into a hypertable while its shards write, and no row is
lost, whenever it is killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.errors import ConfigError, Contended
from atlas.inspection import Storage, inspect
from atlas.schema import migrate
from atlas.snapshots import conversion, draining, maintain, moving, partitions, steps
from atlas.snapshots.conversion import to_timescaledb
from atlas.snapshots.moving import Purpose

from ...pooler import pgbouncer
from . import logs
from .logs import DAY, NOW, Shards, add_video, everything, fill, insert

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-c", "from atlas.cli import main; main()", "migrate"]


async def run(*arguments: str) -> asyncio.subprocess.Process:
    """`atlas migrate` with these arguments, in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ)
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out.decode(), err.decode()


async def until_it_waits_for(
    connection: asyncpg.Connection, holder: asyncpg.Connection, waiting: asyncio.subprocess.Process | None = None
) -> None:
    """Returns when somebody waits for what another connection holds; the process that is to must not have ended."""
    async with asyncio.timeout(180):
        while not await connection.fetchval(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND $1 = ANY (pg_blocking_pids(pid))",
            holder.get_server_pid(),
        ):
            assert waiting is None or waiting.returncode is None, await ended(waiting)
            await asyncio.sleep(0.01)


async def convert() -> conversion.Conversion | None:
    return await to_timescaledb(Database(), lambda *_: None)


async def is_clean(connection: asyncpg.Connection) -> bool:
    """Whether nothing is left but the hypertable."""
    found = await inspect(connection)
    return found.storage is Storage.HYPERTABLE and await logs.tables(connection) == {"video_stats_log"}


@pytest.fixture
async def other(plain: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A second connection to the same database."""
    connection = await Database().connect()
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def stranger(plain: asyncpg.Connection, role: str) -> str:
    """The name of a role that may use snapshots, and owns nothing."""
    await plain.execute(f"GRANT SELECT, INSERT, DELETE ON video_stats_log TO {role}")
    return role


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
        process = await run("--to-timescaledb")
        await until_it_waits_for(plain, other, process)
        await shards.more()
        os.kill(process.pid, signal.SIGKILL)
        assert (await ended(process))[0] == -signal.SIGKILL
        await holder.rollback()
        parts = await plain.fetch("SELECT pages, remaining FROM video_stats_log_moving")
        assert 0 < sum(part["remaining"] for part in parts) < sum(part["pages"] for part in parts)
        assert (await inspect(plain)).storage is Storage.PARTITIONED
        await shards.more()
        code, out, err = await ended(await run("--to-timescaledb"))
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
    code, out, _ = await ended(await run("--to-timescaledb"))
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

    async def copy_and_change(connection: asyncpg.Connection, target: str, progress: Any) -> None:
        nonlocal seen
        await change(1)
        await copy(connection, target, progress)
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


async def test_a_delete_that_waits_for_the_copy_is_not_undone_by_it(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await fill(plain)
    doomed = await other.fetchval("SELECT count(*) FROM video_stats_log WHERE video_id = 'video7'")
    waiting: list[asyncio.Task[Any]] = []
    perform = asyncpg.Connection.execute

    async def execute(self: asyncpg.Connection, statement: str, *arguments: Any, **options: Any) -> str:
        done: str = await perform(self, statement, *arguments, **options)
        if "FOR KEY SHARE" in statement and not waiting:
            # the rows are copied, and their transaction is open
            waiting.append(asyncio.create_task(other.execute("DELETE FROM video_stats_log WHERE video_id = 'video7'")))
            await until_it_waits_for(plain, self)
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", execute)
        await convert()
    assert await waiting[0] == f"DELETE {doomed}"
    assert doomed == 28
    assert "video7" not in {row[0] for row in await everything(plain)}


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


# ── what stands in its way ──────────────────────────────────────────────────────────────────────────────────────────


async def test_without_timescaledb_it_says_so(plain: asyncpg.Connection) -> None:
    found = await inspect(plain)
    if found.available and found.preloaded:
        pytest.skip("needs a server without TimescaleDB")
    await fill(plain)
    before = await everything(plain)
    code, _, err = await ended(await run("--to-timescaledb"))
    assert code == 78
    assert "atlas: DATABASE_URL: snapshots cannot go into a hypertable: the server does not have TimescaleDB." in err
    assert await everything(plain) == before


async def test_what_hangs_on_the_table_is_named_before_anything_is_copied(
    timescale: None, plain: asyncpg.Connection
) -> None:
    await fill(plain)
    await plain.execute("CREATE VIEW mine AS SELECT video_id FROM video_stats_log")
    await plain.execute("CREATE MATERIALIZED VIEW slow AS SELECT count(*) FROM video_stats_log")
    await plain.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    await plain.execute("CREATE TRIGGER theirs AFTER INSERT ON video_stats_log EXECUTE FUNCTION f()")
    told = "video_stats_log is used by materialized view slow, trigger theirs, view mine, which would stay"
    with pytest.raises(ConfigError, match=told):
        await convert()
    assert await moving.under_way(plain) is None
    await plain.execute("DROP VIEW mine; DROP MATERIALIZED VIEW slow; DROP TRIGGER theirs ON video_stats_log")
    assert await convert() is not None


async def test_what_comes_to_hang_on_it_meanwhile_stops_the_swap(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await fill(plain)
    copy = moving.copy

    async def copy_and_hang(*arguments: Any) -> None:
        await copy(*arguments)
        await other.execute("CREATE VIEW mine AS SELECT video_id FROM video_stats_log")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ConfigError, match="used by view mine"):
        patch.setattr(moving, "copy", copy_and_hang)
        await convert()
    assert (await inspect(plain)).storage is Storage.PARTITIONED
    await plain.execute("DROP VIEW mine")
    assert await convert() is not None


async def test_who_does_not_own_the_table_is_told_so(timescale: None, plain: asyncpg.Connection, stranger: str) -> None:
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
        await to_timescaledb(Stranger(), lambda *_: None)
    assert await moving.under_way(plain) is None
    assert "video_stats_log_converting" not in await logs.tables(plain)


async def test_a_table_that_stays_in_use_is_swapped_the_next_time(
    timescale: None, plain: asyncpg.Connection, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LOCK_WAIT", "20ms")
    await fill(plain)
    before = await everything(plain)

    def once(connection: Any, work: Any, *, tries: int = 1) -> Any:
        return steps.shortly(connection, work, tries=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "shortly", once)
        async with other.transaction():
            await other.execute("SELECT FROM video_stats_log LIMIT 1")  # a long export
            with pytest.raises(Contended, match="stays in use"):
                await convert()
            assert (await inspect(plain)).storage is Storage.PARTITIONED
    told: list[str] = []
    done = await to_timescaledb(Database(), lambda part, *_: told.append(part))
    assert done is not None
    assert told == [], "it was all copied"
    assert await everything(plain) == before


# ── interrupted, undone, doubled ────────────────────────────────────────────────────────────────────────────────────


class Killed(Exception):
    pass


async def killed_in_mid_copy() -> None:
    def kill(part: str, done: int, pages: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        await to_timescaledb(Database(), kill)


async def test_one_that_was_killed_after_the_swap_is_finished_by_the_next_migration(
    timescale: None, plain: asyncpg.Connection
) -> None:
    await fill(plain)
    before = await everything(plain)

    async def kill(connection: asyncpg.Connection) -> None:
        if (await inspect(connection)).storage is Storage.HYPERTABLE:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(conversion, "finish", kill)
        await convert()
    assert "video_stats_log_replaced" in await logs.tables(plain)
    await add_video(plain, "v")
    await insert(plain, NOW + DAY)
    done = await migrate(Database())
    assert done.storage is Storage.HYPERTABLE
    assert await is_clean(plain)
    assert [row for row in await everything(plain) if row[0] != "v"] == before
    assert await plain.fetchval("SELECT views FROM video_velocity WHERE video_id = 'v'") == 1


async def test_one_that_was_killed_is_told_by_migrate_and_status_and_can_be_undone(
    timescale: None, plain: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(plain)
    await killed_in_mid_copy()
    await insert(plain, NOW)
    before = await everything(plain)
    code, _, err = await ended(await run())
    assert code == 0
    assert "a conversion has not ended" in err
    assert await moving.under_way(plain) is Purpose.CONVERT
    code, out, _ = await ended(await run("--undo-conversion"))
    assert (code, "The copy is dropped." in out) == (0, True)
    assert await everything(plain) == before
    assert await logs.tables(plain) == {*await logs.partitions(plain), "video_stats_log"}
    code, out, _ = await ended(await run("--undo-conversion"))
    assert (code, "No conversion is under way." in out) == (0, True)
    assert await convert() is not None
    assert await everything(plain) == before


async def test_it_cannot_be_asked_for_and_undone_at_once(plain: asyncpg.Connection) -> None:
    code, _, err = await ended(await run("--undo-conversion", "--to-timescaledb"))
    assert code == 2
    assert "opposites" in err


async def test_a_drain_that_was_killed_gives_way(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain, now=NOW - 60 * DAY)
    before = await everything(plain)

    def kill(*_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        await draining.drain(plain, NOW, 7 * DAY, kill)
    assert await convert() is not None
    assert await everything(plain) == before
    assert await is_clean(plain)


async def test_two_at_once_do_it_once(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain, videos=1_000)
    before = await everything(plain)
    done = await asyncio.gather(convert(), convert())
    assert sorted(one is not None for one in done) == [False, True]
    assert await everything(plain) == before
    assert await is_clean(plain)


async def test_what_gets_too_old_meanwhile_is_deleted_in_both(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain, days=range(60))
    await draining.drain(plain, NOW, 7 * DAY)
    await killed_in_mid_copy()
    keep_from = NOW - 30 * DAY
    done = await maintain(Database(), NOW, keep_from, batch=500)
    assert done.dropped == (), "a dropped partition's rows would come back with the copy"
    assert done.made == ()
    assert done.deleted > 0
    kept = await everything(plain)
    assert min(row[1] for row in kept) >= keep_from
    assert await convert() is not None
    assert await everything(plain) == kept


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
