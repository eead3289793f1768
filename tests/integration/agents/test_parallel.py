"""Many shards on one database: no work is done twice, and what killed and stalled shards leave is taken up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import PATIENCE, Child, Children, Ended
from ...support.agents import (
    Timeline,
    assert_every_call_is_counted,
    calls_counted,
    calls_logged,
    discover,
    fetch,
    nothing_is_claimed,
    value,
)
from ...support.databases import execute

pytestmark = pytest.mark.integration

QUERIES = (
    "python", "guitar", "cooking", "news", "travel", "football", "minecraft", "music", "shorts", "rust", "science",
    "history", "drone", "camping", "yoga", "chess", "painting", "piano", "cycling", "garden", "robot", "space",
    "comedy", "recipe", "budget", "review", "tutorial", "linux", "docker", "laptop", "marathon", "strength",
)  # fmt: skip


@contextlib.asynccontextmanager
async def held_back(dsn: str, processes: int) -> AsyncIterator[None]:
    """What is started inside runs up to its first claim, and only when all have come there, all claim at once."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE search_queue, videos IN ACCESS EXCLUSIVE MODE")
            yield
            async with asyncio.timeout(PATIENCE):
                while await _waiting(connection) < processes:
                    await asyncio.sleep(0.05)  # polling: PostgreSQL tells nobody who waits for a lock
    finally:
        await connection.close()


