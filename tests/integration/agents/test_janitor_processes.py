"""The Janitor beside others at work, with its own rights, and how its processes end."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.errors import AtlasError
from maia.agents.janitor_session import COUNTS
from maia.cli import app
from maia.commands.janitor import _print, _print_json
from maia.hunter import run_hunter_cycle
from maia.janitor import JanitorOptions, run_janitor_cycle, work
from maia.tracker import run_tracker_cycle
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import PATIENCE, Children
from ...support.agents import Timeline, fetch, refuse_writes, value
from ...support.database_logins import ROLES
from ...support.documents import document, needs_documents, sections, table
from ...support.retention_rows import DAY, put_notes, put_snapshots, put_video, values
from .test_processes import check

pytestmark = pytest.mark.integration


@pytest.fixture
def role() -> str | None:
    """The owner's, where a test has no other."""
    return None


@pytest.fixture(autouse=True)
def _place(vault_folder: Path, timeline: Timeline) -> None:
    """An archive of the test's own, and the schedule clock; no key and no YouTube."""


async def test_two_janitors_and_two_trackers_at_once(db: Database, api: RunningSandbox, timeline: Timeline) -> None:
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

    async def track() -> dict[str, Any]:
        while (stats := await run_tracker_cycle())["outcome"] != "idle":
            assert stats["outcome"] == "ok"
        return stats

    janitors = [run_janitor_cycle(80) for _ in range(2)]
    results = await asyncio.gather(*janitors, track(), track())
    left = await values(db, "SELECT id FROM videos WHERE id LIKE 'old%'")
    assert sum(stats["videos_deleted"] for stats in results[:2]) == 400 - len(left)
    assert [stats["failed"] for stats in results] == [0, 0, 0, 0]
    assert (await run_janitor_cycle())["videos_deleted"] == len(left), "what a tracker held goes now"
    assert set(await values(db, "SELECT id FROM videos")) == set(living)
    orphans = "SELECT count(*) FROM video_stats_log WHERE video_id NOT IN (SELECT id FROM videos)"
    assert await value(db, orphans) == 0
    assert await value(db, "SELECT count(*) FROM videos WHERE last_updated_at >= $1", timeline.at) == len(living)


