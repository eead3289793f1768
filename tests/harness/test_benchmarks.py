"""The benchmarks in small: they measure, loops by hand do what the agents do, and what is wrong is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..support.documents import CHECKOUT

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from atlas.config import settings
from atlas.database import Database
from harness.benchmarks import first_call
from harness.benchmarks.bare.hunter import hunt
from harness.benchmarks.bare.tools import bare
from harness.benchmarks.bare.tracker import track
from harness.benchmarks.comparing import Series
from harness.benchmarks.long import costs, shard
from harness.benchmarks.rows import million, shards, start
from harness.benchmarks.rows.commands import COMMANDS
from harness.benchmarks.tables import due_queries, due_videos
from harness.benchmarks.world import POOL, api
from harness.driver import proc
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle

pytestmark = pytest.mark.integration


def measured(tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "harness.benchmarks", *options, "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found: list[dict[str, Any]] = json.loads(file.read_text())["lines"]
    return found


def test_a_ratio_is_that_of_runs_beside_each_other() -> None:
    ours, theirs = Series([10.0, 50.0, 9.0, 45.0, 8.0]), Series([20.0, 100.0, 30.0, 90.0, 16.0])
    assert ours.over(theirs) == 0.5, "and not 10 / 30"


def test_rows_1_2_and_5_to_7_measure(tmp_path: Path) -> None:
    lines = measured(tmp_path, "--rows", "1,2,5,6,7", "--runs", "1")
    assert [(line["number"], line["goal"]["least"], line["goal"]["most"]) for line in lines] == [
        (1, 0.8, None), (1, None, None), (1, 0.95, None), (1, 0.8, None), (1, None, None), (1, 0.95, None),
        (1, 0.9, None), (2, 0.9, None), (5, 0.6, None), (5, None, None), (6, None, None), (6, 0.9, None),
        (7, None, 0.6), (7, None, 0.6), (7, None, None),
    ]  # fmt: skip
    assert all(line["figure"] > 0 and line["limit"] > 0 for line in lines)
    one, two, _, _, modules = lines[-5:]
    assert one["judged"] is None
    assert two["limit"] <= 2 * one["figure"] * 1.001
    assert one["details"]["cores_used"][0] >= 0
    assert modules["figure"] > modules["limit"]


def test_rows_9_and_11_to_13_measure(tmp_path: Path) -> None:
    lines = measured(tmp_path, "--long")
    assert [line["number"] for line in lines] == [9, 9, 11, *[12] * 7, *[13] * len(COMMANDS)]
    memory, most, minutes, size, log, dead, first, later_log, later, table = lines[:10]
    assert most["figure"] >= memory["figure"] > 20
    assert memory["details"]["early"]["updates"] < memory["details"]["late"]["updates"]
    assert minutes["figure"] > minutes["limit"]
    assert set(minutes["details"]["cpu"]) == {"shard", "database", "api"}
    assert size["figure"] > 50
    assert log["figure"] > log["limit"] > 0
    assert log["details"]["halves"]["update"]["hot"] == 0
    assert dead["figure"] > 0
    assert later_log["figure"] > 0
    assert all(0 <= line["figure"] <= 100 for line in (first, later))
    assert table["details"]["updates"] > 0
    assert table["details"]["looks"]
    assert all(line["figure"] > 0 for line in lines[10:])


async def written(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return what a cycle wrote, except times, tokens and which of its rows a count went to."""
    asked = {
        "videos": "id, channel_id, title, tags, zone, due_at - last_updated_at, enriched_at IS NULL, leased_by "
        "FROM videos",
        "channels": "id, title FROM channels",
        "snapshots": "video_id, views, likes, comments FROM video_stats_log",
        # which of a search's tags become queries depends on which search is stored first
        "queue": "query_term, status, priority, mentions, searches, results, leased_by FROM search_queue "
        "WHERE query_term LIKE 'query%'",
        "calls": "bucket, sum(reserved), sum(settled) FROM api_calls GROUP BY 1",
    }
    return {name: [tuple(row) for row in await db.fetch(f"SELECT {text} ORDER BY 1")] for name, text in asked.items()}


async def test_the_loop_by_hand_writes_what_the_tracker_does(db: Database, dsn: str) -> None:
    with (
        api(0) as url,
        settings.override(youtube_api_base_url=url, youtube_api_key_pool_json=POOL, vault_provider="off"),
    ):
        await due_videos(120)
        assert (await run_tracker_cycle(120))["updated"] == 120
        ours = await written(db)
        await due_videos(120)
        async with bare(dsn, url) as tools:
            assert await track(tools, 120) == 120
    assert await written(db) == ours


