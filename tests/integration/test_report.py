"""ReportDAO against a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import CallCounts, ReportDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql
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
    assert await ReportDAO().fastest_growing() == []


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
    assert await ReportDAO().active_leases() == {"hunter 1/2": 1, "tracker 0/2": 1}


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


async def test_growth_is_views_per_hour_between_the_last_two_snapshots_and_may_fall(db: Database) -> None:
    for id_ in ("fast", "slow", "falls", "once", "hidden"):
        await add_video(db, id_, 5 * HOUR, NOW + HOUR)
    await add_views(db, "fast", (9, 0), (2, 1000), (0, 3000))
    await add_views(db, "slow", (9, 0), (4, 5000), (0, 5400))
    await add_views(db, "falls", (1, 900), (0, 890))
    await add_views(db, "once", (1, 7))
    await add_views(db, "hidden", (3, 100), (2, None), (1, 160), (0, None))
    await db.fetch("INSERT INTO channels (id, title, first_seen_at, updated_at) VALUES ('c', 'a channel', $1, $1)", NOW)
    rows = await ReportDAO().fastest_growing(10)
    assert [(row.id, round(row.views_per_hour)) for row in rows] == [
        ("fast", 1000), ("slow", 100), ("hidden", 30), ("falls", -10),
    ]  # fmt: skip
    first = rows[0]
    assert (first.views, first.previous_views, first.observed_at - first.previous_at) == (3000, 1000, 2 * HOUR)
    assert (first.title, first.channel, first.zone, first.born) == ("title of fast", "a channel", 1, NOW - 5 * HOUR)
    assert [row.id for row in await ReportDAO().fastest_growing(1)] == ["fast"]
    # as it was: slow had grown fastest when only its first two snapshots and those of the others were there
    before = await ReportDAO().fastest_growing(1, until=NOW - 1.5 * HOUR)
    assert [(row.id, round(row.views_per_hour)) for row in before] == [("slow", 1000)]


async def test_growth_looks_at_so_many_videos_and_reads_no_table_whole(db: Database) -> None:
    for number in range(30):
        await add_video(db, f"v{number:02}", HOUR, NOW + number * HOUR)
        await add_views(db, f"v{number:02}", (1, 0), (0, 100 - number))
    # the two that were read last are those that are due last
    assert {row.id for row in await ReportDAO().fastest_growing(10, candidates=2)} == {"v28", "v29"}
    async with db.transaction():
        await db.fetch("SET LOCAL enable_seqscan = off")
        plan = await db.fetch("EXPLAIN " + sql("report/fastest_growing"), 10, 1000, None)
    text = "\n".join(row[0] for row in plan)
    assert text.count("videos_due") == 3
    assert "Seq Scan on video_stats_log" not in text
    assert "Seq Scan on videos" not in text


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


@pytest.mark.parametrize(
    ("age_hours", "gap_hours", "early"),
    [(2, 1, False), (2, 0.9, True), (40, 6, False), (40, 5.9, True), (300, 24, False), (300, 23.9, True)],
)
async def test_a_snapshot_before_its_zones_interval_is_found(
    age_hours: float, gap_hours: float, early: bool, db: Database
) -> None:
    await add_video(db, "v", (age_hours + gap_hours) * HOUR, NOW + HOUR)
    await add_views(db, "v", (gap_hours, 1), (0, 2))
    found = await ReportDAO().early_snapshots(NOW - HOUR)
    assert found == ([("v", NOW, NOW - gap_hours * HOUR)] if early else [])
    assert await ReportDAO().early_snapshots(NOW + HOUR) == []


async def test_births_are_publication_or_else_the_first_sight(db: Database) -> None:
    await add_video(db, "known", 9 * HOUR, None)
    await add_video(db, "unknown", 3 * HOUR, None)
    await db.fetch("UPDATE videos SET published_at = NULL WHERE id = 'unknown'")
    births = await ReportDAO().births(["known", "unknown", "absent"])
    assert births == {"known": NOW - 9 * HOUR, "unknown": NOW - 3 * HOUR}
