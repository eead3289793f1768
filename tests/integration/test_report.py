"""ReportDAO against a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import CallCounts, ReportDAO
from atlas.config import settings
from atlas.database import Database
from atlas.quota.buckets import Bucket, quota_day

from ..support.clock_settings import standing_at

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def schedule_clock(clean_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule clock stands at NOW."""
    monkeypatch.setenv("ATLAS_CLOCK", standing_at(NOW))
    settings.reload()


async def add_video(db: Database, id_: str, age: timedelta, due: datetime | None, zone: int = 1) -> None:
    await db.fetch(
        "INSERT INTO videos (id, channel_id, title, published_at, first_seen_at, zone, due_at) "
        "VALUES ($1, 'c', 'title of ' || $1, $2, $2, $3, $4)",
        id_, NOW - age, zone, due,
    )  # fmt: skip


async def add_views(db: Database, id_: str, *views: tuple[float, int | None]) -> None:
    """Snapshots: hours ago, and views."""
    for hours, number in views:
        await db.fetch(
            "INSERT INTO video_stats_log (video_id, observed_at, views) VALUES ($1, $2, $3)",
            id_,
            NOW - hours * HOUR,
            number,
        )


async def test_an_empty_database_has_totals_of_nothing(db: Database) -> None:
    totals = await ReportDAO().totals()
    tables = (totals.videos, totals.channels, totals.snapshots, totals.events, totals.runs)
    assert [(tally.number, tally.exact) for tally in tables] == [(0, True)] * 5
    assert {zone: str(tally) for zone, tally in totals.tracked.items()} == {1: "0", 2: "0", 3: "0"}
    assert set(totals.queries) == {"active", "waiting", "paused", "leased"}
    assert totals.calls == dict.fromkeys(Bucket, CallCounts())


async def test_totals_count_zones_due_videos_and_queries_by_status(db: Database) -> None:
    await add_video(db, "due", HOUR, NOW - HOUR)
    await add_video(db, "later", HOUR, NOW + HOUR)
    await add_video(db, "held", HOUR, NOW - HOUR)
    await add_video(db, "warm", 30 * HOUR, NOW - HOUR, zone=2)
    await add_video(db, "retired", HOUR, None)
    await db.fetch(
        "UPDATE videos SET leased_until = now() + interval '1 minute', leased_by = 'tracker 0/2' WHERE id = 'held'"
    )
    await QueueDAO().add(["a", "b", "c"])
    await QueueDAO().pause(["c"])
    await MaiaDAO("hunter 1/2").fetch_hunter_batch(1)
    totals = await ReportDAO().totals()
    assert totals.videos.number == 5
    assert [totals.tracked[zone].number for zone in (1, 2, 3)] == [3, 1, 0]
    assert [totals.due[zone].number for zone in (1, 2, 3)] == [1, 1, 0]
    assert {name: tally.number for name, tally in totals.queries.items()} == {
        "active": 2, "waiting": 0, "paused": 1, "leased": 1,
    }  # fmt: skip


async def test_counts_are_given_up_at_a_limit_and_estimated_where_the_server_knows(db: Database) -> None:
    for number in range(12):
        await add_video(db, f"v{number}", HOUR, NOW - HOUR)
    rough = await ReportDAO().totals(limit=5)
    assert (rough.videos.number, rough.videos.exact) == (5, False)
    assert str(rough.due[1]) == "more than 5"
    await db.fetch("ANALYZE videos")
    assert str((await ReportDAO().totals(limit=5)).videos) == "about 12"
    assert str((await ReportDAO().totals(limit=13)).videos) == "12"


async def test_the_estimate_of_snapshots_adds_up_the_parts_and_counts_none_twice(db: Database) -> None:
    await add_views(db, "v", *((24 * 7 * week, 1) for week in range(12)))
    await db.fetch("ANALYZE video_stats_log")
    assert str((await ReportDAO().totals(limit=5)).snapshots) == "about 12"


async def test_calls_are_added_up_by_bucket_for_a_day_or_for_all(db: Database) -> None:
    day = quota_day(NOW)
    rows = [(day, 0, "search", 4, 3), (day, 1, "search", 1, 1), (day - timedelta(days=3), 0, "units", 9, 9)]
    for when, slot, bucket, reserved, settled in rows:
        await db.fetch("INSERT INTO api_calls VALUES ($1, 'f', $2, $3, $4, $5)", when, bucket, slot, reserved, settled)
    await db.fetch("INSERT INTO api_calls VALUES ($1, 'f', 'batchGetStats', 0, 6, 6, 2)", day)
    nothing = CallCounts()
    assert await ReportDAO().calls(day) == {
        Bucket.SEARCH: CallCounts(5, 4),
        Bucket.UNITS: nothing,
        Bucket.BATCH: CallCounts(6, 6, 2),
    }
    assert CallCounts(6, 6, 2).spent == 4
    assert (await ReportDAO().calls())[Bucket.UNITS] == CallCounts(9, 9)
    assert (await ReportDAO().totals()).calls[Bucket.SEARCH] == CallCounts(5, 4)
