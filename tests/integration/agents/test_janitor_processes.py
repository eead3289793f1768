"""The Janitor beside others at work, and how its processes end."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path

import asyncpg
import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from maia.agents.janitor_session import COUNTS
from maia.hunter import run_hunter_cycle
from maia.janitor import run_janitor_cycle
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import PATIENCE, Children, Ended
from ...support.agents import Timeline, fetch, refuse_writes, value
from ...support.database_logins import ROLES, address
from ...support.documents import document, needs_documents, sections, table
from ...support.prefect_server import PrefectServer
from ...support.retention_rows import DAY, put_notes, put_snapshots, put_video, values
from .test_processes import IMPATIENT, check

pytestmark = pytest.mark.integration


@pytest.fixture
def role() -> None:
    """The owner's: what the Janitor may do as `maia_janitor` stands below."""


@pytest.fixture(autouse=True)
def _place(vault_folder: Path, timeline: Timeline) -> None:
    """An archive of the test's own, and the schedule clock; no key and no YouTube."""


async def test_two_janitors_and_two_trackers_at_once(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await QueueDAO().add(["python", "guitar", "cooking"])
    await run_hunter_cycle(3)
    living = await values(db, "SELECT id FROM videos")
    timeline.advance(hours=2)
    for number in range(400):
        await put_video(db, f"old{number:03}", timeline.at, seen=60, enriched=60, read=31)
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at) SELECT id, $1::timestamptz - make_interval(days => n)"
        " FROM videos, generate_series(1, 20) AS n WHERE id LIKE 'old%'",
        timeline.at,
    )
    await db.fetch("UPDATE videos SET due_at = $1", timeline.at)
    ended = await asyncio.gather(
        *(children.run("janitor", "--batch-size", "80", "--shard", f"{n}/2") for n in range(2)),
        *(children.run("tracker", "--max-minutes", "5", "--shard", f"{n}/2") for n in range(2)),
    )
    results = []
    for one in ended:
        assert one.code == 0, one.stderr
        assert one.result is not None
        results.append(one.result["stats"])
    left = await values(db, "SELECT id FROM videos WHERE id LIKE 'old%'")
    assert sum(stats["videos_deleted"] for stats in results[:2]) == 400 - len(left)
    assert all(stats["failed"] == 0 for stats in results)
    assert (await run_janitor_cycle())["videos_deleted"] == len(left), "what a tracker held goes now"
    assert set(await values(db, "SELECT id FROM videos")) == set(living)
    orphans = "SELECT count(*) FROM video_stats_log WHERE video_id NOT IN (SELECT id FROM videos)"
    assert await value(db, orphans) == 0
    assert await value(db, "SELECT count(*) FROM videos WHERE last_updated_at >= $1", timeline.at) == len(living)


async def test_beyond_its_bound_it_ends_with_2_is_recorded_and_deletes_with_yes(
    db: Database, timeline: Timeline, children: Children
) -> None:
    await db.fetch(
        "INSERT INTO videos (id, title, first_seen_at, zone) SELECT 'v' || n, 'a title', $1, 3"
        " FROM generate_series(1, 1001) AS n",
        timeline.at - 31 * DAY,
    )
    refused = await children.run("janitor")
    assert refused.code == 2
    assert "would delete 1,001 of 1,001 rows of videos (100%, bound 20%)" in refused.stderr
    assert "`maia janitor --yes`" in refused.stderr
    assert refused.result is not None
    assert (refused.result["outcome"], refused.result["exit_code"]) == ("failure", 2)
    assert await fetch(db, "SELECT outcome, exit_code FROM runs") == [{"outcome": "failure", "exit_code": 2}]
    assert await value(db, "SELECT count(*) FROM videos") == 1_001

    shown = await children.run("janitor", "--dry-run")
    assert shown.code == 0
    assert "videos, never_read: 1,001 of 1,001 rows\n  v1  a title\n" in shown.stdout
    assert "  and 996 more\nneeds --yes: 1,001 of 1,001 rows of videos" in shown.stdout
    found = json.loads((await children.run("janitor", "--dry-run", "--json")).stdout)
    (part,) = found["expired"]
    sample = part.pop("sample")
    assert part == {"table": "videos", "reason": "never_read", "rows": 1_001, "total": 1_001}
    assert sample[0] == {"id": "v1", "title": "a title"}
    assert found["needs_yes"] == ["1,001 of 1,001 rows of videos (100%, bound 20%)"]
    assert (await children.run("janitor", "--json")).code == 2

    done = await children.run("janitor", "--yes")
    assert done.code == 0
    assert await value(db, "SELECT count(*) FROM videos") == 0


