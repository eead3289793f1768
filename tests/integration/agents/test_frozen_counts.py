"""YouTube freezes the counts of all videos while two Tracker shards read them, and lets them go on."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import Any

import pytest

from atlas.database import Database
from maia.tracker import run_tracker_cycle
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, discover, fetch, value

pytestmark = pytest.mark.integration

THRESHOLD = 200
QUERIES = ("python", "guitar", "cooking", "news", "travel", "football", "minecraft", "music")


async def an_hour_later(db: Database, timeline: Timeline, children: Children) -> None:
    """Two shards read what is due, each half of it."""
    timeline.advance(hours=1, minutes=2)
    due = await value(db, "SELECT count(*) FROM videos WHERE due_at <= $1", timeline.at)
    cycles = str(math.ceil(due / 2 / 50))
    ended = await asyncio.gather(
        *(
            children.run(
                "tracker", "--shard", f"{shard}/2", "--batch-size", "50", "--cycles", cycles,
                BREAKOUT_VIEWS_PER_HOUR=str(THRESHOLD),
            )
            for shard in range(2)
        )
    )  # fmt: skip
    for each in ended:
        assert each.code == 0, each.stderr
        assert each.result is not None
        assert each.result["stats"]["updated"] > 0, "both have work"


async def noted(db: Database, kind: str) -> list[dict[str, Any]]:
    return [row["payload"] for row in await fetch(db, "SELECT payload FROM events WHERE type = $1 ORDER BY id", kind)]


async def test_a_freeze_is_one_event_its_snapshots_are_marked_and_the_thaw_is_no_breakout(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    assert len(await discover(db, api, timeline, *QUERIES)) > 200
    await run_tracker_cycle(500)
    assert await fetch(db, "SELECT FROM count_freezes") == []

    api.faults.set(["frozen-counts"])
    await an_hour_later(db, timeline, children)  # what the first answer has is as fresh as ever
    before = await noted(db, "breakout")
    for _ in range(2):
        await an_hour_later(db, timeline, children)
    assert await noted(db, "breakout") == before
    (frozen,) = await noted(db, "counts_frozen")
    assert frozen["videos"] >= 60
    assert await noted(db, "counts_moving") == []

    api.faults.clear()
    await an_hour_later(db, timeline, children)
    assert len(await noted(db, "counts_frozen")) == 1
    (moving,) = await noted(db, "counts_moving")
    assert moving["since"] == frozen["since"]

    marked = "observed_at <@ (SELECT tstzrange(started_at, ended_at) FROM count_freezes WHERE confirmed_at IS NOT NULL)"
    readings = {
        row["video_id"]: row
        for row in await fetch(
            db,
            f"SELECT video_id, count(*) FILTER (WHERE {marked}) AS marked, "
            f"array_agg(views ORDER BY observed_at) FILTER (WHERE NOT {marked}) AS views, "
            f"array_agg(observed_at ORDER BY observed_at) FILTER (WHERE NOT {marked}) AS times, "
            f"(array_agg(views ORDER BY observed_at DESC) FILTER (WHERE {marked}))[1] AS frozen "
            "FROM video_stats_log GROUP BY 1 HAVING count(*) = 6 AND count(views) = 6",
        )
    }
    assert len(readings) > 100
    assert {row["marked"] for row in readings.values()} == {2}
    hour = timedelta(hours=1)

    def rate(row: dict[str, Any], place: int) -> float:
        gained: int = row["views"][place] - row["views"][place - 1]
        return gained / ((row["times"][place] - row["times"][place - 1]) / hour)

    # without the marks, what was held back in two hours would be a breakout of many
    naive = [id_ for id_, row in readings.items() if row["views"][-1] - row["frozen"] >= 1.04 * THRESHOLD]
    real = [id_ for id_, row in readings.items() if rate(row, -1) >= THRESHOLD > rate(row, -2)]
    assert len(naive) > len(real) + 10
    found = [payload["video_id"] for payload in (await noted(db, "breakout"))[len(before) :]]
    assert set(found) & set(readings) == set(real)
    assert await value(db, "SELECT count(*) FROM count_freezes") == 1
