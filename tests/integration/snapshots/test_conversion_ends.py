"""`atlas migrate --to-timescaledb`: what stands in its way is named, and what was interrupted goes on or is undone."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.errors import ConfigError, Contended
from atlas.schema.migrate import migrate
from atlas.snapshots import conversion, draining, maintain, moving, steps
from atlas.snapshots.conversion import to_timescaledb
from atlas.snapshots.moving import Purpose

from ...support import snapshot_rows
from ...support.conversions import convert, is_clean, run
from ...support.snapshot_rows import DAY, NOW, Shards, add_video, everything, fill, insert

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


# ── what stands in its way ──────────────────────────────────────────────────────────────────────────────────────────


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
    assert "video_stats_log_converting" not in await snapshot_rows.tables(plain)


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
    assert "video_stats_log_replaced" in await snapshot_rows.tables(plain)
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
    code, _, err = await run()
    assert code == 0
    assert "a conversion has not ended" in err
    assert (await moving.under_way(plain)).purpose is Purpose.CONVERT
    code, out, _ = await run("--undo-conversion")
    assert (code, "The copy is dropped." in out) == (0, True)
    assert await everything(plain) == before
    assert await snapshot_rows.tables(plain) == {*await snapshot_rows.partitions(plain), "video_stats_log"}
    code, out, _ = await run("--undo-conversion")
    assert (code, "No conversion is under way." in out) == (0, True)
    assert await convert() is not None
    assert await everything(plain) == before


async def test_it_cannot_be_asked_for_and_undone_at_once(plain: asyncpg.Connection) -> None:
    code, _, err = await run("--undo-conversion", "--to-timescaledb")
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


async def test_an_installation_whose_partitions_somebody_has_dropped_is_converted(
    timescale: None, plain: asyncpg.Connection
) -> None:
    for name in await snapshot_rows.partitions(plain):
        await plain.execute(f"DROP TABLE {name}")
    assert await convert() is not None
    assert await is_clean(plain)


async def test_what_was_compared_for_one_copying_swaps_no_other(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain)
    before = await everything(plain)
    verify = moving.verify

    async def verify_and_begin_anew(*arguments: Any) -> int:
        rows = await verify(*arguments)
        with pytest.MonkeyPatch.context() as unpatched:
            unpatched.setattr(moving, "verify", verify)
            assert await conversion.give_up(Database())
            await killed_in_mid_copy()  # the copy is another one now, and not whole
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "verify", verify_and_begin_anew)
        assert await convert() is None
    assert (await inspect(plain)).storage is Storage.PARTITIONED
    assert await everything(plain) == before
    done = await convert()
    assert done is not None
    assert done.rows == len(before)
    assert await everything(plain) == before


async def test_a_janitor_may_come_while_it_is_at_work(timescale: None, plain: asyncpg.Connection) -> None:
    await fill(plain, videos=300, days=range(60))
    rows = await everything(plain)
    keep_from = NOW - 30 * DAY
    async with Shards() as shards:
        await shards.more(50)
        await asyncio.gather(convert(), maintain(Database(), NOW, keep_from, batch=300))
        await shards.more(50)
    await maintain(Database(), NOW, keep_from, batch=300)
    after = await everything(plain)
    assert [row for row in after if row[0].startswith("video")] == [row for row in rows if row[1] >= keep_from]
    assert sorted((row[0], row[2]) for row in after if row[0].startswith("tracked")) == sorted(shards.written)
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
