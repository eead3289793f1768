"""Rows of the default partition get partitions of their own, while shards write, and whenever it is killed."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from atlas.database import Database
from atlas.db.server_info import Storage
from atlas.errors import Contended
from atlas.schema.migrate import migrate
from atlas.snapshots import draining, ensure, moving, partitions, steps
from atlas.snapshots.moving import Purpose

from ...support import snapshot_rows
from ...support.snapshot_rows import DAY, NOW, Shards, everything, fill, insert

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

WEEK = timedelta(days=7)


async def test_rows_of_the_default_partition_get_partitions_of_their_own(plain: asyncpg.Connection) -> None:
    number = await fill(plain, now=NOW - 40 * DAY)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == number
    before = await everything(plain)
    made, moved = await draining.drain(plain, NOW, WEEK)
    assert moved == number
    found = await snapshot_rows.partitions(plain)
    assert found["video_stats_log_default"] == 0
    assert set(made) <= set(found)
    assert sum(found[name] for name in made) == number
    assert await everything(plain) == before
    assert await snapshot_rows.tables(plain) == {*found, "video_stats_log"}, "nothing is left behind"
    assert await draining.drain(plain, NOW, WEEK) == ([], 0)


async def test_a_partition_keeps_its_name_from_a_table_that_has_it(plain: asyncpg.Connection) -> None:
    await insert(plain, datetime(2026, 1, 7, tzinfo=UTC))
    await plain.execute("CREATE TABLE video_stats_log_20260105 (kept text)")
    made, moved = await draining.drain(plain, NOW, WEEK)
    assert (made, moved) == (["video_stats_log_20260105_2"], 1)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_20260105_2"] == 1


async def test_at_most_a_hundred_partitions_are_made_at_once_those_of_the_newest_rows(
    plain: asyncpg.Connection,
) -> None:
    await insert(plain, *(datetime(2020, 1, 1, tzinfo=UTC) + n * DAY for n in range(140)))
    made, _ = await draining.drain(plain, NOW, DAY)
    assert len(made) == 100
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 40
    made, _ = await draining.drain(plain, NOW, DAY)
    assert len(made) == 40
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0


async def test_draining_while_shards_write_loses_nothing(plain: asyncpg.Connection) -> None:
    # no partition is there for what they write: all of it lands in the default one while it is replaced
    for one in await partitions.attached(plain):
        await partitions.drop(plain, one.name)
    await fill(plain, videos=500, now=NOW - DAY)
    before = await everything(plain)
    async with Shards() as shards:
        await shards.more()
        made, _ = await draining.drain(plain, NOW, WEEK)
        await shards.more()
    after = await everything(plain)
    assert made
    assert set(before) <= set(after)
    assert sorted((row[0], row[2]) for row in set(after) - set(before)) == sorted(shards.written)
    assert len(after) == len(before) + len(shards.written)
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0


async def test_what_is_deleted_or_changed_while_it_is_drained_stays_so(plain: asyncpg.Connection) -> None:
    await fill(plain, videos=1_000, days=range(3), now=NOW - 40 * DAY)
    writer = await Database().connect()
    try:
        done: list[int] = []

        def meanwhile(part: str, copied: int, pages: int) -> None:
            done.append(copied)

        copy = moving.copy

        async def copy_and_write(*arguments: Any) -> None:
            await writer.execute("DELETE FROM video_stats_log WHERE video_id < 'video2'")
            await copy(*arguments)
            await writer.execute("DELETE FROM video_stats_log WHERE video_id LIKE 'video5%'")
            await writer.execute("UPDATE video_stats_log SET views = -1 WHERE video_id LIKE 'video6%'")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(moving, "copy", copy_and_write)
            _, moved = await draining.drain(plain, NOW, WEEK, meanwhile)
    finally:
        await writer.close()
    left = await everything(plain)
    assert moved == len(left)
    assert done[-1] > 0
    names = {row[0] for row in left}
    assert not [name for name in names if name < "video2" or name.startswith("video5")]
    assert {row[2] for row in left if row[0].startswith("video6")} == {-1}


async def test_a_drain_that_was_given_up_is_gone_on_with(plain: asyncpg.Connection) -> None:
    number = await fill(plain, videos=1_000, now=NOW - 40 * DAY)
    before = await everything(plain)

    class Killed(Exception):
        pass

    def kill(part: str, done: int, pages: int) -> None:
        assert done < pages
        raise Killed

    with pytest.raises(Killed):
        await draining.drain(plain, NOW, WEEK, kill)
    assert (await moving.under_way(plain)).purpose is Purpose.DRAIN
    await insert(plain, NOW - 45 * DAY, video="meanwhile")
    assert await partitions.attached(plain), "and meanwhile all is where it was"
    done = await migrate(Database(), try_timescaledb=False)
    assert done.storage is Storage.PARTITIONED
    assert [row for row in await everything(plain) if row[0] != "meanwhile"] == before
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0
    assert len(await everything(plain)) == number + 1
    assert await moving.under_way(plain) is None


async def test_several_at_once_do_the_work_once(plain: asyncpg.Connection) -> None:
    await fill(plain, videos=1_000, now=NOW - 40 * DAY)
    before = await everything(plain)
    others = [await Database().connect() for _ in range(3)]
    try:
        done = await asyncio.gather(*(draining.drain(each, NOW, WEEK) for each in others))
    finally:
        for each in others:
            await each.close()
    assert sorted(moved for _, moved in done) == [0, 0, len(before)]
    assert await everything(plain) == before
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0


async def test_a_table_that_stays_in_use_is_left_as_it_is(
    plain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(steps, "LOCK_WAIT", "20ms")
    await fill(plain, now=NOW - 40 * DAY)
    before = await everything(plain)
    holder = await Database().connect()
    try:
        async with holder.transaction():
            await holder.execute("INSERT INTO video_stats_log (video_id, observed_at) VALUES ('held', $1)", NOW)
            with pytest.raises(Contended, match="stays in use"):
                await steps.shortly(plain, lambda: plain.execute("LOCK TABLE video_stats_log"), tries=2)
            monkeypatch.setattr(
                moving, "shortly", lambda connection, work, tries: steps.shortly(connection, work, tries=1)
            )
            with caplog.at_level(logging.WARNING):
                assert await ensure(plain, try_timescaledb=False) is Storage.PARTITIONED
            assert "no partition is made ahead this time: video_stats_log stays in use" in caplog.text
    finally:
        await holder.close()
    assert [row for row in await everything(plain) if row[0] != "held"] == before
    assert await snapshot_rows.tables(plain) == {*await snapshot_rows.partitions(plain), "video_stats_log"}


async def test_an_owner_who_is_no_superuser_does_all_of_it(owned: asyncpg.Connection) -> None:
    await fill(owned, now=NOW - 40 * DAY)
    before = await everything(owned)
    async with Shards() as shards:
        await shards.more()
        made, moved = await draining.drain(owned, NOW, WEEK)
        await shards.more()
    assert moved >= len(before)
    assert set(made) <= set(await snapshot_rows.partitions(owned))
    after = await everything(owned)
    assert set(before) <= set(after)
    assert len(after) == len(before) + len(shards.written)


async def test_what_a_superuser_makes_belongs_to_the_owner_of_the_snapshots(
    plain: asyncpg.Connection, role: str
) -> None:
    await plain.execute(f"ALTER TABLE video_stats_log OWNER TO {role}")
    await plain.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    await insert(plain, NOW - 60 * DAY)
    made, moved = await draining.drain(plain, NOW + 30 * DAY, WEEK)
    assert moved == 1
    assert len(made) > 2
    rows = await plain.fetch(
        "SELECT relname, pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = ANY ($1)",
        [*made, partitions.DEFAULT],
    )
    assert {row["relname"]: row["owner"] for row in rows} == dict.fromkeys([*made, partitions.DEFAULT], role)


async def test_a_partition_that_somebody_makes_meanwhile_ends_it_and_the_next_one_goes_around_it(
    plain: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(plain, now=NOW - 40 * DAY)
    before = await everything(plain)
    far = NOW + 3650 * DAY
    await insert(plain, far)

    def meanwhile(part: str, done: int, pages: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await draining.drain(plain, NOW, WEEK, meanwhile)
    await plain.execute("DELETE FROM video_stats_log WHERE observed_at = $1", far)
    await plain.execute(
        f"CREATE TABLE mine PARTITION OF video_stats_log FOR VALUES FROM ('{far:%Y-%m-%d}') TO ('{far + DAY:%Y-%m-%d}')"
    )
    with caplog.at_level(logging.WARNING):
        assert await draining.drain(plain, NOW, WEEK) == ([], 0)
    assert "stay there until the next run" in caplog.text
    assert await moving.under_way(plain) is None
    assert await everything(plain) == before
    _, moved = await draining.drain(plain, NOW, WEEK)
    assert moved == len(before)
    assert await everything(plain) == before
    assert (await snapshot_rows.partitions(plain))["video_stats_log_default"] == 0