async def ten_of_which_one_waits(db: Database, other: asyncpg.Connection, timeline: Timeline) -> None:
    """Videos that go, the first of them first; deleting the fourth waits until the other session unlocks 7."""
    for number in range(10):
        await put_video(db, f"video{number}", timeline.at, seen=50 - number, enriched=50 - number)
    await db.fetch(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN old; END $$"
    )
    await db.fetch(
        "CREATE TRIGGER wait BEFORE DELETE ON videos FOR EACH ROW WHEN (old.id = 'video3') EXECUTE FUNCTION wait()"
    )
    await other.execute("SELECT pg_advisory_lock(7)")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_lets_the_batch_finish_and_no_other_begin(
    db: Database, other: asyncpg.Connection, timeline: Timeline, children: Children, signum: signal.Signals, code: int
) -> None:
    await ten_of_which_one_waits(db, other, timeline)
    child = await children.start("janitor", "--batch-size", "145")
    await until_it_waits(db)
    child.process.send_signal(signum)
    await other.execute("SELECT pg_advisory_unlock(7)")
    ended = await child.end()
    check(ended, code, "cancelled", f"stopped by {signum.name}")
    assert ended.result is not None
    deleted = ended.result["stats"]["videos_deleted"]
    left = await values(db, "SELECT id FROM videos ORDER BY id")
    assert left == [f"video{number}" for number in range(deleted, 10)]
    assert deleted == 4, "the first batch, and the one that ran"
    (row,) = await fetch(db, "SELECT agent, outcome, exit_code, stats FROM runs")
    assert tuple(row.values()) == ("janitor", "cancelled", code, ended.result["stats"])