async def test_beyond_its_bound_it_ends_with_2_is_recorded_and_deletes_with_yes(
    db: Database, timeline: Timeline, children: Children, capsys: pytest.CaptureFixture[str]
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

    async def shown(show: Callable[..., None]) -> str:
        await work(JanitorOptions(dry_run=True, show=show))
        return capsys.readouterr().out

    text = await shown(_print)
    assert "videos, never_read: 1,001 of 1,001 rows\n  v1  a title\n" in text
    assert "  and 996 more\nneeds --yes: 1,001 of 1,001 rows of videos" in text
    found = json.loads(await shown(_print_json))
    (part,) = found["expired"]
    sample = part.pop("sample")
    assert part == {"table": "videos", "reason": "never_read", "rows": 1_001, "total": 1_001}
    assert sample[0] == {"id": "v1", "title": "a title"}
    assert found["needs_yes"] == ["1,001 of 1,001 rows of videos (100%, bound 20%)"]

    assert (await run_janitor_cycle(yes=True))["videos_deleted"] == 1_001


IMPATIENT = (
    sys.executable,
    "-c",
    "import maia.runtime.shutdown as s; s.GRACE_SECONDS = 0.5; from maia.cli import main; main()",
)


@pytest.mark.parametrize(
    ("signum", "code", "finishes", "deleted"),
    [(signal.SIGTERM, 143, True, 4), (signal.SIGINT, 130, False, 2)],
    ids=["the batch finishes", "the batch is cut off"],
)
async def test_a_signal_lets_the_batch_finish_in_time_and_no_other_begin(
    db: Database, other: asyncpg.Connection, timeline: Timeline, children: Children, signum: signal.Signals, code: int,
    finishes: bool, deleted: int,
) -> None:  # fmt: skip
    """Of ten videos, two in a batch, deleting the fourth waits until the other session unlocks 7."""
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
    command: dict[str, Any] = {} if finishes else {"command": IMPATIENT}
    child = await children.start("janitor", "--batch-size", "145", **command)
    async with asyncio.timeout(PATIENCE):
        while not await value(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            await asyncio.sleep(0.02)  # polling: until it is in the middle of its second batch
    child.process.send_signal(signum)
    if finishes:
        await other.execute("SELECT pg_advisory_unlock(7)")
    ended = await child.end()
    await other.execute("SELECT pg_advisory_unlock_all()")
    check(ended, code, "cancelled", f"stopped by {signum.name}")
    assert ended.result is not None
    assert ended.result["stats"]["videos_deleted"] == deleted
    assert await values(db, "SELECT id FROM videos ORDER BY id") == [f"video{n}" for n in range(deleted, 10)]
    (row,) = await fetch(db, "SELECT agent, outcome, exit_code, stats FROM runs")
    assert tuple(row.values()) == ("janitor", "cancelled", code, ended.result["stats"])


@needs_documents
async def test_the_first_commands_of_the_document_need_the_database_and_no_key(
    db: Database, timeline: Timeline, children: Children
) -> None:
    text = document("docs/retention.md")
    commands = [line.partition("#")[0].split() for line in sections(text)[0].blocks[0].lines]
    assert commands == [["maia", "janitor", "--dry-run"], ["maia", "janitor"]]
    assert not settings.key_rings.all_keys()
    for number in range(3):
        await put_video(db, f"old{number}", timeline.at, seen=60, enriched=60)
    dry = await children.run(*commands[0][1:], MAIA_RUN_ID="20-1")
    check(dry, 0, "ok", shows="videos, not_refreshed: 3 of 3 rows\n  old0  a title\n  old1  a title\n")
    assert dry.result is not None
    assert (dry.result["stats"]["videos_deleted"], dry.result["stats"]["dry_run"]) == (3, True)
    done = await children.run(*commands[1][1:], "--shard", "1/2", "--max-minutes", "5", "--json-logs")
    check(done, 0, "ok")
    assert done.result is not None
    assert (done.result["agent"], done.result["shard"]) == ("janitor", "1/2")
    assert done.result["stats"]["videos_deleted"] == 3
    assert "videos_deleted 3" in done.stderr
    assert (await work(JanitorOptions()))["outcome"] == "idle"
    rows = await fetch(db, "SELECT run_id, agent, shard, outcome, exit_code FROM runs ORDER BY started_at")
    assert [tuple(row.values()) for row in rows] == [
        ("20-1", "janitor", "0/1", "ok", 0),
        (None, "janitor", "1/2", "ok", 0),
        (None, "janitor", "0/1", "idle", 0),
    ]


async def test_a_refused_row_ends_it_with_1(db: Database, timeline: Timeline, children: Children) -> None:
    for number in range(3):
        await put_video(db, f"old{number}", timeline.at, seen=60, enriched=60)
    await refuse_writes(db, "videos", "DELETE", "old.id = 'old1'")
    check(await children.run("janitor"), 1, "failure", "maia janitor: ", "this row is refused")


@pytest.mark.parametrize(
    "arguments", [("--cycles", "2"), ("--batch-size", "0"), ("--shard", "2/2"), ("--json",)], ids=" ".join
)
def test_wrong_arguments_end_with_2(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app(), ["janitor", *arguments])
    assert done.exit_code == 2
    assert arguments[0] in done.stderr


@pytest.mark.parametrize(
    ("setting", "text", "code", "reason"),
    [
        ("DATABASE_URL", "", 78, "atlas migrate"),
        ("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/maia", 69, "cannot be reached"),
        ("VAULT_PROVIDER", "huggingface", 78, "HF_DATASET_ID required"),
        ("RETENTION_STATISTICS_DAYS", "60", 78, "YOUTUBE_AUDITED=true"),
    ],
    ids=["no schema", "no database", "no dataset", "no acceptance"],
)
async def test_other_ends_have_the_codes_of_the_table(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, setting: str, text: str, code: int, reason: str
) -> None:
    monkeypatch.setattr("atlas.db.retries.SECONDS", 1.0)
    monkeypatch.setattr("atlas.db.retries.START_SECONDS", 1.0)
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    monkeypatch.setenv(setting, text or empty_dsn)
    settings.reload()
    with pytest.raises(AtlasError, match=re.escape(reason)) as ended:
        await work(JanitorOptions())
    assert ended.value.exit_code == code


@pytest.mark.parametrize("role", [ROLES.janitor], ids=["janitor"])
async def test_a_user_who_owns_nothing_can_run_it(db: Database, timeline: Timeline) -> None:
    """As docs/databases.md makes one for it."""
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    await put_video(db, "young", timeline.at, seen=1, enriched=1)
    await put_snapshots(db, "young", timeline.at, 90, 40, 1)
    await put_notes(db, timeline.at, 40 * DAY)
    for dry_run in (True, False):
        stats = await work(JanitorOptions(dry_run=dry_run))
        assert (stats["outcome"], stats["failed"]) == ("ok", 0)
        assert (stats["videos_deleted"], stats["snapshots_deleted"], stats["runs_deleted"]) == (1, 2, 1)


@pytest.mark.parametrize("role", [ROLES.agent], ids=["agent"])
async def test_an_agents_user_deletes_nothing_and_learns_which_right_it_lacks(db: Database, timeline: Timeline) -> None:
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    with pytest.raises(AtlasError, match=r"permission denied for table.*GRANT maia_janitor") as ended:
        await work(JanitorOptions())
    assert ended.value.exit_code == 78
    assert await value(db, "SELECT count(*) FROM videos") == 1


@needs_documents
async def test_the_tables_of_the_document_are_those_of_a_run_and_of_the_schema(db: Database) -> None:
    text = document("docs/retention.md")

    def named(*heads: str) -> list[str]:
        return [name for row in table(text, *heads) for name in re.findall(r"`(\w+)`", row[0])]

    assert named("figure", "what was deleted") == list(COUNTS)
    assert set(named("table", "deleted", "content")) == set(
        await values(
            db,
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND relname <> 'atlas_schema_version'",
        )
    )
