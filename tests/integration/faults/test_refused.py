"""PostgreSQL refuses statements that wait for other sessions' locks: by a time limit of its own, and by a deadlock."""

from __future__ import annotations

import asyncpg
import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, value
from ...support.databases import closing, execute
from ...support.statement_gate import gate, waiting_for_locks
from ..agents.test_processes import check

pytestmark = pytest.mark.integration

QUERIES = ("football", "minecraft", "music")


async def for_new_sessions(dsn: str, setting: str, value: str) -> None:
    """A setting of the server's, for the sessions of this database that begin from now on."""
    await execute(dsn, f"ALTER DATABASE {dsn.rsplit('/', 1)[1]} SET {setting} = '{value}'")


async def test_a_search_whose_statement_times_out_is_skipped_and_counted(
    db: Database, dsn: str, api: RunningSandbox, children: Children
) -> None:
    await QueueDAO().add(list(QUERIES))
    await for_new_sessions(dsn, "statement_timeout", "5s")
    stuck = "NEW.query_term = 'minecraft' AND NEW.lease_token IS NULL AND NEW.searches > OLD.searches"
    async with gate(dsn, "search_queue", "BEFORE UPDATE", stuck):
        # one at a time: those that found the same channels or tags wait for each other, and would be cut off with this
        ended = await children.run("hunter", YOUTUBE_CONCURRENCY="1")
    check(ended, 0, "ok")
    assert "'minecraft' is skipped" in ended.stderr
    assert "canceling statement due to statement timeout" in ended.stderr
    assert "statement_timeout" in ended.stderr, "the message names what to look at"
    assert ended.result is not None
    assert ended.result["stats"]["failed"] == 1
    stored = await fetch(db, "SELECT query_term FROM search_queue WHERE searches = 1")
    assert {row["query_term"] for row in stored} == set(QUERIES) - {"minecraft"}
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    check(await children.run("hunter"), 0, "ok")
    assert await value(db, "SELECT searches FROM search_queue WHERE query_term = 'minecraft'") == 1


async def test_a_call_whose_statement_times_out_is_skipped_and_the_rest_of_the_run_goes_on(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    tracked = await discover(db, api, timeline, "python", "guitar", "cooking")
    assert len(tracked) > 50
    await for_new_sessions(dsn, "statement_timeout", "5s")
    async with gate(dsn, "video_stats_log", "BEFORE INSERT"):
        ended = await children.run("tracker", "--batch-size", "10")
    cause = "the database refused a statement: canceling statement due to statement timeout ("
    check(ended, 1, "failure", f" videos failed: {cause}")
    assert await nothing_is_claimed(db)
    async with gate(dsn, "video_stats_log", "BEFORE INSERT", f"NEW.video_id = '{tracked[0]}'", number=4712):
        ended = await children.run("tracker", "--batch-size", "500", "--cycles", "3")
    check(ended, 0, "ok")
    assert "50 videos are skipped" in ended.stderr
    assert "canceling statement due to statement timeout" in ended.stderr
    assert ended.result is not None
    stats = ended.result["stats"]
    assert (stats["failed"], stats["updated"]) == (50, len(tracked) - 50), "they are not claimed again in this run"
    assert await nothing_is_claimed(db)
    check(await children.run("tracker", "--batch-size", "200"), 0, "ok")
    await assert_every_call_is_counted(db, api)
    assert await value(db, "SELECT count(*) FROM videos WHERE last_updated_at > $1", timeline.at) == len(tracked)


async def test_a_deadlock_that_the_tracker_loses_is_done_again(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    tracked = sorted(await discover(db, api, timeline, "python"))
    first, last = tracked[0], tracked[-1]
    assert len(tracked) <= 50, "one call"
    await for_new_sessions(dsn, "deadlock_timeout", "2s")
    never_gives_way = {"deadlock_timeout": "1h"}
    async with closing(asyncpg.connect(dsn, server_settings=never_gives_way)) as other:
        async with gate(dsn, "api_calls", "BEFORE INSERT", "NEW.reserved > 0") as claimed:
            child = await children.start("tracker")
            await claimed.reached()
            transaction = other.transaction()
            await transaction.start()
            await other.execute("SELECT FROM videos WHERE id = $1 FOR UPDATE", last)
        async with closing(asyncpg.connect(dsn)) as look:
            await waiting_for_locks(look, "tracker")
        # the tracker has locked the first by now: keys are locked in their order
        await other.execute("UPDATE videos SET title = 'another session was here' WHERE id = $1", first)
        await transaction.commit()
        ended = await child.end()
    check(ended, 0, "ok")
    # on a busy machine the repetition may lock the first row again before the other session wakes up: a second deadlock
    assert await value(db, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") >= 1
    assert ended.result is not None
    assert (ended.result["stats"]["updated"], ended.result["stats"]["failed"]) == (len(tracked), 0)
    again = await fetch(db, "SELECT count(*) AS number FROM video_stats_log GROUP BY video_id")
    assert {row["number"] for row in again} == {2}, "the first one, and one of this run"
    assert await value(db, "SELECT title FROM videos WHERE id = $1", first) == "another session was here"
    assert len(api.log.calls("batchGetStats")) == 1, "what was paid for is not asked for again"
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