async def until_it_waits(db: Database) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await value(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            await asyncio.sleep(0.02)  # polling: until it is in the middle of its second batch


async def test_what_does_not_finish_after_a_signal_is_cut_off(
    db: Database, other: asyncpg.Connection, timeline: Timeline, children: Children
) -> None:
    await ten_of_which_one_waits(db, other, timeline)
    child = await children.start("janitor", "--batch-size", "145")
    await until_it_waits(db)
    child.process.send_signal(signal.SIGTERM)
    ended = await child.end()
    check(ended, 143, "cancelled", "stopped by SIGTERM")
    assert ended.result is not None
    assert ended.result["stats"]["videos_deleted"] == 2, "the first batch"
    await other.execute("SELECT pg_advisory_unlock(7)")
    assert await value(db, "SELECT count(*) FROM videos") == 8, "the other was rolled back"


# ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_process_needs_the_database_and_no_key(db: Database, timeline: Timeline, children: Children) -> None:
    assert not settings.key_rings.all_keys()
    for number in range(3):
        await put_video(db, f"old{number}", timeline.at, seen=60, enriched=60)
    dry = await children.run("janitor", "--dry-run", MAIA_RUN_ID="20-1")
    check(dry, 0, "ok", shows="videos, not_refreshed: 3 of 3 rows\n  old0  a title\n  old1  a title\n")
    assert dry.result is not None
    assert (dry.result["stats"]["videos_deleted"], dry.result["stats"]["dry_run"]) == (3, True)
    done = await children.run("janitor", "--shard", "1/2", "--max-minutes", "5", "--json-logs", MAIA_RUN_ID="20-1")
    check(done, 0, "ok")
    assert done.result is not None
    assert (done.result["agent"], done.result["shard"]) == ("janitor", "1/2")
    assert done.result["stats"]["videos_deleted"] == 3
    assert "videos_deleted 3" in done.stderr
    check(await children.run("janitor"), 0, "idle")
    rows = await fetch(db, "SELECT run_id, agent, shard, outcome, exit_code FROM runs ORDER BY started_at")
    assert [tuple(row.values()) for row in rows] == [
        ("20-1", "janitor", "0/1", "ok", 0),
        ("20-1", "janitor", "1/2", "ok", 0),
        (None, "janitor", "0/1", "idle", 0),
    ]


def usage(ended: Ended) -> None:
    assert (ended.code, ended.result) == (2, None), ended.stderr


async def test_other_ends_have_the_codes_of_the_table(
    db: Database, empty_dsn: str, timeline: Timeline, children: Children
) -> None:
    for number in range(3):
        await put_video(db, f"old{number}", timeline.at, seen=60, enriched=60)
    await refuse_writes(db, "videos", "DELETE", "old.id = 'old1'")
    check(await children.run("janitor"), 1, "failure", "maia janitor: ", "this row is refused")
    usage(await children.run("janitor", "--cycles", "2"))
    usage(await children.run("janitor", "--batch-size", "0"))
    usage(await children.run("janitor", "--shard", "2/2"))
    gone = "postgresql://postgres@127.0.0.1:1/maia"
    check(await children.run("janitor", command=IMPATIENT, DATABASE_URL=gone), 69, "unavailable", "cannot be reached")
    check(await children.run("janitor", DATABASE_URL=empty_dsn), 78, "config", "atlas migrate")
    check(await children.run("janitor", VAULT_PROVIDER="huggingface"), 78, "config", "HF_DATASET_ID required")
    check(await children.run("janitor", RETENTION_STATISTICS_DAYS="60"), 78, "config", "YOUTUBE_AUDITED=true")


async def test_a_user_who_owns_nothing_can_run_it(
    db: Database, dsn: str, timeline: Timeline, children: Children
) -> None:
    """As docs/databases.md makes one for it."""
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    await put_video(db, "young", timeline.at, seen=1, enriched=1)
    await put_snapshots(db, "young", timeline.at, 90, 40, 1)
    await put_notes(db, timeline.at, 40 * DAY)
    outlook = await children.run("janitor", "--dry-run", DATABASE_URL=address(dsn, ROLES.janitor))
    ended = await children.run("janitor", DATABASE_URL=address(dsn, ROLES.janitor))
    for run, shown in ((outlook, "video_stats_log, statistics: 2 of 3 rows\n"), (ended, "")):
        check(run, 0, "ok", shows=shown)
        assert run.result is not None
        stats = run.result["stats"]
        assert (stats["videos_deleted"], stats["snapshots_deleted"], stats["runs_deleted"]) == (1, 2, 1)


async def test_an_agents_user_deletes_nothing_and_learns_which_right_it_lacks(
    db: Database, dsn: str, timeline: Timeline, children: Children
) -> None:
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    ended = await children.run("janitor", DATABASE_URL=address(dsn, ROLES.agent))
    assert ended.code == 78
    assert "permission denied for table" in ended.reason
    assert "GRANT maia_janitor" in ended.reason
    assert await value(db, "SELECT count(*) FROM videos") == 1


@needs_documents
async def test_the_first_commands_of_the_document_run(db: Database, timeline: Timeline, children: Children) -> None:
    text = document("docs/retention.md")
    commands = [line.partition("#")[0].split() for line in sections(text)[0].blocks[0].lines]
    assert commands == [["maia", "janitor", "--dry-run"], ["maia", "janitor"]]
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    for number, (_, *words) in enumerate(commands):
        assert (await children.run(*words)).code == 0
        assert await value(db, "SELECT count(*) FROM videos") == 1 - number


@needs_documents
def test_the_figures_of_the_document_are_those_of_a_run() -> None:
    rows = table(document("docs/retention.md"), "figure", "what went")
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row[0])] == list(COUNTS)


@needs_documents
async def test_the_tables_of_the_document_are_those_of_the_schema(db: Database) -> None:
    rows = table(document("docs/retention.md"), "table", "goes", "why")
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    there = await values(
        db,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> 'atlas_schema_version'",
    )
    assert documented == set(there)


async def test_a_prefect_server_sees_a_run_and_its_tasks(
    db: Database, timeline: Timeline, children: Children, prefect_server: PrefectServer
) -> None:
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    ended = await children.run(
        "janitor",
        PREFECT_API_URL=prefect_server.api_url, PREFECT_HOME=str(children.folder / "prefect"), DO_NOT_TRACK="1",
    )  # fmt: skip
    check(ended, 0, "ok")
    run, tasks = await asyncio.to_thread(prefect_server.newest_run, 5)
    (flow,) = await asyncio.to_thread(prefect_server.ask, "/flows/filter", flows={"id": {"any_": [run["flow_id"]]}})
    assert (flow["name"], run["state_type"]) == ("run_janitor_cycle", "COMPLETED")
    parts = ("snapshots", "videos", "queue", "history", "archive")
    assert tasks == {f"expire_{part} COMPLETED" for part in parts}
    assert run["parameters"] == {"batch_size": None, "dry_run": False, "max_minutes": None, "yes": False}
