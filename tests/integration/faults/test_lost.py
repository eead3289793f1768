"""PostgreSQL is lost while agents work, at every part of a run: at its start, in mid-write, at its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, value
from ...support.event_loop import PATIENCE
from ...support.statement_gate import gate
from ..agents.test_processes import IMPATIENT, check

if TYPE_CHECKING:
    from harness.driver.server import Server

pytestmark = pytest.mark.integration

AGENTS = ("hunter", "tracker")
QUERIES = ("football", "minecraft", "music")


async def work_for_both(db: Database, api: RunningSandbox, timeline: Timeline) -> list[str]:
    """Queries for the Hunter, and videos for the Tracker, which are returned."""
    tracked = await discover(db, api, timeline, "python", "guitar")
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add(list(QUERIES))
    return tracked


async def snapshots_of_each(db: Database, videos: list[str]) -> set[int]:
    statement = "SELECT count(*) AS number FROM video_stats_log WHERE video_id = ANY ($1) GROUP BY video_id"
    return {row["number"] for row in await fetch(db, statement, videos)}


@contextlib.asynccontextmanager
async def knocking(port: int) -> AsyncIterator[asyncio.Event]:
    """A listener that closes every connection at once. The event is set by the first, which also ends the listener."""
    event = asyncio.Event()

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        listener.close()
        event.set()

    listener = await asyncio.start_server(close, "127.0.0.1", port)
    try:
        yield event
    finally:
        listener.close()


async def test_a_server_that_comes_up_a_little_later_is_waited_for(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, postgres: Server
) -> None:
    await work_for_both(db, api, timeline)
    await asyncio.to_thread(postgres.stop)
    async with knocking(postgres.port) as knocked:
        running = [await children.start(agent, "--batch-size", "200") for agent in AGENTS]
        await asyncio.wait_for(knocked.wait(), PATIENCE)
    await postgres.start()
    for child in running:
        check(await child.end(), 0, "ok")
    await assert_every_call_is_counted(db, api)


async def test_a_server_that_is_gone_ends_the_run_before_any_call(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, postgres: Server
) -> None:
    await work_for_both(db, api, timeline)
    await asyncio.to_thread(postgres.crash)
    for ended in await asyncio.gather(*(children.run(agent, command=IMPATIENT) for agent in AGENTS)):
        check(ended, 69, "unavailable", "cannot be reached", "Check that it runs", "DATABASE_URL")
    assert len(api.log) == 0


async def test_a_crash_in_mid_write_costs_nothing_once_the_server_is_back(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, postgres: Server
) -> None:
    tracked = await work_for_both(db, api, timeline)
    # settling the calls is the last statement of the transaction that stores an answer
    async with gate(dsn, "api_calls", "BEFORE INSERT", "NEW.settled > 0") as before_commit:
        running = [await children.start(agent, "--batch-size", "200") for agent in AGENTS]
        await before_commit.reached(*AGENTS)
        await asyncio.to_thread(postgres.crash)
    await postgres.start()
    hunter, tracker = [await child.end() for child in running]
    check(hunter, 0, "ok")
    check(tracker, 0, "ok")
    assert hunter.result is not None
    assert tracker.result is not None
    assert hunter.result["stats"]["searches"] == len(QUERIES)
    assert tracker.result["stats"]["updated"] == len(tracked)
    assert hunter.result["stats"]["failed"] == tracker.result["stats"]["failed"] == 0
    # nothing twice: of each search one page, of each call one snapshot
    assert len(api.log.calls("search")) == len(QUERIES)
    assert [row["searches"] for row in await fetch(db, "SELECT searches FROM search_queue WHERE searches > 0")] == [
        1
    ] * 3
    assert await snapshots_of_each(db, tracked) == {2}, "the first one, and one of this run"
    found = {id_ for entry in api.log.calls("search", status=200) for id_ in entry.ids}
    assert found <= {row["id"] for row in await fetch(db, "SELECT id FROM videos")}
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_a_server_that_is_lost_in_mid_write_for_good_leaves_claims_that_end(
    db: Database,
    dsn: str,
    api: RunningSandbox,
    timeline: Timeline,
    children: Children,
    postgres: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracked = await work_for_both(db, api, timeline)
    for agent in AGENTS:
        monkeypatch.setenv(f"{agent.upper()}_LEASE_SECONDS", "1")
    snapshots = await value(db, "SELECT count(*) FROM video_stats_log")
    async with gate(dsn, "api_calls", "BEFORE INSERT", "NEW.settled > 0") as before_commit:
        running = [await children.start(agent, "--batch-size", "200", command=IMPATIENT) for agent in AGENTS]
        await before_commit.reached(*AGENTS)
        await asyncio.to_thread(postgres.crash)
        for ended in [await child.end() for child in running]:
            check(ended, 69, "unavailable", "cannot be reached", "Check that it runs")
            assert ended.result is not None
            stats = ended.result["stats"]
            assert stats["calls"], "the calls are reported"
            for count in ("updated", "videos_new", "videos_found", "searches"):
                assert not stats.get(count), f"{count}: what was answered and not stored does not count as stored"
    await postgres.start()
    assert await value(db, "SELECT count(*) FROM video_stats_log") == snapshots
    held = await fetch(
        db,
        "SELECT leased_by, leased_until FROM videos WHERE lease_token IS NOT NULL"
        " UNION ALL SELECT leased_by, leased_until FROM search_queue WHERE lease_token IS NOT NULL",
    )
    assert {row["leased_by"] for row in held} == {"hunter 0/1", "tracker 0/1"}
    assert all(row["leased_until"] is not None for row in held)
    # a later run takes all of it up: the leases have passed while the first ones waited
    for agent in AGENTS:
        check(await children.run(agent, "--batch-size", "200"), 0, "ok")
    assert await value(db, "SELECT count(*) FROM search_queue WHERE searches = 1") == len(QUERIES)
    assert await snapshots_of_each(db, tracked) == {2}
    assert await nothing_is_claimed(db)


async def test_a_server_that_is_lost_at_the_end_leaves_a_result_file_that_says_what_was_done(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, postgres: Server
) -> None:
    tracked = await work_for_both(db, api, timeline)
    async with gate(dsn, "runs", "BEFORE UPDATE") as at_the_end:
        running = [await children.start(agent, "--batch-size", "200", command=IMPATIENT) for agent in AGENTS]
        await at_the_end.reached(*AGENTS)
        await asyncio.to_thread(postgres.crash)
        hunter, tracker = [await child.end() for child in running]
    for ended in (hunter, tracker):
        check(ended, 69, "unavailable", "cannot be reached")
    assert hunter.result is not None
    assert tracker.result is not None
    await postgres.start()
    assert hunter.result["stats"]["searches"] == len(QUERIES)
    assert await value(db, "SELECT count(*) FROM search_queue WHERE searches = 1") == len(QUERIES)
    assert tracker.result["stats"]["updated"] == len(tracked)
    assert await snapshots_of_each(db, tracked) == {2}
    assert await nothing_is_claimed(db), "the work was done and released before"
    await assert_every_call_is_counted(db, api)
