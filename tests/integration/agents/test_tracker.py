"""The Tracker against a local YouTube and a real PostgreSQL: what it asks, what it writes, what becomes of the gone."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from atlas import database as way
from atlas import policy
from atlas.database import Database
from atlas.db.queries import sql
from atlas.errors import DatabaseUnavailable, StatementFailed
from atlas.quota.buckets import Bucket
from maia.hunter import run_hunter_cycle
from maia.runtime.exits import ChurnExit
from maia.tracker import fetch_targets, run_tracker_cycle, update_stats
from youtube_sandbox import RunningSandbox

from ...support.agents import (
    TRACKING,
    Timeline,
    assert_every_call_is_counted,
    discover,
    fetch,
    nothing_is_claimed,
    refuse_writes,
    value,
)

pytestmark = pytest.mark.integration

MANY = (
    "python", "guitar", "cooking", "news", "travel", "football", "minecraft", "music", "fitness", "shorts", "science",
)  # fmt: skip


async def still_due(db: Database, timeline: Timeline) -> int:
    count: int = await value(db, "SELECT count(*) FROM videos WHERE due_at <= $1", timeline.at)
    return count


def delete(api: RunningSandbox, *ids: str) -> None:
    for id_ in ids:
        assert api.world.delete(id_, api.clock.now().timestamp())


def asked(api: RunningSandbox, endpoint: str) -> list[list[str]]:
    """The ids of each call of an endpoint."""
    return [entry.params["id"].split(",") for entry in api.log.calls(endpoint)]


# ── what it asks and writes ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_big_batch_is_split_into_calls_of_50_that_run_at_once(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, *MANY[:5])
    assert len(ids) > 130
    await db.fetch("DELETE FROM videos WHERE NOT id = ANY ($1)", ids[:130])
    api.faults.add("slow:batchGetStats:seconds=0.5")
    began = time.monotonic()
    stats = await run_tracker_cycle(500)
    assert time.monotonic() - began < 1.5, "three calls of half a second, one after another"
    assert (stats["targets"], stats["updated"], stats["outcome"]) == (130, 130, "ok")
    calls = asked(api, "batchGetStats")
    assert sorted(map(len, calls)) == [30, 50, 50]
    assert sorted(id_ for call in calls for id_ in call) == sorted(ids[:130])
    assert stats["calls"] == {"batchGetStats": 3}
    assert not api.log.calls("videos")
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_an_update_is_what_the_api_says_and_the_next_is_due_after_the_zones_interval(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, "python", "guitar", "cooking", "news", "travel")
    falling = ids[0]
    await db.fetch("UPDATE video_stats_log SET views = 10^12 WHERE video_id = $1", falling)
    before = timeline.at
    stats = await run_tracker_cycle(500)
    assert stats["updated"] == len(ids)
    now = api.clock.now()
    hidden: Counter[str] = Counter()
    for row in await fetch(
        db,
        "SELECT videos.*, s.* FROM videos JOIN video_stats_log s ON s.video_id = videos.id AND s.observed_at > $1",
        before,
    ):
        video = api.world.video(row["id"], now.timestamp())
        assert video is not None
        counts = video.counts(row["observed_at"].timestamp())
        assert row["views"] == pytest.approx(counts.views, rel=0.01, abs=2)
        assert (row["likes"] is None, row["comments"] is None) == (counts.likes is None, counts.comments is None)
        hidden.update(likes=row["likes"] is None, comments=row["comments"] is None)
        scheduled = policy.schedule(row["published_at"], row["observed_at"])
        assert (row["zone"], row["due_at"], row["last_updated_at"]) == (*scheduled, row["observed_at"])
    assert hidden["likes"] > 0 < hidden["comments"], "some hide them"
    views = [row["views"] for row in await fetch(db, "SELECT views FROM video_stats_log WHERE video_id = $1", falling)]
    assert len(views) == 2
    assert min(views) < 10**12 == max(views), "falling views are kept as they are"
    assert (await run_tracker_cycle(500))["targets"] == 0


async def test_metadata_is_read_again_before_it_is_30_days_old(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, "python", "guitar")
    old = ids[:10]
    await db.fetch(
        "UPDATE videos SET title = 'an old title', enriched_at = $2 WHERE id = ANY ($1)",
        old,
        timeline.at - timedelta(days=25, hours=1),
    )
    stats = await run_tracker_cycle(500)
    assert (stats["updated"], stats["refreshed"], stats["outcome"]) == (len(ids), 10, "ok")
    assert [sorted(call) for call in asked(api, "videos")] == [sorted(old)]
    assert not set(old) & {id_ for call in asked(api, "batchGetStats") for id_ in call}
    for row in await fetch(db, "SELECT * FROM videos WHERE id = ANY ($1)", old):
        assert row["title"] != "an old title"
        assert row["enriched_at"] >= timeline.at
    snapshots = Counter(row["video_id"] for row in await fetch(db, "SELECT video_id FROM video_stats_log"))
    assert set(snapshots.values()) == {2}


async def test_without_units_a_refresh_waits_and_the_counts_do_not(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, "python", "guitar")
    delete(api, ids[0])
    await db.fetch("UPDATE videos SET enriched_at = $1::timestamptz - interval '26 days'", timeline.at)
    api.quota.limits[Bucket.UNITS] = 0
    stats = await run_tracker_cycle(500)
    assert (stats["updated"], stats["refreshed"], stats["unanswered"]) == (len(ids) - 1, 0, 1)
    assert (stats["outcome"], stats["failed"]) == ("ok", 0)
    assert await still_due(db, timeline) == 0, "none sorts first"
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_what_was_never_enriched_is_the_hunters_first_and_due_an_interval_after_its_first_snapshot(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    api.faults.add("backend-error:videos")
    ids = await discover(db, api, timeline, "rust")
    api.faults.clear()
    assert (await run_tracker_cycle(500))["outcome"] == "idle"
    assert await value(db, "SELECT count(*) FROM videos WHERE enriched_at IS NULL AND due_at IS NULL") == len(ids)
    assert (await run_hunter_cycle(1))["queries_new"] > 0, "which queues the tags too"
    assert await value(db, "SELECT count(*) FROM videos WHERE due_at IS NULL") == 0
    timeline.advance(hours=25)
    assert (await run_tracker_cycle(500))["updated"] >= len(ids)


async def test_spent_batch_quota_goes_over_to_videos_list(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, *MANY[:6])
    api.quota.limits[Bucket.BATCH] = 1
    stats = await run_tracker_cycle(500)
    assert (stats["updated"], stats["outcome"]) == (len(ids), "ok")
    assert len(api.log.calls("batchGetStats", status=200)) == len(TRACKING)
    assert len(api.log.calls("videos")) == -(-len(ids) // 50) - len(TRACKING)
    await assert_every_call_is_counted(db, api)
    timeline.advance(hours=1, minutes=1)
    api.log.clear()
    await run_tracker_cycle(500)
    assert not api.log.calls("batchGetStats"), "nobody asks a spent bucket again before midnight Pacific"


async def test_verbose_shows_which_videos_a_call_read_and_otherwise_none_is_named(
    db: Database, api: RunningSandbox, timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await discover(db, api, timeline, "rust")
    delete(api, ids[0])
    caplog.set_level(logging.DEBUG, "maia")
    caplog.clear()
    await run_tracker_cycle(500)
    read = [r.getMessage() for r in caplog.records if " read " in r.getMessage() and r.levelno == logging.DEBUG]
    assert [line.partition(":")[0] for line in read] == [
        f"videos.batchGetStats read {len(ids) - 1} of {len(ids)} videos", "videos.list read 0 of 1 videos",
    ]  # fmt: skip
    assert set(read[0].partition(": ")[2].split()) == set(ids)
    assert read[1].endswith(f": {ids[0]}")
    assert not [r for r in caplog.records if r.levelno > logging.DEBUG and any(id_ in r.getMessage() for id_ in ids)]


async def test_every_quota_spent_releases_what_is_left(
    db: Database, api: RunningSandbox, timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ids = await discover(db, api, timeline, *MANY[:6])
    api.quota.limits[Bucket.BATCH] = api.quota.limits[Bucket.UNITS] = 1
    stats = await run_tracker_cycle(500)
    assert stats["outcome"] == "quota-exhausted"
    assert stats["exhausted"] == ["batchGetStats", "units"]
    assert stats["updated"] + stats["left"] == len(ids)
    assert 150 < stats["updated"] <= 200, "four calls, of which one may be the last and not full"
    spent = [r for r in caplog.records if "every key of the ring 'tracking' has spent" in r.getMessage()]
    assert [r.levelno for r in spent] == [logging.INFO, logging.INFO]
    assert [r for r in caplog.records if r.levelno > logging.INFO] == []
    assert stats["reason"].count("it resets at 2026-11-21T08:00:00Z (in ") == 2
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    calls = len(api.log)
    assert (await run_tracker_cycle(500))["outcome"] == "quota-exhausted"
    assert len(api.log) == calls


# ── the gone ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_the_batch_leaves_out_is_asked_of_videos_list_and_retired_after_three_absences(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, "python", "guitar")
    gone = ids[3:6]
    delete(api, *gone)

    async def absences() -> set[int]:
        rows = await fetch(db, "SELECT absences FROM videos WHERE id = ANY ($1)", gone)
        return {row["absences"] for row in rows}

    stats = await run_tracker_cycle(500)
    assert (stats["updated"], stats["absent"], stats["retired"], stats["outcome"]) == (len(ids) - 3, 3, 0, "ok")
    (call,) = asked(api, "videos")
    assert set(gone) < set(call)
    assert len(call) == 3 + 5, "with control ids"
    assert await absences() == {1}
    assert await still_due(db, timeline) == 0, "rescheduled like the rest"
    timeline.advance(hours=1, minutes=1)
    await run_tracker_cycle(500)
    assert await absences() == {1}, "an hour later is no other absence"
    timeline.advance(hours=6)
    await run_tracker_cycle(500)
    assert await absences() == {2}
    timeline.advance(hours=6, minutes=1)
    soon = timeline.at + timedelta(minutes=30)
    await db.fetch("UPDATE videos SET due_at = $2 WHERE NOT id = ANY ($1)", gone, soon)
    api.log.clear()
    stats = await run_tracker_cycle(500)
    assert (stats["targets"], stats["absent"], stats["retired"]) == (3, 3, 3), "all gone, but the control ids are there"
    assert len(asked(api, "videos")[0]) == 3 + 5
    rows = await fetch(db, "SELECT id, due_at FROM videos WHERE retired_at IS NOT NULL")
    assert {row["id"]: row["due_at"] for row in rows} == dict.fromkeys(gone)
    (event,) = await fetch(db, "SELECT payload FROM events WHERE type = 'videos_retired'")
    assert sorted(event["payload"]["ids"]) == sorted(gone)
    api.log.clear()
    timeline.advance(days=2)
    await run_tracker_cycle(500)
    assert not set(gone) & {id_ for call in asked(api, "batchGetStats") for id_ in call}


async def test_deleted_videos_do_not_starve_the_others(db: Database, api: RunningSandbox, timeline: Timeline) -> None:
    ids = await discover(db, api, timeline, "python", "guitar", "cooking")
    delete(api, *ids[: len(ids) // 10])  # those that are due first
    shares = []
    for _ in range(30):
        stats = await run_tracker_cycle(50)
        shares.append(stats["updated"] / stats["targets"])
        timeline.advance(minutes=25)
    assert len(ids) > 125
    assert min(shares) > 0.6, shares
    assert sum(shares[15:]) / 15 > 0.88, shares
    recent = timeline.at - timedelta(hours=8)
    seen = await fetch(db, "SELECT DISTINCT video_id FROM video_stats_log WHERE observed_at > $1", recent)
    assert {row["video_id"] for row in seen} == set(ids[len(ids) // 10 :]), "each of the living has its turn"


@pytest.mark.parametrize("fault", ["empty-items:batchGetStats", "empty-items"])
async def test_an_answer_without_any_video_proves_nothing(
    db: Database, api: RunningSandbox, timeline: Timeline, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await discover(db, api, timeline, "python", "guitar")
    api.faults.add(fault)
    stats = await run_tracker_cycle(500)
    assert stats["outcome"] == "ok"
    assert await value(db, "SELECT max(absences) FROM videos") == 0
    if fault == "empty-items":
        assert (stats["updated"], stats["unanswered"]) == (0, len(ids))
        assert "in an answer that proves nothing" in caplog.text
    else:
        assert stats["updated"] == len(ids), "videos.list knew them"
    assert await still_due(db, timeline) == 0
    await assert_every_call_is_counted(db, api)


# ── when things go wrong ────────────────────────────────────────────────────────────────────────────────────────────


async def test_errors_of_the_server_are_0_updates_and_a_failure(
    db: Database, api: RunningSandbox, timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await discover(db, api, timeline, "python")
    api.faults.add("backend-error")
    stats = await run_tracker_cycle(500)
    assert (stats["outcome"], stats["updated"], stats["failed"]) == ("failure", 0, len(ids))
    assert [r.levelno for r in caplog.records if r.name == "maia.agents.api_call" and r.levelno > logging.INFO] == [
        logging.ERROR
    ]
    assert await nothing_is_claimed(db)
    assert await still_due(db, timeline) == len(ids), "still due"
    await assert_every_call_is_counted(db, api)


async def test_a_rate_limit_stores_what_was_answered_and_releases_the_rest(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    await discover(db, api, timeline, *MANY[:6])
    api.faults.add("rate-limit:batchGetStats:after=3")
    with pytest.raises(ChurnExit):
        await run_tracker_cycle(500)
    answered = {id_ for entry in api.log.calls("batchGetStats", status=200) for id_ in entry.ids}
    assert len(answered) == 150
    updated = await fetch(db, "SELECT video_id FROM video_stats_log WHERE observed_at > $1", timeline.at)
    assert {row["video_id"] for row in updated} == answered
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_a_statement_that_fails_skips_the_videos_of_its_call(
    db: Database, api: RunningSandbox, timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await discover(db, api, timeline, *MANY[:4])
    await refuse_writes(db, "video_stats_log", "INSERT", f"NEW.video_id = '{ids[60]}'")
    stats = await run_tracker_cycle(500)
    assert (stats["outcome"], stats["failed"], stats["updated"]) == ("ok", 50, len(ids) - 50)
    assert any(r.levelno == logging.ERROR and "50 videos are skipped" in r.getMessage() for r in caplog.records)
    written = await value(db, "SELECT count(*) FROM video_stats_log WHERE observed_at > $1", timeline.at)
    assert written == len(ids) - 50, "one call's transaction is undone, the others are kept"
    assert await nothing_is_claimed(db), "what failed is given back with the session"
    await assert_every_call_is_counted(db, api)


@pytest.mark.parametrize(
    ("enriched", "faults"),
    [
        ("25 days 1 hour", ()),  # a refresh that can only ask for the counts
        ("1 hour", ()),  # a suspect
        ("1 hour", ("not-found:batchGetStats:times=1",)),  # asked of videos.list first, and then of batchGetStats
    ],
)
async def test_a_video_of_which_nothing_is_known_and_that_cannot_be_put_off_is_skipped_alone(
    db: Database,
    api: RunningSandbox,
    timeline: Timeline,
    caplog: pytest.LogCaptureFixture,
    enriched: str,
    faults: Sequence[str],
) -> None:
    ids = await discover(db, api, timeline, "python")
    delete(api, ids[0])
    await db.fetch("UPDATE videos SET enriched_at = $1::timestamptz - $2::text::interval", timeline.at, enriched)
    await refuse_writes(db, "videos", "UPDATE", f"NEW.id = '{ids[0]}' AND NEW.due_at IS DISTINCT FROM OLD.due_at")
    api.quota.limits[Bucket.UNITS] = 0
    for fault in faults:
        api.faults.add(fault)
    stats = await run_tracker_cycle(50)
    assert (stats["updated"], stats["failed"], stats.get("unanswered", 0)) == (len(ids) - 1, 1, 0)
    assert stats["outcome"] == "ok"
    assert any(r.levelno == logging.ERROR and "1 videos are skipped" in r.getMessage() for r in caplog.records)
    assert await still_due(db, timeline) == 1
    assert await nothing_is_claimed(db), "what failed is given back with the session"
    await assert_every_call_is_counted(db, api)


async def test_without_the_control_ids_it_needs_a_call_is_skipped_alone(
    db: Database,
    api: RunningSandbox,
    timeline: Timeline,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids = (await discover(db, api, timeline, *MANY[:3]))[:100]
    await db.fetch("DELETE FROM videos WHERE NOT id = ANY ($1)", ids)
    api.faults.add("not-found:batchGetStats:times=1")
    api.faults.add("empty-items:batchGetStats")  # no video is there that could be a control id
    ask = way._rows

    async def rows(connection: asyncpg.Connection, statement: str, *more: Any) -> list[asyncpg.Record]:
        if statement == sql("tracker/select_control_ids"):
            raise StatementFailed("canceling statement due to statement timeout")
        return await ask(connection, statement, *more)

    monkeypatch.setattr(way, "_rows", rows)
    stats = await run_tracker_cycle(100)
    assert (stats["updated"], stats["failed"], stats["absent"], stats["outcome"]) == (50, 50, 0, "ok")
    assert any(r.levelno == logging.ERROR and "50 videos are skipped" in r.getMessage() for r in caplog.records)
    assert await still_due(db, timeline) == 50
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_the_tasks_work_outside_the_flow_and_without_the_batch_method_too(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, "rust")
    api.faults.add("not-found:batchGetStats")
    stats = await update_stats(await fetch_targets(500))
    assert (stats["updated"], stats.get("failed", 0)) == (len(ids), 0)


async def test_a_write_whose_answer_is_lost_is_counted_and_not_done_twice(
    db: Database, api: RunningSandbox, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await discover(db, api, timeline, "python")
    before = await value(db, "SELECT count(*) FROM video_stats_log")
    ask, lost = way._rows, []

    async def rows(connection: asyncpg.Connection, statement: str, *more: Any) -> list[asyncpg.Record]:
        found = await ask(connection, statement, *more)
        if statement == sql("tracker/update_videos") and not lost:
            lost.append(len(found))
            raise DatabaseUnavailable("its answer was lost")
        return found

    monkeypatch.setattr(way, "_rows", rows)
    stats = await run_tracker_cycle(50)
    assert lost == [stats["targets"]]
    assert stats["updated"] == stats["targets"] > 0
    assert await value(db, "SELECT count(*) FROM video_stats_log") == before + stats["targets"]
    assert await nothing_is_claimed(db)
