"""The benchmarks of agents beside loops by hand, in small: both sides do the same, and are measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from atlas.config import settings
from atlas.database import Database
from harness.benchmarks.bare.hunter import hunt
from harness.benchmarks.bare.tools import bare
from harness.benchmarks.bare.tracker import track
from harness.benchmarks.tables import due_queries, due_videos
from harness.benchmarks.world import POOL, api
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle

pytestmark = pytest.mark.integration


def test_rows_1_2_and_5_measure(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "harness.benchmarks", "--rows", "1,2,5", "--runs", "1", "--quick", "--json", str(file)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = json.loads(file.read_text())["lines"]
    assert done.stderr == ""
    assert [line["number"] for line in lines] == [1, 1, 1, 1, 2, 5, 5]
    assert [line["goal"]["least"] for line in lines] == [0.8, None, 0.8, None, 0.9, 0.6, None]
    assert all(line["figure"] > 0 and line["limit"] > 0 for line in lines)


async def left_behind(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """What a cycle wrote, but for times, tokens and which of its rows a count went to."""
    asked = {
        "videos": "id, channel_id, title, tags, zone, due_at - last_updated_at, enriched_at IS NULL, leased_by",
        "channels": "id, title",
        "video_stats_log": "video_id, views, likes, comments",
        "search_queue": "query_term, status, priority, mentions, searches, results, leased_by",
    }
    found = {
        table: [tuple(row) for row in await db.fetch(f"SELECT {columns} FROM {table} ORDER BY 1")]
        for table, columns in asked.items()
    }
    counted = await db.fetch("SELECT bucket, sum(reserved), sum(settled) FROM api_calls GROUP BY 1 ORDER BY 1")
    return found | {"api_calls": [tuple(row) for row in counted]}


async def test_the_loop_by_hand_leaves_behind_what_the_tracker_does(db: Database, dsn: str) -> None:
    with (
        api(0) as url,
        settings.override(youtube_api_base_url=url, youtube_api_key_pool_json=POOL, vault_provider="off"),
    ):
        await due_videos(120)
        assert (await run_tracker_cycle(120))["updated"] == 120
        ours = await left_behind(db)
        await due_videos(120)
        async with bare(dsn, url) as tools:
            assert await track(tools, 120) == 120
    assert await left_behind(db) == ours


async def test_the_loop_by_hand_leaves_behind_what_the_hunter_does(db: Database, dsn: str, tmp_path: Path) -> None:
    given = {"youtube_api_key_pool_json": POOL, "vault_provider": "local", "vault_path": tmp_path / "maia"}
    await due_queries(4)
    with api(0, new=50) as url, settings.override(youtube_api_base_url=url, **given):
        assert (await run_hunter_cycle(4))["archived"] == 200
    ours = await left_behind(db)
    await due_queries(4)
    with api(0, new=50) as url:
        async with bare(dsn, url) as tools:
            assert await hunt(tools, 4, tmp_path / "bare") == 4
    found = await left_behind(db)
    for of in found, ours:  # which of a search's tags become queries depends on which search is stored first
        of["search_queue"] = [row for row in of["search_queue"] if str(row[0]).startswith("query")]
    assert found == ours
    archived = [
        sorted(p.relative_to(tmp_path / side) for p in (tmp_path / side).rglob("*.json")) for side in ("maia", "bare")
    ]
    assert archived[0] == archived[1]
    assert len(archived[0]) == 200
