"""The data of the report's page, and `maia report`, on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters import report_page
from atlas.adapters.queue import QueueDAO
from atlas.adapters.report_page import Day, ReportPageDAO
from atlas.config import settings
from atlas.database import Database
from atlas.quota.buckets import quota_day
from maia.report import collect
from maia.report.payload import Payload

from ..support.clock_settings import running_from, standing_at
from ..support.growth_rows import NOON, add_breakout, add_riser, insert_row
from ..support.report_examples import HOSTILE, decoded

pytestmark = pytest.mark.integration

AT = NOON + timedelta(minutes=10)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes after the last readings of `add_riser`."""
    monkeypatch.setenv("ATLAS_CLOCK", standing_at(AT))


def configure(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings.reload()


async def read(days: int = 7, limit: int = 1_000) -> Payload:
    return await collect.read_payload(days, limit, lambda *_: None)


async def add_run(db: Database, number: int, agent: str, ago: timedelta, **columns: Any) -> None:
    """Add a run, whose times are real."""
    begun = datetime.now(UTC) - ago
    ended = {"finished_at": begun + columns.pop("took")} if "took" in columns else {}
    id_ = f"00000000-0000-0000-0000-{number:012d}"
    await insert_row(db, "runs", id=id_, agent=agent, started_at=begun, **ended, **columns)


async def test_videos_are_read_with_curves_and_sparklines_the_fastest_first(db: Database) -> None:
    await insert_row(db, "channels", id="UCb", title="its channel", first_seen_at=NOON, updated_at=NOON)
    await add_riser(db, "slow_video1", 0, 10, 20, 90)
    await add_riser(
        db, "fast_video1", 0, 100, 200, 900, channel="UCb", kind=2, score=9.0, usual_per_hour=70.0, views_24h_low=900.0,
        views_24h=1_000.0, views_24h_high=2_000.0,
    )  # fmt: skip
    await add_riser(db, "falls_video", 900, 890)
    await add_riser(db, "gone_video1", 0, 9_000, retired_at=NOON)
    await add_breakout(db, "fast_video1", at=NOON - 2 * HOUR)
    payload = await read()
    columns = decoded(payload)
    assert columns["id"] == ["fast_video1", "slow_video1", "falls_video"]
    assert columns["title"][0] == "title of fast_video1"
    assert [columns["channel_title"], columns["channel"]] == [["its channel"], [0, None, None]]
    assert columns["kind"] == [1, 0, 0]
    assert columns["views"] == [900, 90, 890]
    assert columns["observed"] == [10, 10, 10]
    assert columns["published"] == [10 + 5 * 60, 10 + 5 * 60, 10 + 3 * 60]
    assert columns["breakout"] == [130, None, None]
    assert columns["rate_1h"] == pytest.approx([700, 70, -10], rel=0.003)
    assert columns["f24_high"] == [pytest.approx(2_000, rel=0.003), None, None]
    assert columns["spark_from"] == [180, 180, 60]
    assert columns["spark"][0] == [1] * 16 + [7] * 8
    assert columns["spark"][2] == [0] * 24
    assert columns["curve_points"] == [4, 4, 2]
    assert columns["curve_times"][:4] == [190, 60, 60, 60]
    assert columns["curve_views"][:4] == [0, 100, 100, 700]
    assert (payload.head.videos, payload.head.left_out) == (3, 0)


async def test_the_limit_leaves_out_the_slowest_and_days_bound_the_curves(db: Database) -> None:
    for number in range(6):
        await add_riser(db, f"video_{number}", *range(0, 31 * (number + 1), number + 1))  # 31 readings
    payload = await read(days=1, limit=2)
    columns = decoded(payload)
    assert columns["id"] == ["video_5", "video_4"]
    assert (payload.head.videos, payload.head.left_out) == (2, 4)
    assert columns["curve_points"] == [24, 24]
    assert columns["spark_from"] == [23 * 60] * 2


async def test_rows_are_streamed_in_bounded_batches(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "_ROWS", 3)
    for number in range(8):
        await add_riser(db, f"video_{number}", 0, number)
    async with ReportPageDAO().reader() as reader:
        made = await collect.collect(reader, 7, 1_000, lambda *_: None)
        assert [len(batch) async for batch in made.videos] == [3, 3, 2]
        assert [len(batch) async for batch in reader.readings(AT - DAY, 5)] == [3, 2]
    assert decoded(await read())["id"] == [f"video_{number}" for number in reversed(range(8))]


async def test_an_empty_database_has_a_page_without_videos(db: Database) -> None:
    payload = await read(days=3)
    head = payload.head
    assert decoded(payload)["id"] == []
    assert [head.videos, head.left_out, head.newest.at, head.newest.late, head.sample] == [0, 0, None, False, 0]
    assert [day.day for day in head.discovery] == [date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)]
    assert not [*head.breakouts, *head.queries, *head.runs, *head.search_gaps, *head.breaks, *head.freezes]
    assert [zone.tracked.number for zone in head.zones] == [0, 0, 0]


@pytest.mark.parametrize("title", HOSTILE)
async def test_hostile_titles_are_stored_and_read(db: Database, title: str) -> None:
    await add_riser(db, "some_video1", 0, 1, title=title.replace("\x00", "") or None)
    assert len(decoded(await read())["title"]) == 1


