"""Shards behind PgBouncer in transaction mode, with fewer server sessions than there are processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, value
from ...support.pgbouncer import Pooler, pgbouncer

pytestmark = pytest.mark.integration

SHARDS = 2
SERVER_SESSIONS = 2
QUERIES = (
    "python", "guitar", "cooking", "news", "travel", "football", "minecraft", "music", "shorts", "rust", "science",
    "history",
)  # fmt: skip


@pytest.fixture(scope="module")
def pooler(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    folder = tmp_path_factory.mktemp("pgbouncer")
    with pgbouncer(server, folder, default_pool_size=SERVER_SESSIONS) as pooler:
        yield pooler


@pytest.fixture
def dsn(dsn: str, pooler: Pooler) -> str:
    """This test's database, by way of PgBouncer: for this process and for its children."""
    return pooler.dsn(dsn)


@pytest.mark.parametrize("pgbouncer", ["detected", "configured"])
async def test_shards_at_once_do_nothing_twice_and_lose_nothing(
    db: Database,
    dsn: str,
    api: RunningSandbox,
    timeline: Timeline,
    children: Children,
    monkeypatch: pytest.MonkeyPatch,
    pgbouncer: str,
) -> None:
    if pgbouncer == "configured":
        monkeypatch.setenv("DATABASE_URL", f"{dsn}?pgbouncer=true")
    monkeypatch.setenv("HUNTER_TAGS_PER_VIDEO", "0")
    tracked = await discover(db, api, timeline, *QUERIES[:3])
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add(list(QUERIES))
    share = len(tracked) // SHARDS
    started = []
    for shard in range(SHARDS):
        name = f"{shard}/{SHARDS}"
        started.append(await children.start("hunter", "--shard", name, "--batch-size", "2", "--cycles", "2"))
        started.append(await children.start("tracker", "--shard", name, "--batch-size", str(share)))
    ended = [await child.end() for child in started]
    assert [e.code for e in ended] == [0] * 2 * SHARDS, [e.stderr for e in ended]

    searches = Counter((e.params["q"], e.params.get("pageToken")) for e in api.log.calls("search"))
    assert len(searches) == SHARDS * 4
    assert searches.most_common(1)[0][1] == 1, "no topic twice"
    asked = Counter(id_ for entry in api.log.calls("batchGetStats") for id_ in entry.params["id"].split(","))
    assert len(asked) == SHARDS * share
    assert asked.most_common(1)[0][1] == 1, "no video twice"
    snapshots = await fetch(
        db, "SELECT video_id, count(*) AS n FROM video_stats_log WHERE video_id = ANY ($1) GROUP BY 1", list(asked)
    )
    assert {row["n"] for row in snapshots} == {2}, "the first and this one's"
    found = {id_ for entry in api.log.calls("search") for id_ in entry.ids}
    assert await value(db, "SELECT count(*) FROM videos WHERE id = ANY ($1)", list(found)) == len(found)
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    runs = await fetch(db, "SELECT outcome FROM runs")
    assert [row["outcome"] for row in runs] == ["ok"] * 2 * SHARDS
    # the server's own workers (autovacuum, TimescaleDB's scheduler) may be in the database, too
    ours = "datname = current_database() AND backend_type = 'client backend'"
    assert await value(db, f"SELECT count(*) FROM pg_stat_activity WHERE {ours}") <= SERVER_SESSIONS


async def test_one_session_of_the_server_is_enough(
    server: str,
    db: Database,
    dsn: str,
    api: RunningSandbox,
    timeline: Timeline,
    children: Children,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """No shard waits for a second connection while it holds one, which would be a deadlock."""
    tracked = await discover(db, api, timeline, *QUERIES[:2])
    await QueueDAO().add(list(QUERIES[2:]))
    with pgbouncer(server, tmp_path_factory.mktemp("narrow"), default_pool_size=1) as narrow:
        address = narrow.dsn(dsn)
        started = [
            await children.start("hunter", "--batch-size", "4", DATABASE_URL=address),
            await children.start("tracker", "--batch-size", str(len(tracked)), DATABASE_URL=address),
        ]
        ended = await asyncio.gather(*(child.end() for child in started))
    assert [e.code for e in ended] == [0, 0], [e.stderr for e in ended]
    assert ended[1].result is not None
    assert ended[1].result["stats"]["updated"] > 0
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
