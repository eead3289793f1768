"""`atlas status` says what the snapshots are in, what that means and what is left to do."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from typer.testing import CliRunner

from atlas.cli import app
from atlas.config import settings
from atlas.database import Database
from atlas.inspection import Storage, inspect
from atlas.snapshots import draining
from atlas.snapshots.conversion import to_timescaledb
from atlas.snapshots.partitions import attached, drop
from atlas.snapshots.summary import summarize
from atlas.times import iso

from .logs import DAY, NOW, fill, insert

pytestmark = pytest.mark.integration


async def atlas(*arguments: str) -> str:
    """What the command says, in one line: a table's rows may be wrapped."""
    # the command has an event loop of its own
    done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


async def test_on_plain_postgresql(plain: asyncpg.Connection) -> None:
    said = await atlas("status")
    assert f"snapshots in {len(await attached(plain))} partitions by time, and a default one" in said
    assert "no compression, continuous aggregates or policies: the views are computed when they are read" in said
    assert "`maia janitor` drops old partitions and makes new ones" in said
    assert "views video_stats_daily, video_stats_hourly, video_velocity" in said
    assert "in the default partition" not in said
    assert "kept for snapshots 30 days, metadata 30 days, retired videos 7 days, events 30 days" in said
    assert "derived metrics velocity, growth and scores need YouTube's acceptance of an audited client" in said


async def test_an_audited_client_is_not_told_of_acceptance(
    plain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTUBE_AUDITED", "true")
    monkeypatch.setenv("RETENTION_STATISTICS_DAYS", "400")
    settings.reload()
    said = await atlas("status")
    assert "acceptance" not in said
    assert "kept for snapshots 400 days, metadata 30 days" in said


async def test_what_is_kept_and_what_waits_for_a_partition(plain: asyncpg.Connection) -> None:
    await insert(plain, NOW, NOW - 3 * DAY, NOW - 100 * DAY, NOW - 101 * DAY)
    said = await atlas("status")
    assert f"from {iso(NOW - 101 * DAY)} to {iso(NOW)}" in said
    assert "in the default partition: `atlas migrate` gives them partitions of their own" in said
    summary = await summarize(plain, await inspect(plain))
    assert (summary.oldest, summary.newest) == (NOW - 101 * DAY, NOW)


async def test_the_range_is_found_by_looking_at_a_part_or_two(log: asyncpg.Connection) -> None:
    await fill(log, videos=3, days=range(40))
    if (await inspect(log)).storage is Storage.PARTITIONED:
        await draining.drain(log, NOW, 7 * DAY)
    oldest, newest = await log.fetchrow("SELECT min(observed_at), max(observed_at) FROM video_stats_log")
    summary = await summarize(log, await inspect(log))
    assert (summary.oldest, summary.newest) == (oldest, newest)
    assert summary.in_default == 0
    assert summary.parts >= 6


async def test_without_a_snapshot_there_is_no_range(log: asyncpg.Connection) -> None:
    summary = await summarize(log, await inspect(log))
    assert (summary.oldest, summary.newest, summary.copying) == (None, None, None)


async def test_who_may_read_the_snapshots_alone_gets_an_answer(plain: asyncpg.Connection, role: str) -> None:
    await plain.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    for one in await attached(plain):
        await drop(plain, one.name)
    await plain.execute(f"REVOKE SELECT ON video_stats_log_default FROM {role}")
    await insert(plain, NOW)
    await plain.execute(f"SET ROLE {role}")
    summary = await summarize(plain, await inspect(plain))
    assert summary.in_default is None
    await plain.execute("RESET ROLE")


async def test_a_conversion_that_has_not_ended_is_told_with_how_far_it_is(
    timescale: None, plain: asyncpg.Connection
) -> None:
    await fill(plain, videos=2_000)
    await draining.drain(plain, NOW, 7 * DAY)
    copied: list[int] = []

    def kill(part: str, done: int, pages: int) -> None:
        copied.append(done)
        if len(copied) == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await to_timescaledb(Database(), kill)
    summary = await summarize(plain, await inspect(plain))
    assert 0 < summary.copied < 1
    assert f"{summary.copied:.0%} are copied: `atlas migrate --to-timescaledb` goes on" in await atlas("status")
    assert "is in a TimescaleDB hypertable now: 56,000 snapshots" in await atlas("migrate", "--to-timescaledb")


async def test_where_timescaledb_has_come_the_way_is_told(timescale: None, plain: asyncpg.Connection) -> None:
    assert "could be installed" in await atlas("status")
    await plain.execute("CREATE EXTENSION timescaledb")
    assert "TimescaleDB is there: `atlas migrate --to-timescaledb` moves them into a hypertable" in await atlas(
        "status"
    )


async def test_on_timescaledb_the_edition_and_what_it_means_are_told(hyper: asyncpg.Connection) -> None:
    await insert(hyper, NOW)
    said = await atlas("status")
    assert "snapshots in a TimescaleDB hypertable of 1 chunks" in said
    if (await inspect(hyper)).edition == "timescale":
        assert ", Community edition" in said
        assert "older ones are kept by column, far smaller; by its own policies TimescaleDB keeps the views too" in said
        assert "video_stats_daily (kept), video_stats_hourly (kept), video_velocity" in said
    else:
        assert ", Apache edition" in said
        assert "`maia janitor` drops old chunks" in said
        assert "(kept)" not in said
    assert "video_stats_log is in a TimescaleDB hypertable." in await atlas("migrate")
