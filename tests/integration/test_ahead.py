"""What a process wrote whose clock was three days ahead: the next claim repairs it, and `atlas status` shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import ReportDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql
from atlas.errors import KeysRejected, RingExhausted
from atlas.keyring import KeyRing
from atlas.models.rows import Presence, TopicStatus, VideoUpdate
from atlas.models.youtube import Video
from atlas.quota.buckets import Bucket

from ..support.clock_settings import standing_at

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)  # Pacific
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AHEAD = NOON + 3 * DAY


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


async def fetch(db: Database, statement: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(statement)]


async def ahead() -> int:
    return (await ReportDAO().ahead()).videos.number


@pytest.mark.parametrize("writer", ["hunter", "tracker"])
async def test_videos_that_a_clock_three_days_ahead_put_off_are_read_now(
    db: Database, writer: str, caplog: pytest.LogCaptureFixture
) -> None:
    ages = {"young": HOUR, "week": 2 * DAY, "old": 20 * DAY}
    videos = [Video(id=id_, published_at=NOON - age, views=1) for id_, age in ages.items()]
    with at(AHEAD if writer == "hunter" else NOON - 2 * DAY):
        await MaiaDAO().ingest_video_metadata(videos)
    if writer == "tracker":
        with at(AHEAD):
            dao = MaiaDAO()
            assert len(await dao.fetch_tracker_targets()) == len(videos)
            await dao.update_video_stats_batch([VideoUpdate(video.id, Presence.PRESENT, 2) for video in videos])
    with at(NOON):
        assert await ahead() == len(videos)
        dao = MaiaDAO()
        claimed = await dao.fetch_tracker_targets()
        assert {row["id"] for row in claimed} == set(ages)
        assert await ahead() == 0
        (warning,) = caplog.messages
        assert warning.startswith("3 videos would have waited longer than the schedule allows and are due now")
        for row in await fetch(db, "SELECT first_seen_at, last_updated_at, enriched_at FROM videos"):
            assert all(moment <= NOON + HOUR for moment in row.values())
        await dao.update_video_stats_batch([VideoUpdate(video.id, Presence.PRESENT, 3) for video in videos])
    due = {row["id"]: (row["zone"], row["due_at"] - NOON) for row in await fetch(db, "SELECT * FROM videos")}
    second = timedelta(seconds=1)
    assert due == {
        "young": (1, pytest.approx(HOUR, abs=second)),
        "week": (2, pytest.approx(6 * HOUR, abs=second)),
        "old": (3, pytest.approx(DAY, abs=second)),
    }


@pytest.mark.parametrize(
    ("age", "pending"),
    [(HOUR, False), (-5 * HOUR, True), (-5 * DAY, True), (-5 * DAY, False), (2 * DAY, False), (9 * DAY, True)],
)
async def test_what_the_schedule_allows_stays_as_it_is(db: Database, age: timedelta, pending: bool) -> None:
    """Premieres, too, which are due when they are broadcast; also by a clock that is minutes ahead."""
    video = Video(id="video", published_at=NOON - age, duration=timedelta() if pending else HOUR)
    with at(NOON + timedelta(minutes=9)):
        await MaiaDAO().ingest_video_metadata(video)
    before = await fetch(db, "SELECT * FROM videos")
    with at(NOON):
        assert await MaiaDAO().fetch_tracker_targets() == []
        assert await ahead() == 0
    assert await fetch(db, "SELECT * FROM videos") == before


async def test_what_a_shard_holds_is_left_to_it_and_the_rest_is_bounded(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas.adapters.claims._REPAIRED_AT_ONCE", 2)
    with at(AHEAD):
        await MaiaDAO().ingest_video_metadata([Video(id=f"video{n}", published_at=NOON) for n in range(4)])
    await db.fetch("UPDATE videos SET leased_until = now() + interval '1 hour' WHERE id = 'video0'")
    with at(NOON):
        assert len(await MaiaDAO().fetch_tracker_targets()) == 2
        assert len(await MaiaDAO().fetch_tracker_targets()) == 1
        assert await ahead() == 1


async def test_videos_found_in_the_future_are_archived_and_asked_again_in_time(db: Database) -> None:
    with at(AHEAD):
        await MaiaDAO().ingest_video_metadata([Video(id="whole", published_at=NOON)])
        await MaiaDAO().ingest_video_metadata([Video(id="partial", published_at=NOON, partial=True)])
    await db.fetch("UPDATE videos SET last_absent_at = first_seen_at, due_at = NULL")
    with at(NOON):
        await MaiaDAO().fetch_tracker_targets()
    for row in await fetch(db, "SELECT * FROM videos WHERE id = 'partial'"):
        assert (row["last_updated_at"], row["enriched_at"], row["archived_at"]) == (None, None, None)
    with at(NOON + 7 * HOUR):
        claimed = await MaiaDAO().fetch_unfinished(10, archive=True)
    assert {row["id"] for row in claimed} == {"whole", "partial"}


async def test_a_process_looks_once_in_ten_minutes(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    ask = db.fetch

    async def listening(statement: str, *arguments: Any, **options: Any) -> Any:
        sent.append(statement)
        return await ask(statement, *arguments, **options)

    monkeypatch.setattr(db, "fetch", listening)
    dao = MaiaDAO()
    for _ in range(3):
        await dao.fetch_tracker_targets()
        await dao.fetch_unfinished(10, archive=True)
        await dao.fetch_hunter_batch()
    assert (sent.count(sql("claims/repair_videos")), sent.count(sql("claims/repair_topics"))) == (1, 1)
    monkeypatch.setattr("atlas.adapters.claims._REPAIRED_EVERY", 0.0)
    await dao.fetch_tracker_targets()
    assert sent.count(sql("claims/repair_videos")) == 2


@pytest.fixture
async def hunted(db: Database) -> MaiaDAO:
    await QueueDAO().add(["python"])
    return MaiaDAO()


@pytest.mark.parametrize(("barren", "rest"), [(0, 6 * HOUR), (1, 12 * HOUR), (9, 7 * DAY)])
async def test_topics_that_a_clock_three_days_ahead_put_off_are_searched_now(
    db: Database, hunted: MaiaDAO, caplog: pytest.LogCaptureFixture, barren: int, rest: timedelta
) -> None:
    for moment, ahead in ((NOON, 0), (AHEAD, 1)):
        await db.fetch(
            "UPDATE search_queue SET status = 'active', due_at = NULL, rounds_without_new = $1", max(barren - 1, 0)
        )
        with at(moment):
            (row,) = await hunted.fetch_hunter_batch(1)
            await hunted.update_search_state(row["id"], None, 0, TopicStatus.WAITING, new=not barren)
        (stored,) = await fetch(db, "SELECT * FROM search_queue")
        assert stored["due_at"] == pytest.approx(moment + rest, abs=timedelta(seconds=1))
        with at(NOON):
            assert (await ReportDAO().ahead()).queries.number == ahead
            caplog.clear()
            assert len(await MaiaDAO().fetch_hunter_batch(1)) == ahead
            assert len([line for line in caplog.messages if line.startswith("1 queries would have waited")]) == ahead
        await db.fetch("UPDATE search_queue SET leased_until = NULL, lease_token = NULL")


@pytest.mark.parametrize("pages", ["all", "first"])
async def test_no_part_of_a_window_is_lost_to_a_clock_that_was_ahead(db: Database, hunted: MaiaDAO, pages: str) -> None:
    """Its windows lay in the future: they end no round, and what came before them is searched."""
    with at(AHEAD):
        (row,) = await hunted.fetch_hunter_batch(1)
        more = ("PAGE2", 50, TopicStatus.ACTIVE) if pages == "first" else (None, 3, TopicStatus.WAITING)
        await hunted.update_search_state(row["id"], *more, new=1)
    with at(NOON):
        (row,) = await MaiaDAO().fetch_hunter_batch(1)
    window = row["published_after"], row["published_before"]
    assert window == pytest.approx((NOON - DAY, NOON), abs=timedelta(seconds=1))
    assert (row["next_page_token"], row["page"], row["round_pages"]) == (None, 0, 0)
    assert await fetch(db, "SELECT * FROM events WHERE type = 'search_gap'") == []


async def test_a_page_token_from_the_future_is_of_unknown_age(db: Database, hunted: MaiaDAO) -> None:
    with at(NOON):
        (row,) = await hunted.fetch_hunter_batch(1)
        await hunted.update_search_state(row["id"], "PAGE2", 50, TopicStatus.ACTIVE, new=50)
    await db.fetch("UPDATE search_queue SET last_searched_at = $1, oldest_read = $2", AHEAD, NOON - HOUR)
    with at(NOON):
        (row,) = await MaiaDAO().fetch_hunter_batch(1)
    assert (row["next_page_token"], row["published_before"]) == (None, NOON - HOUR)


@pytest.mark.parametrize("what", ["bucket", "key"])
async def test_a_suspension_that_ends_later_than_any_can_holds_nothing(db: Database, what: str) -> None:
    key = {"youtube_api_key_pool_json": json.dumps({"hunting": ["key-a"]})}

    async def suspend() -> None:
        ring = KeyRing("hunting")
        reservation = await ring.acquire(Bucket.SEARCH)
        await (ring.quota_spent(reservation) if what == "bucket" else ring.reject(reservation, reason="wrong"))

    with settings.override(**key), at(AHEAD):
        await suspend()
    with settings.override(**key), at(NOON):
        assert (await ReportDAO().ahead()).calls == 1
        await suspend()  # it is asked, refused, and suspended until the right time
        with pytest.raises((RingExhausted, KeysRejected)):
            await KeyRing("hunting").acquire(Bucket.SEARCH)
        (row,) = await fetch(db, "SELECT suspended_until FROM key_suspensions")
        assert row["suspended_until"] <= NOON + 25 * HOUR