async def test_freshness_counts_intervals_against_the_promise_and_finds_breaks(db: Database) -> None:
    # hourly from 02:00 to 12:00, but none from 05:00 to 09:00 (a step of 4 h)
    await add_riser(db, "some_video1", *range(11))
    await db.fetch("UPDATE videos SET published_at = $1", NOON - 11 * HOUR)
    await db.fetch(
        "DELETE FROM video_stats_log WHERE observed_at > $1 AND observed_at < $2", NOON - 7 * HOUR, NOON - 3 * HOUR
    )
    head = (await read()).head
    (zone_1, *others) = head.zones
    assert [(day.day, day.intervals, day.kept) for day in zone_1.days] == [(date(2026, 11, 22), 7, 6)]
    assert [zone.days for zone in others] == [[], []]
    assert (zone_1.promise_hours, zone_1.looked_at, zone_1.fresh) == (1.5, 1, 1)
    assert [(gap.begins_at, gap.ends_at) for gap in head.breaks] == [(NOON - 5 * HOUR, NOON - 3 * HOUR)]
    assert (head.newest.at, head.newest.promised_by, head.newest.late) == (NOON, NOON + 1.5 * HOUR, False)
    assert (head.sample, head.sample_is_all) == (1, True)


async def test_data_is_late_after_the_promise(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_riser(db, "some_video1", 0, 1)
    configure(monkeypatch, ATLAS_CLOCK=standing_at(NOON + 4 * HOUR))
    head = (await read()).head
    assert head.newest.late
    assert head.zones[0].fresh == 0
    assert [(gap.begins_at, gap.ends_at) for gap in head.breaks] == [(NOON + 2 * HOUR, NOON + 4 * HOUR)]


async def test_discovery_and_queries_say_what_was_found_and_what_pays(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(
        monkeypatch, DISPLAY_TIME_ZONE="Asia/Tokyo"
    )  # 9 h ahead: the readings of 15:00 UTC belong to the next day
    await QueueDAO().add(["Pays", "poor", "never searched"])
    (pays, poor) = [
        row["id"]
        for row in await db.fetch(
            "UPDATE search_queue SET searches = 4, new_videos = CASE query_term WHEN 'pays' THEN 90 ELSE 3 END "
            "WHERE query_term <> 'never searched' RETURNING id"
        )
    ]
    for number, found_by in enumerate([pays, pays, poor]):
        await add_riser(db, f"some_video{number}", 0, 1, found_by=found_by)
    await db.fetch("UPDATE videos SET first_seen_at = $1 WHERE id = 'some_video0'", NOON - 20 * HOUR)
    await add_breakout(db, "some_video1", ended_at=NOON)
    await add_breakout(db, "some_video1")  # again: the video counts once
    configure(monkeypatch, ATLAS_CLOCK=running_from(AT))
    await add_run(db, 1, "hunter", 22 * HOUR, outcome="ok", stats={"searches": 7})
    await add_run(db, 2, "hunter", HOUR, outcome="ok", stats={"searches": 2})
    await add_run(db, 3, "hunter", HOUR, outcome=None)
    head = (await read(days=3)).head
    assert head.discovery == [
        Day(date(2026, 11, 20), 0, 0, 0), Day(date(2026, 11, 21), 0, 7, 0), Day(date(2026, 11, 22), 3, 2, 2),
    ]  # fmt: skip
    assert [(query.query, query.new_videos, query.broke_out) for query in head.queries] == [
        ("Pays", 90, 1),
        ("poor", 3, 0),
    ]
    assert head.queries_number == 2
    assert (len(head.breakouts), head.breakouts_number, head.open_breakouts) == (2, 2, 1)
    await db.fetch("UPDATE breakouts SET detected_at = $1 WHERE ended_at IS NULL", NOON - 10 * DAY)
    head = (await read(days=3)).head
    assert (len(head.breakouts), head.breakouts_number, head.open_breakouts) == (1, 1, 1), "it still breaks out"


async def test_runs_quota_gaps_and_freezes_are_read(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, YOUTUBE_API_KEY_POOL_JSON='["one", "two", "three"]')
    configure(monkeypatch, ATLAS_CLOCK=running_from(AT))
    await add_run(
        db, 1, "tracker", HOUR, took=timedelta(seconds=90), outcome="churn", shard="0/2", wave=1, stats={"updated": 40},
        error="rate limit", url="https://github.com/me/mine/actions/runs/5",
    )  # fmt: skip
    await add_run(db, 2, "hunter", timedelta(), stats={"videos_new": 3, "updated": "x"})
    await add_run(db, 3, "hunter", 9 * DAY, outcome="ok")
    await insert_row(
        db, "api_calls", day=quota_day(NOON), fingerprint="a", bucket="search", counter_shard=0, reserved=30,
        settled=30, refused=4,
    )  # fmt: skip
    await insert_row(
        db, "events", at=NOON, type="search_gap",
        payload={
            "query_term": "a query", "reason": "pages", "published_after": "2026-11-21T12:00:00Z",
            "published_before": "unknown",
        },
    )  # fmt: skip
    await insert_row(
        db, "count_freezes", started_at=NOON - 9 * DAY, ended_at=NOON - DAY, confirmed_at=NOON, videos=90, channels=9
    )
    head = (await read()).head
    late, early = head.runs
    assert (late.agent, late.outcome, late.seconds, late.new_videos, late.updated) == ("hunter", None, None, 3, None)
    assert (early.seconds, early.updated, early.error, early.url) == (
        90.0, 40, "rate limit", "https://github.com/me/mine/actions/runs/5",
    )  # fmt: skip
    assert AT - early.started_at == pytest.approx(HOUR, abs=timedelta(minutes=1))
    assert head.runs_number == 2
    (search, *_) = head.quota
    assert (search.bucket, search.spent, search.refused, search.limit, search.left) == ("search", 26, 4, 300, 300)
    assert search.resets_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    (gap,) = head.search_gaps
    assert (gap.query, gap.published_after, gap.published_before) == ("a query", NOON - DAY, None)
    assert [freeze.confirmed for freeze in head.freezes] == [True]
