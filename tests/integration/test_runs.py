"""`maia runs`: what each process did, how it ended, and the page of its workflow run."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.database import Database

from ..support.commands import invoke_maia

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
PAGE = "https://github.com/me/maia/actions/runs/20"


async def add_run(db: Database, agent: str, outcome: str | None, ago: timedelta, **columns: Any) -> str:
    """A process that took 90 s; return its id."""
    began = datetime.now(UTC) - ago
    values = {
        "id": uuid.uuid4(), "agent": agent, "shard": "0/1", "wave": 1, "started_at": began, "outcome": outcome,
        "finished_at": began + timedelta(seconds=90) if outcome else None, **columns,
    }  # fmt: skip
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await db.fetch(f"INSERT INTO runs ({', '.join(values)}) VALUES ({places})", *values.values())
    return str(values["id"])


@pytest.fixture
async def workflow(db: Database) -> None:
    """A plan and two shards, of which one failed, after a run by hand and a killed one."""
    await add_run(db, "hunter", None, 30 * HOUR)
    await add_run(
        db, "hunter", "ok", 3 * HOUR, stats={"videos_new": 1_234, "videos_enriched": 1_200, "calls": {"search": 10}}
    )
    of_run = {"run_id": "20-1", "url": PAGE}
    await add_run(db, "plan", "ok", 2 * HOUR, **of_run, stats={"agent": "tracker", "shards": 2})
    stats = {"updated": 50, "targets": 50, "calls": {"batchGetStats": 1}, "note": "\x1b[31m"}
    await add_run(db, "tracker", "ok", HOUR, **of_run, shard="0/2", stats=stats)
    error = "YouTube refused\x1b[2J ::error::it"
    await add_run(db, "tracker", "failure", HOUR / 2, **of_run, shard="1/2", error=error, exit_code=1)


async def test_the_list_has_a_line_a_process_and_the_page_of_each_workflow_run(db: Database, workflow: None) -> None:
    done = await invoke_maia("runs")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    (hunter,) = [line for line in lines if "1.2k" in line]
    assert hunter[2:] == ["90s", "hunter", "ok", "1.2k", "1.2k", "10"]
    assert [line[-4:] for line in lines if "killed" in line] == [["killed", "-", "-", "-"]]
    assert f"20-1: {PAGE}" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out
    found = json.loads((await invoke_maia("runs", "--json", "--limit", "4")).out)
    assert [row["outcome"] for row in found] == ["failure", "ok", "ok", "ok"]
    assert (found[3]["new_videos"], found[3]["snapshots"], found[3]["calls"]) == (1_234, 1_200, 10)


@pytest.mark.parametrize("which", ["last", "20-1"])
async def test_a_workflow_run_in_detail_says_what_was_done_why_not_more_and_what_to_do(
    db: Database, workflow: None, which: str
) -> None:
    done = await invoke_maia("runs", which)
    text = " ".join(done.out.split())
    assert text.startswith(f"workflow run 20-1 {PAGE} started ")
    assert "tracker: 50 snapshots, 1 call (batchGetStats 1)" in text
    assert "1 of 2 shards ended with failure: YouTube refused" in text
    assert "What to do: read the log above" in text
    assert "::error" not in text
    assert "\x1b" not in text
    detail = json.loads((await invoke_maia("runs", which, "--json")).out)
    assert [row["agent"] for row in detail["processes"]] == ["plan", "tracker", "tracker"]
    assert detail["url"] == PAGE


async def test_a_process_is_found_by_the_beginning_of_its_id(db: Database) -> None:
    stats = {"outcome": "idle", "reason": "no video is due before then", "cycles": 2}
    alike = [uuid.UUID(int=0xABCD << 112 | number) for number in (1, 2)]
    id_ = await add_run(db, "tracker", "idle", HOUR, stats=stats)
    text = (await invoke_maia("runs", id_[:8])).out
    assert id_ in text
    assert "reason: no video is due before then" in text
    for other in alike:
        await add_run(db, "hunter", "ok", HOUR, id=other)
    assert "several processes" in (await invoke_maia("runs", "abcd")).stderr
    assert (await invoke_maia("runs", str(alike[0]))).code == 0


@pytest.mark.parametrize("which", ["99-9", "zz", "", "%", "'; DROP TABLE runs", "\x1b[31m" + "x" * 500, "abc", "\x00"])
async def test_an_unknown_id_is_an_error_that_says_where_to_look(db: Database, which: str) -> None:
    await add_run(db, "hunter", "ok", HOUR)
    done = await invoke_maia("runs", which)
    assert done.code == 1
    assert "`maia runs` lists them" in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr) < 300


async def test_without_a_run_it_says_how_to_start_one(db: Database) -> None:
    assert "maia hunter" in (await invoke_maia("runs")).out
    assert json.loads((await invoke_maia("runs", "--json")).out) == []
    assert (await invoke_maia("runs", "last")).code == 1


async def test_without_a_schema_it_ends_with_78(empty_dsn: str) -> None:
    assert (await invoke_maia("runs", DATABASE_URL=empty_dsn)).code == 78