async def _waiting(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval(
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return count


async def start_all(
    dsn: str, children: Children, shards: int, hunter: tuple[str, ...], tracker: tuple[str, ...]
) -> list[Child]:
    """As many Hunters as Trackers, which claim at the same moment."""
    started = []
    async with held_back(dsn, 2 * shards):
        for shard in range(shards):
            started.append(await children.start("hunter", "--shard", f"{shard}/{shards}", *hunter))
            started.append(await children.start("tracker", "--shard", f"{shard}/{shards}", *tracker))
    return started


def stats(ended: Ended) -> dict[str, int]:
    assert ended.result is not None
    found: dict[str, int] = ended.result["stats"]
    return found


@pytest.fixture
def no_snowball(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNTER_TAGS_PER_VIDEO", "0")
    settings.reload()


@pytest.mark.usefixtures("no_snowball")
async def test_shards_at_once_do_nothing_twice(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    tracked = await discover(db, api, timeline, *QUERIES[:8])
    assert len(tracked) > 330
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add(list(QUERIES))
    api.faults.set(["slow:*:seconds=0.1"])
    started = await start_all(dsn, children, 4, ("--batch-size", "4", "--cycles", "2"), ("--batch-size", "80"))
    ended = [await child.end() for child in started]
    assert [e.code for e in ended] == [0] * 8, [e.stderr for e in ended]
    hunters, trackers = ended[::2], ended[1::2]

    # no topic twice in a round: none of these was due again, so that no page was to be asked for again
    searches = Counter((e.params["q"], e.params.get("pageToken")) for e in api.log.calls("search"))
    assert len(searches) == 32
    assert searches.most_common(1)[0][1] == 1
    assert [stats(e)["searches"] for e in hunters] == [8] * 4, "while one claims, the others claim something else"
    # no video twice in a wave: each is due again in an hour at the soonest
    asked = Counter(id_ for entry in api.log.calls("batchGetStats") for id_ in entry.params["id"].split(","))
    assert asked.most_common(1)[0][1] == 1
    assert [stats(e)["targets"] for e in trackers] == [80] * 4
    assert sum(stats(e)["updated"] + stats(e)["absent"] for e in trackers) == 320
    snapshots = await fetch(
        db, "SELECT video_id, count(*) AS n FROM video_stats_log WHERE video_id = ANY ($1) GROUP BY 1", list(asked)
    )
    assert {row["n"] for row in snapshots} == {2}, "the first and this one's"
    # and what several found at the same time is there once
    found = {id_ for entry in api.log.calls("search") for id_ in entry.ids}
    new = found - set(tracked)
    assert await value(db, "SELECT count(*) FROM videos WHERE id = ANY ($1)", list(found)) == len(found)
    assert sum(stats(e)["videos_new"] for e in hunters) == len(new) > 100
    first = await fetch(
        db, "SELECT video_id, count(*) AS n FROM video_stats_log WHERE video_id = ANY ($1) GROUP BY 1", list(new)
    )
    assert {row["n"] for row in first} == {1}
    assert len(first) == len(new)
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    runs = await fetch(db, "SELECT agent, shard, outcome FROM runs")
    assert len(runs) == 8
    assert {row["outcome"] for row in runs} == {"ok"}


AUDIT = """
CREATE TABLE audit (
    writer text, holder text, wrote text, at timestamptz DEFAULT clock_timestamp(), leased_until timestamptz
);
CREATE FUNCTION audit_topic() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit (writer, holder, wrote, leased_until)
    VALUES (current_setting('application_name'), OLD.leased_by, OLD.query_term, OLD.leased_until);
    RETURN NEW;
END $$;
CREATE FUNCTION audit_video() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit (writer, holder, wrote, leased_until)
    VALUES (current_setting('application_name'), OLD.leased_by, OLD.id, OLD.leased_until);
    RETURN NEW;
END $$;
CREATE TRIGGER audit BEFORE UPDATE ON search_queue FOR EACH ROW
WHEN (OLD.searches <> NEW.searches OR OLD.next_page_token IS DISTINCT FROM NEW.next_page_token)
EXECUTE FUNCTION audit_topic();
-- the first due time of all comes with a video's first counts, whoever has asked for them: nobody can hold it before
CREATE TRIGGER audit BEFORE UPDATE ON videos FOR EACH ROW
WHEN (OLD.due_at IS NOT NULL
    AND (OLD.due_at IS DISTINCT FROM NEW.due_at OR OLD.last_updated_at IS DISTINCT FROM NEW.last_updated_at))
EXECUTE FUNCTION audit_video();
"""
"""Notes who writes how far the work is, and whose lease that was."""


@pytest.mark.usefixtures("no_snowball")
async def test_what_killed_and_stalled_shards_leave_is_taken_up(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = await discover(db, api, timeline, *QUERIES[:12])
    await db.fetch("DELETE FROM search_queue")
    await db.fetch("DELETE FROM videos WHERE NOT id = ANY ($1)", tracked[:400])
    await QueueDAO().add(list(QUERIES))
    await execute(dsn, AUDIT)
    monkeypatch.setenv("HUNTER_LEASE_SECONDS", "1")
    monkeypatch.setenv("TRACKER_LEASE_SECONDS", "1")
    api.faults.set(
        [
            # shards 0 and 1 are killed: one before its searches are stored, one while they are; 2 is stalled
            "slow:search:agent=hunter 0/4:after=2:seconds=60",
            "slow:videos:agent=hunter 1/4:after=2:seconds=60",
            "slow:search:agent=hunter 2/4:after=1:seconds=0.6",
            "slow:batchGetStats:agent=tracker 0/4:seconds=60",
            "slow:batchGetStats:agent=tracker 1/4:after=1:seconds=60",
            "slow:batchGetStats:agent=tracker 2/4:after=1:seconds=0.6",
        ]
    )
    started = await start_all(dsn, children, 4, ("--batch-size", "6"), ("--batch-size", "100"))

    def at_work() -> bool:
        return all(
            len(api.log.calls(endpoint, agent=f"({agent} {shard}/4)")) >= calls
            for agent, shard, endpoint, calls in (
                ("hunter", 0, "search", 2), ("hunter", 1, "videos", 2), ("hunter", 2, "search", 1),
                ("tracker", 1, "batchGetStats", 1), ("tracker", 2, "batchGetStats", 1),
            )
        )  # fmt: skip

    await api.log.wait_for(lambda log: at_work(), timeout=PATIENCE)
    hunters, trackers = started[::2], started[1::2]
    stalled = [hunters[2], trackers[2]]
    for child in stalled:
        child.process.send_signal(signal.SIGSTOP)
    for child in (*hunters[:2], *trackers[:2]):
        child.process.kill()
    for child in (*hunters[:2], *trackers[:2]):
        await child.end()
    for child in (hunters[3], trackers[3]):
        assert (await child.end()).code == 0
    killed = ("(hunter 0/4)", "(hunter 1/4)", "(tracker 0/4)", "(tracker 1/4)")
    answered = {agent: [entry for entry in api.log if agent in entry.agent] for agent in killed}
    assert all(answered[agent] for agent in killed if agent != "(tracker 0/4)")

    # every answered search is stored whole, or its topic still stands on that page
    topics = {row["query_term"]: row for row in await fetch(db, "SELECT * FROM search_queue")}
    stored = {row["id"] for row in await fetch(db, "SELECT id FROM videos")}
    lost = 0
    for entry in api.log.calls("search", status=200):
        row = topics[entry.params["q"]]
        if row["searches"]:
            assert set(entry.ids) <= stored
        else:
            lost += 1
            assert (row["status"], row["next_page_token"]) == ("active", entry.params.get("pageToken"))
    assert lost > 2, "the test kills in mid-work"
    assert await value(db, "SELECT count(*) FROM search_queue WHERE leased_by = 'hunter 1/4' AND searches = 0") > 0
    assert await value(db, "SELECT count(*) FROM videos WHERE leased_by = 'tracker 0/4'") == 100

    # others take up all of it once the leases have passed
    others = 0
    async with asyncio.timeout(PATIENCE):
        while await value(db, "SELECT count(*) FROM search_queue WHERE status = 'active'") or await value(
            db, "SELECT count(*) FROM videos WHERE due_at <= $1", timeline.at
        ):
            others += 1
            ended = await asyncio.gather(
                children.run("hunter", "--max-minutes", "1", "--batch-size", "20", "--shard", "3/4"),
                children.run("tracker", "--max-minutes", "1", "--batch-size", "200", "--shard", "3/4"),
            )
            assert [e.code for e in ended] == [0, 0], [e.stderr for e in ended]
    assert others > 0
    stored = {row["id"] for row in await fetch(db, "SELECT id FROM videos")}
    for entry in api.log.calls("search", status=200):
        assert set(entry.ids) <= stored, entry.params
    assert await nothing_is_claimed(db)

    # the stalled ones wake up when all their work has been done by others
    taken = await fetch(
        db, "SELECT id, query_term, searches, next_page_token, last_searched_at, due_at FROM search_queue"
    )
    due = await fetch(db, "SELECT id, due_at, last_updated_at FROM videos ORDER BY id")
    for child in stalled:
        child.process.send_signal(signal.SIGCONT)
    late = [await child.end() for child in stalled]
    assert [e.code for e in late] == [0, 0], [e.stderr for e in late]
    assert stats(late[0])["searches"] == 6, "it goes on to the end, and stores what it found"
    assert stats(late[1])["updated"] <= 50, "of its videos it writes nothing more"
    again = await fetch(
        db, "SELECT id, query_term, searches, next_page_token, last_searched_at, due_at FROM search_queue"
    )
    assert sorted(again, key=lambda row: row["id"]) == sorted(taken, key=lambda row: row["id"])
    assert await fetch(db, "SELECT id, due_at, last_updated_at FROM videos ORDER BY id") == due

    # how far the work is was written by the holder of the lease alone
    audit = await fetch(db, "SELECT * FROM audit")
    assert len(audit) > 400
    assert [row for row in audit if row["writer"] != f"maia {row['holder']}"] == []
    # counted: all that was logged, and at most what was in flight when it was killed
    reserved, _ = await calls_counted(db)
    unlogged = reserved - calls_logged(api)
    assert not calls_logged(api) - reserved
    assert 0 < unlogged.total() <= 4 + 6 + 2 + 1