async def test_the_loop_by_hand_writes_what_the_hunter_does(db: Database, dsn: str, tmp_path: Path) -> None:
    given = {"youtube_api_key_pool_json": POOL, "vault_provider": "local", "vault_path": tmp_path / "maia"}
    await due_queries(4)
    with api(0, new=50) as url, settings.override(youtube_api_base_url=url, **given):
        assert (await run_hunter_cycle(4))["archived"] == 200
    ours = await written(db)
    await due_queries(4)
    with api(0, new=50) as url:
        async with bare(dsn, url) as tools:
            assert await hunt(tools, 4, tmp_path / "bare") == 4
    assert await written(db) == ours
    maia, by_hand = (
        sorted(path.relative_to(tmp_path / side) for path in (tmp_path / side).rglob("*.json"))
        for side in ("maia", "bare")
    )
    assert maia == by_hand
    assert len(maia) == 200


@pytest.mark.parametrize(("stops", "thirds"), [(40, [20, 40, 40]), (60, [20, 40, 60])])
def test_a_table_that_goes_on_growing_is_seen(stops: int, thirds: list[int]) -> None:
    looks = [costs.Look(second, min(second, stops), 0, 0, 0, 0, 0, vacuuming=False) for second in range(61)]
    assert [costs.largest(looks, third) for third in range(3)] == thirds


class Answers:
    """A database that answers every statement alike."""

    def __init__(self, **row: int) -> None:
        self.row = row

    async def fetchrow(self, statement: str, **options: float) -> dict[str, int]:
        return self.row

    async def fetch(self, statement: str) -> list[dict[str, int]]:
        return [self.row]

    async def fetchval(self, statement: str) -> int:
        return 0


async def test_work_that_was_missed_or_done_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="100 snapshots of 99 videos; 100 of as many are right"):
        await million._each_once(Answers(written=100, videos=99), 100)
    monkeypatch.setattr(shards, "database", Answers(count=50, n=0))
    two = [shards.Measured(1.0, 0.1, 0.0, 1.0, [{"targets": first}, {"targets": 30}]) for first in (20, 30)]
    await shards._no_double_claim(shards.TRACKER, two[0], 50)
    with pytest.raises(RuntimeError, match="50 were due, 60 claimed, 50 written"):
        await shards._no_double_claim(shards.TRACKER, two[1], 50)


async def test_a_process_that_fails_or_makes_no_call_is_an_error(tmp_path: Path) -> None:
    given = {"VAULT_PROVIDER": "off", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    with pytest.raises(RuntimeError, match=r"(?s)ended with 78.*YOUTUBE_API_KEY_POOL_JSON"):
        await shard.Tracker([], given, tmp_path / "log").run(Answers())
    async with first_call.doorbell() as bell:
        for code, error in (("pass", "made no call"), ("raise SystemExit(3)", "ended with 3")):
            with pytest.raises(RuntimeError, match=error):
                await first_call.first_call(bell, ["-c", code], {"HOME": str(tmp_path)})


async def test_an_unused_import_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def modules(command: list[str], given: dict[str, str]) -> set[str]:
        return {"asyncio", "prefect.client"}

    async def nothing(agent: str) -> None:
        pass

    monkeypatch.setattr(start, "modules_of", modules)
    monkeypatch.setattr(start, "give_work", nothing)
    with pytest.raises(RuntimeError, match="imports what it does not use: prefect"):
        await start._imports({})


def test_memory_and_cpu_seconds_are_those_of_a_tree_of_processes() -> None:
    resident, highest = proc.memory_of(os.getpid())
    assert 10_000_000 < proc.private_memory(os.getpid()) <= resident <= highest
    assert proc.parent_of(os.getpid()) == os.getppid()
    before, machine = proc.tree_seconds(os.getpid()), proc.machine_seconds()
    assert before >= proc.cpu_of(os.getpid()) > 0
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    below = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    subprocess.run([sys.executable, "-c", below], check=True)
    # the system counts in hundredths, and cuts off what is less
    assert proc.tree_seconds(os.getpid()) - before >= 0.4
    assert proc.machine_seconds() - machine >= 0.4
