"""Answers of status 200 that are odd, and videos whose publish time moves: the agents against a local YouTube."""

from __future__ import annotations

from datetime import timedelta

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle
from youtube_sandbox import RunningSandbox

from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, value

pytestmark = pytest.mark.integration

QUERY = "rust"  # fewer than 50 videos in this world's last 24 h
HOUR = timedelta(hours=1)


async def hunt(db: Database, query: str = QUERY) -> dict[str, object]:
    """Searches the query as if it had never been searched."""
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add([query])
    return await run_hunter_cycle(1)


# ── premieres, ended live streams, scheduled videos ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("without", [(), ("not-found:batchGetStats",)], ids=["batchGetStats", "videos.list"])
async def test_a_premiere_is_read_hourly_once_it_was_broadcast(
    db: Database, api: RunningSandbox, timeline: Timeline, without: tuple[str, ...]
) -> None:
    api.faults.set(["upcoming:videos"])
    await hunt(db)
    before = {row["id"]: row for row in await fetch(db, "SELECT * FROM videos")}
    assert before
    assert {(row["zone"], row["duration"]) for row in before.values()} == {(3, timedelta())}, "as a premiere to come"
    api.faults.set(without)
    timeline.advance(hours=6, minutes=1)
    stats = await run_tracker_cycle(50)
    assert stats["updated"] == len(before), "upcoming ones are due after 6 h, not after a day"
    after = {row["id"]: row for row in await fetch(db, "SELECT * FROM videos")}
    young = 0
    for id_, row in after.items():
        video = api.world.video(id_, api.clock.now().timestamp())
        assert video is not None
        assert row["published_at"].timestamp() == video.published
        if not video.live(api.clock.now().timestamp()):
            assert row["duration"] == timedelta(seconds=video.duration)
        if timeline.at - row["published_at"] < 23 * HOUR:
            young += 1
            assert row["zone"] == 1
            assert row["due_at"] - timeline.at < HOUR + timedelta(minutes=1)
    assert young
    timeline.advance(hours=1, minutes=2)
    assert (await run_tracker_cycle(50))["updated"] >= young, "hourly"
    assert await nothing_is_claimed(db)


# ── odd lists ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("endpoint", ["batchGetStats", "videos"])
@pytest.mark.parametrize("kind", ["other-id", "twice", "no-statistics", "odd-numbers"])
async def test_an_odd_answer_gives_each_video_one_snapshot_and_no_absence(
    db: Database, api: RunningSandbox, timeline: Timeline, kind: str, endpoint: str
) -> None:
    ids = await discover(db, api, timeline, QUERY)
    faults = [f"{kind}:{endpoint}"]
    if endpoint == "videos":
        faults.append("not-found:batchGetStats")
    api.faults.set(faults)
    stats = await run_tracker_cycle(50)
    assert (stats["updated"], stats["absent"], stats["outcome"]) == (len(ids), 0, "ok")
    assert {row["id"] for row in await fetch(db, "SELECT id FROM videos")} == set(ids)
    read = await fetch(db, "SELECT * FROM video_stats_log WHERE observed_at > $1", timeline.at)
    assert sorted(row["video_id"] for row in read) == sorted(ids)
    known = kind in ("other-id", "twice")
    assert all((row["views"] is not None) is known for row in read), "what makes no sense is not known"
    assert await value(db, "SELECT max(absences) FROM videos") == 0
    await assert_every_call_is_counted(db, api)


async def test_an_id_in_an_unknown_member_is_asked_of_videos_list(
    db: Database, api: RunningSandbox, timeline: Timeline, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await discover(db, api, timeline, QUERY)
    api.faults.add("unknown-member:batchGetStats")
    stats = await run_tracker_cycle(50)
    assert (stats["updated"], stats["absent"]) == (len(ids), 0)
    assert "notFoundIds" in caplog.text
    assert await value(db, "SELECT max(absences) FROM videos") == 0


async def test_an_answer_with_an_unknown_member_proves_no_absence(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    ids = await discover(db, api, timeline, QUERY)
    api.faults.set(["not-found:batchGetStats", "unknown-member:videos"])
    for _ in range(4):
        stats = await run_tracker_cycle(50)
        assert (stats["absent"], stats["retired"], stats["unanswered"]) == (0, 0, 1)
        assert stats["updated"] == len(ids) - 1
        await db.fetch("UPDATE videos SET due_at = $1", timeline.at)
        timeline.advance(hours=7)
        await db.fetch("UPDATE videos SET due_at = $1", timeline.at)
        ids = [row["id"] for row in await fetch(db, "SELECT id FROM videos WHERE due_at IS NOT NULL")]


@pytest.mark.parametrize("faults", [["other-id:videos"], ["twice:search", "twice:videos"], ["unknown-member:videos"]])
async def test_a_search_whose_answers_are_odd_stores_each_video_once(
    db: Database, api: RunningSandbox, faults: list[str]
) -> None:
    api.faults.set(faults)
    stats = await hunt(db)
    found = {id_ for entry in api.log.calls("search") for id_ in entry.ids}
    assert stats["outcome"] == "ok"
    assert {row["id"] for row in await fetch(db, "SELECT id FROM videos")} == found
    unread = await value(db, "SELECT count(*) FROM videos WHERE enriched_at IS NULL")
    assert unread == (1 if "unknown-member" in faults[0] else 0), "a later cycle enriches it"
