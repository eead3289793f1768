"""What a workflow run left in the database, as its verdict reports it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from atlas import events
from atlas.adapters.run_growth import RunGrowthDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from maia.commands.verdict import read_run
from maia.run import record_run
from maia.runtime.exitcodes import Outcome
from maia.runtime.result_file import RunResult
from maia.tracker import run_tracker_cycle
from maia.workflow import run_figures
from maia.workflow.run_figures import read_figures
from youtube_sandbox import RunningSandbox

from ...support.agents import NOON, Timeline, discover, pool
from ...support.mermaid import charts

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _settings(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())
    monkeypatch.setenv("MAIA_RUN_ID", "20-1")
    settings.reload()


async def add_video(db: Database, id_: str, *views: int, hours_ago: float = 0, **growth: Any) -> None:
    """Add a video that was read once an hour, the last time so many hours ago, and its growth."""
    last = clock.now() - hours_ago * HOUR
    await db.fetch(
        "INSERT INTO videos (id, title, channel_id, first_seen_at, zone) VALUES ($1, 'the ' || $1, 'UC', $2, 1)",
        id_, last,
    )  # fmt: skip
    for back, count in enumerate(reversed(views)):
        statement = "INSERT INTO video_stats_log (video_id, observed_at, views) VALUES ($1, $2, $3)"
        await db.fetch(statement, id_, last - back * HOUR, count)
    row = {"kind": 1, "usual_per_hour": None} | growth
    await db.fetch(
        "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour, usual_per_hour)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        id_, last, row["kind"], views[-1], views[-1] - views[-2], row["usual_per_hour"],
    )  # fmt: skip


async def run(agent: str = "tracker", **stats: Any) -> None:
    """Add the plan and one shard of a workflow run that takes no time."""
    plan = events.Run("plan", "0/1", run_id="20-1", wave=1)
    await plan.begin()
    left = {"search": 90, "units": 500, "batchGetStats": 3}
    await plan.finish("ok", 0, {"agent": agent, "calls_left": left}, None)
    shard = events.Run(agent, "0/1", run_id="20-1", wave=1)
    await shard.begin()
    await shard.finish("ok", 0, {"calls": {"batchGetStats": 2}, **stats}, None)


async def figures(agent: str = "tracker") -> dict[str, Any]:
    return await read_figures(await read_run("20-1", agent))


async def test_a_run_that_never_began_has_no_figures() -> None:
    assert await figures() == {}


async def test_the_risers_are_those_that_the_run_read(db: Database, timeline: Timeline) -> None:
    await add_video(db, "older", 0, 9_000, hours_ago=2)
    await run()
    timeline.advance(minutes=1)
    await add_video(db, "slow", 5, 5, 5)
    await add_video(db, "fast", 0, 100, 900, usual_per_hour=80, kind=2)
    await db.fetch(
        "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour)"
        " VALUES ('fast', $1, 9, 900, 800, 800)",
        clock.now(),
    )
    growth = (await figures())["growth"]
    assert [riser["video_id"] for riser in growth["risers"]] == ["fast", "slow"]
    assert growth["risers"][0] == {
        "video_id": "fast", "title": "the fast", "channel": None, "kind": "short", "views": 900,
        "views_per_hour": 800.0, "times_usual": 10.0, "breaking_out": True, "sparkline": "▁█",
    }  # fmt: skip
    assert growth["risers"][1]["times_usual"] is None
    await run("hunter")
    found = await figures("hunter")
    assert [riser["video_id"] for riser in found["growth"]["risers"]] == ["older", "fast", "slow"]
    assert "movers" not in found, "a Hunter reads no video twice"


async def test_movers_are_told_from_the_snapshots_before_the_run(db: Database, timeline: Timeline) -> None:
    """Before the run: still 500, falls 400, and ten more; the run reads falls, again and new."""
    await add_video(db, "still", 0, 500, hours_ago=3)
    for number in range(10):
        await add_video(db, f"rest{number}", 0, 100 + number, hours_ago=3)
    await run()
    timeline.advance(minutes=1)
    await add_video(db, "falls", 0, 400, 401)
    await add_video(db, "again", 0, 50, 850)
    await add_video(db, "new", 0, 700)
    await add_video(db, "gone", 0, 9_000, 99_000)
    await db.fetch("UPDATE videos SET retired_at = $1 WHERE id = 'gone'", clock.now())
    moved = (await figures())["movers"]["moved"]
    assert [(one["video_id"], one["before"], one["after"]) for one in moved] == [
        ("again", 13, 1), ("new", None, 2), ("still", 1, 3), ("rest9", 3, 4), ("rest8", 4, 5), ("rest7", 5, 6),
        ("rest6", 6, 7), ("rest5", 7, 8), ("rest4", 8, 9), ("rest3", 9, 10), ("rest2", 10, 11), ("falls", 2, 14),
    ]  # fmt: skip
    assert moved[0]["title"] == "the again"
    (top, *_) = await RunGrowthDAO().movers(clock.now(), 1)
    assert (top.video_id, top.before, top.after, top.rate_before) == ("again", 1, 1, 800.0), "nothing was read since"


async def test_the_quota_is_what_the_plan_counted_less_the_calls_of_the_shards(timeline: Timeline) -> None:
    await run()
    found = await figures()
    assert found["quota"] == {
        "spent": {"search": 0, "units": 0, "batchGetStats": 0},
        "left": {"search": 90, "units": 500, "batchGetStats": 1},
        "resets_at": "2026-11-21T08:00:00Z",
    }
    assert found["cost"] == {"minutes": 3, "jobs": 3, "unended": 0}
    assert "missing" not in found


async def test_freshness_is_what_each_zone_keeps_of_its_promise(db: Database, timeline: Timeline) -> None:
    await run()
    assert {zone["kept"] for zone in (await figures())["freshness"]["zones"]} == {None}
    for number, hours in enumerate((0.5, -0.2, -0.4, -3)):
        await db.fetch(
            "INSERT INTO videos (id, first_seen_at, last_updated_at, zone, due_at, enriched_at)"
            " VALUES ('v' || $1::int, $2, $2, 1, $3, $2)",
            number, timeline.at - 9 * HOUR, timeline.at + hours * HOUR,
        )  # fmt: skip
    (first, *_) = (await figures())["freshness"]["zones"]
    assert first == {"zone": 1, "promise_hours": 1.5, "tracked": 4, "late": 1, "kept": 0.75, "waits_hours": 3.0}


async def test_a_part_that_cannot_be_read_is_left_out(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    await run()
    await db.fetch("ALTER TABLE video_growth RENAME TO elsewhere")
    found = await figures()
    await db.fetch("ALTER TABLE elsewhere RENAME TO video_growth")
    assert set(found) == {"cost", "quota", "freshness", "missing"}
    assert set(found["missing"]) == {"growth", "movers"}
    assert "the report has no movers: " in caplog.text


async def test_a_part_that_takes_too_long_is_left_out_and_the_others_are_read(
    db: Database, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run()
    monkeypatch.setattr(run_figures, "_SECONDS", 0.3)
    async with other.transaction():
        await other.execute("LOCK TABLE video_growth")
        found = await figures()
    assert found["missing"] == dict.fromkeys(("growth", "movers"), "not read within 0.3 s")
    assert {"cost", "quota", "freshness"} < set(found)
    assert "missing" not in await figures(), "the connection is whole"


async def test_the_figures_of_real_agents_make_a_summary_with_both_charts(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    of_run = pytest.importorskip("action.run_figures").of_run
    await discover(db, api, timeline, "python", "music")
    for _ in range(3):
        timeline.advance(hours=1, minutes=1)
        await record_run("tracker", "0/1", lambda: run_tracker_cycle(500))
    summary = of_run(
        json.loads(RunResult("verdict", "0/1", Outcome.OK, 0, NOON, NOON, await figures()).to_json())["stats"]
    )
    risers, zones = charts(summary)
    assert len(risers.values) == 10
    assert risers.values == sorted(risers.values, reverse=True)
    assert zones.labels[0] == "zone 1"
    assert summary.count("https://www.youtube.com/watch?v=") >= 10
