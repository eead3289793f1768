"""`atlas status` describes how the snapshots are stored and what is left to do."""

from __future__ import annotations

import json
import re
from typing import Any

import asyncpg
import pytest

from atlas.database import Database
from atlas.db.server_info import Storage, inspect
from atlas.snapshots.partitions import attached, create_missing, drop
from atlas.snapshots.summary import summarize
from atlas.times import iso

from ...support.clock_settings import running_from
from ...support.commands import invoke
from ...support.databases import closing
from ...support.documents import document, needs_documents, sections
from ...support.snapshot_rows import DAY, NOW, fill, insert

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


async def atlas(*arguments: str) -> str:
    """What the command says, in one line: a table's rows may be wrapped."""
    done = await invoke(*arguments)
    assert done.code == 0, done.out + done.stderr
    return " ".join((done.out + done.stderr).split())


async def status() -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(await atlas("status", "--json"))
    return shown


async def test_on_plain_postgresql(plain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    said = await atlas("status")
    for part in (
        f"snapshots in {len(await attached(plain))} partitions by time, and a default one",
        "no compression, continuous aggregates or policies: the views are computed when they are read",
        "`maia janitor` drops old partitions and makes new ones",
        "views video_stats_daily, video_stats_hourly, video_velocity",
        "kept for snapshots 30 days, metadata 30 days, retired videos 7 days, events 30 days",
        "derived metrics velocity, growth and scores need YouTube's acceptance of an audited client",
    ):
        assert part in said
    assert "in the default partition" not in said
    monkeypatch.setenv("YOUTUBE_AUDITED", "true")
    monkeypatch.setenv("RETENTION_STATISTICS_DAYS", "400")
    said = await atlas("status")
    assert "acceptance" not in said
    assert "kept for snapshots 400 days, metadata 30 days" in said


async def test_the_json_object_has_what_the_tables_show(plain: asyncpg.Connection) -> None:
    shown = await status()
    assert shown["schema"]["version"] == shown["schema"]["expected"]
    assert shown["snapshots"]["storage"] == "partitioned"
    assert shown["retention_days"] == {"statistics": 30, "metadata": 30, "retired": 7, "events": 30}
    assert shown["tables"]["videos"] == {"number": 0, "exact": True, "estimate": None}
    assert set(shown["tracked"]) == set(shown["due"]) == {"1", "2", "3"}
    assert set(shown["calls_today"]) == {"search", "units", "batchGetStats"}
    assert shown["warnings"] == []


async def test_what_is_kept_and_what_waits_for_a_partition(plain: asyncpg.Connection) -> None:
    await insert(plain, NOW, NOW - 3 * DAY, NOW - 100 * DAY, NOW - 101 * DAY)
    said = await atlas("status")
    assert f"from {iso(NOW - 101 * DAY)} to {iso(NOW)}" in said
    assert "in the default partition: `atlas migrate` gives them partitions of their own" in said
    summary = await summarize(plain, await inspect(plain))
    assert (summary.oldest, summary.newest) == (NOW - 101 * DAY, NOW)


async def test_the_range_is_found_by_looking_at_a_part_or_two(log: asyncpg.Connection) -> None:
    summary = await summarize(log, await inspect(log))
    assert (summary.oldest, summary.newest) == (None, None)
    await fill(log, videos=3, days=range(40))
    if (await inspect(log)).storage is Storage.PARTITIONED:
        await create_missing(log, NOW, 7 * DAY)
    oldest, newest = await log.fetchrow("SELECT min(observed_at), max(observed_at) FROM video_stats_log")
    summary = await summarize(log, await inspect(log))
    assert (summary.oldest, summary.newest) == (oldest, newest)
    assert summary.in_default == 0
    assert summary.parts >= 6


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


async def test_where_timescaledb_has_come_the_command_is_named(timescale: None, plain: asyncpg.Connection) -> None:
    assert "could be installed" in await atlas("status")
    await plain.execute("CREATE EXTENSION timescaledb")
    assert "TimescaleDB is there: `atlas migrate --to-timescaledb` moves them into a hypertable" in await atlas(
        "status"
    )


async def test_on_timescaledb_the_edition_is_shown_with_what_it_means(hyper: asyncpg.Connection) -> None:
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


async def test_the_oldest_snapshot_is_named_with_its_owner(
    plain: asyncpg.Connection, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = other.get_server_pid()
    async with other.transaction():
        await other.execute("SELECT count(*) FROM videos")
        assert f"by process {pid}," not in await atlas("status"), "it does not hold its snapshot any more"
    await other.execute("SET application_name = 'a [red]report'")
    async with (
        closing(Database().connect()) as writer,
        other.transaction(isolation="repeatable_read", readonly=True),
    ):
        await other.fetch("SELECT count(*) FROM videos")
        async with writer.transaction():  # holds one, too, and began later
            await writer.execute("INSERT INTO channels (id, first_seen_at, updated_at) VALUES ('c', now(), now())")
            said = await atlas("status")
            assert f"by process {pid}, user postgres, application a [red]report, client " in said
            assert "idle in transaction" in said
            assert "warning" not in said
            monkeypatch.setattr("atlas.adapters.oldest_snapshot._LONG_SECONDS", 0.0)
            said = await atlas("status")
            assert re.search(rf"warning: the oldest snapshot is held for \d+ s by process {pid},", said), said
            assert f"claims slow down. To end it: SELECT pg_terminate_backend({pid})" in said
            shown = await status()
    holder = shown["oldest_snapshot"]
    assert (holder["kind"], holder["name"], holder["state"]) == ("session", str(pid), "idle in transaction")
    assert (holder["user"], holder["application"]) == ("postgres", "a [red]report")
    assert holder["seconds"] >= 0
    assert (len(shown["warnings"]), shown["hidden_sessions"]) == (1, 0)


async def test_sessions_that_a_user_may_not_look_at_are_counted_with_the_grant(
    owned: asyncpg.Connection, empty_dsn: str, role: str
) -> None:
    async with closing(asyncpg.connect(empty_dsn)) as stranger:
        for hidden in (True, False):
            async with stranger.transaction(isolation="repeatable_read"):
                await stranger.fetch("SELECT 1")
                said = await atlas("status")
                assert (f"hidden from {role}: GRANT pg_read_all_stats TO {role}" in said) == hidden, said
                named = rf"oldest snapshot held for \d+ s by process {stranger.get_server_pid()},"
                assert (re.search(named, said) is None) == hidden, said
                if hidden:
                    await stranger.execute(f"GRANT pg_read_all_stats TO {role}")


@needs_documents
async def test_what_a_clock_that_was_ahead_has_written_is_shown(
    plain: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = await plain.fetchval("SELECT now()")
    # the statement that deletes uses the time of the database
    monkeypatch.setenv("ATLAS_CLOCK", running_from(now))
    assert (await status())["warnings"] == []
    await insert(plain, now + 3 * DAY)
    await plain.execute(
        "INSERT INTO videos (id, first_seen_at, zone, due_at)"
        " SELECT 'v' || n, $1, 2, $1::timestamptz + interval '3 days' FROM generate_series(1, 7) AS n",
        now,
    )
    await plain.execute(
        "INSERT INTO search_queue (query_term, priority, source, status, added_at, due_at)"
        " VALUES ('python', 1, 'user', 'waiting', $1, $1::timestamptz + interval '3 days')",
        now,
    )
    await plain.execute("INSERT INTO api_calls VALUES ($1, 'key', 'search', 0, 5, 5)", (now + 3 * DAY).date())
    said = await atlas("status")
    assert f"warning: the newest snapshot is of {iso(now + 3 * DAY)}, which has not come" in said
    assert "warning: 7 videos and 1 queries are due later than the schedule allows" in said
    assert "warning: 5 API calls are counted for days to come" in said
    shown = await status()
    assert (shown["ahead"]["videos"]["number"], shown["ahead"]["queries"]["number"]) == (7, 1)
    assert (shown["ahead"]["calls"], len(shown["warnings"])) == (5, 3)
    (section,) = (one for one in sections(document("docs/troubleshooting.md")) if one.heading.startswith("Clock of"))
    (statement,) = ("\n".join(block.lines) for block in section.blocks if block.language == "sql")
    assert await plain.execute(statement) == "DELETE 1"
