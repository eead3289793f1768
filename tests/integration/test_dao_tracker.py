"""MaiaDAO on a real PostgreSQL: claims of videos, their leases, and what an update writes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.keyring import KeyRing
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import Video
from atlas.quota.buckets import Bucket

from ..support.clock_settings import running_from, standing_at

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


def about(moment: datetime) -> Any:
    return pytest.approx(moment, abs=timedelta(seconds=1))


async def seed(moment: datetime = NOON - DAY, **ages: timedelta) -> None:
    """Videos that are stored at a moment, each so old then."""
    videos = [Video(id=id_, published_at=moment - age, views=1, likes=1, comments=1) for id_, age in ages.items()]
    with at(moment):
        await MaiaDAO().ingest_video_metadata(videos)


async def claim(dao: MaiaDAO, n: int = 50) -> list[str]:
    return [row["id"] for row in await dao.fetch_tracker_targets(n)]


async def lease_passes(db: Database) -> None:
    await db.fetch("UPDATE videos SET leased_until = now() - interval '1 second'")


async def row_of(db: Database, id_: str = "video") -> dict[str, Any]:
    (row,) = await db.fetch("SELECT * FROM videos WHERE id = $1", id_)
    return dict(row)


async def snapshots(db: Database, id_: str = "video") -> list[tuple[Any, ...]]:
    rows = await db.fetch(
        "SELECT views, likes, comments FROM video_stats_log WHERE video_id = $1 ORDER BY observed_at", id_
    )
    return [tuple(row) for row in rows]


def present(id_: str = "video", views: int | None = 2, **known: Any) -> VideoUpdate:
    return VideoUpdate(id_, Presence.PRESENT, views)._replace(**known)


async def update(moment: datetime, *updates: VideoUpdate) -> MaiaDAO:
    """What an answer at a moment says of videos that are due then."""
    dao = MaiaDAO()
    with at(moment):
        assert {each.id for each in updates} <= set(await claim(dao))
        await dao.update_video_stats_batch(updates)
        await dao.release_claims()
    return dao


async def absent(moment: datetime, id_: str = "video") -> MaiaDAO:
    return await update(moment, VideoUpdate(id_, Presence.ABSENT))


# ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 2, 3, 5, 50])
async def test_zone_1_is_claimed_before_2_before_3_and_in_each_the_longest_due_first(db: Database, size: int) -> None:
    await seed(NOON - 3 * DAY, cold_a=30 * DAY, warm_a=3 * DAY, hot_a=HOUR)
    await seed(NOON - 2 * DAY, cold_b=30 * DAY, warm_b=3 * DAY, hot_b=HOUR)
    with at(NOON):
        assert await claim(MaiaDAO(), size) == ["hot_a", "hot_b", "warm_a", "warm_b", "cold_a", "cold_b"][:size]


async def test_a_video_is_due_from_its_due_time_on(db: Database) -> None:
    await seed(NOON, video=HOUR)
    due = (await row_of(db))["due_at"]
    assert due == about(NOON + HOUR)
    with at(due - timedelta(seconds=1)):
        assert await claim(MaiaDAO()) == []
    with at(due):
        assert await claim(MaiaDAO()) == ["video"]


async def test_a_claim_names_its_shard_and_lasts_until_the_lease_ends_in_real_time(db: Database) -> None:
    await seed(video=HOUR)
    first, second = MaiaDAO("tracker 0/2"), MaiaDAO("tracker 1/2")
    with at(NOON), settings.override(tracker_lease_seconds=300):
        (target,) = await first.fetch_tracker_targets()
    assert (target["zone"], target["title"]) == (1, None)
    row = await row_of(db)
    assert (row["leased_by"], row["lease_token"]) == ("tracker 0/2", target["lease_token"])
    (left,) = await db.fetch("SELECT leased_until - now() AS left FROM videos")
    assert timedelta(seconds=240) < left["left"] <= timedelta(seconds=300)
    with at(NOON + 30 * DAY):  # however fast the schedule clock runs
        assert await claim(second) == []
        await lease_passes(db)
        assert await claim(second) == ["video"]
        assert await first.release_claims() == 0, "a late shard releases nothing of another's"
        assert await claim(first) == []
        assert (await row_of(db))["leased_by"] == "tracker 1/2"
        assert [await second.release_claims(), await second.release_claims()] == [1, 0]
        assert await claim(first) == ["video"], "it may be taken at once"


async def test_many_claims_at_once_never_share_a_video(db: Database) -> None:
    await seed(**{f"video{n:03d}": timedelta(hours=n % 300) for n in range(200)})
    with at(NOON):
        batches = await asyncio.gather(*(claim(MaiaDAO(str(n)), 30) for n in range(8)))
    claimed = [id_ for batch in batches for id_ in batch]
    assert len(claimed) == len(set(claimed)) == 200


async def test_an_empty_claim_says_why(db: Database) -> None:
    dao = MaiaDAO()
    assert "maia hunter" in await dao.why_no_targets()
    await seed(NOON, video=HOUR)
    with at(NOON):
        assert "before 2026-11-22T13:00Z" in await dao.why_no_targets()
    with at(NOON + HOUR):
        assert await dao.why_no_targets() == "the videos that are due are leased by other shards, or are being written"
    await db.fetch("UPDATE videos SET due_at = NULL")
    assert await dao.why_no_targets() == "no video is due"


# ── updates ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("age", "zone", "interval"), [(5 * HOUR, 1, HOUR), (2 * DAY, 2, 6 * HOUR), (20 * DAY, 3, DAY)])
async def test_an_update_writes_snapshot_zone_due_time_and_the_end_of_the_lease(
    db: Database, age: timedelta, zone: int, interval: timedelta
) -> None:
    await seed(NOON - 2 * DAY, video=age - 2 * DAY)
    dao = MaiaDAO()
    with at(NOON):
        assert await claim(dao) == ["video"]
        assert await dao.update_video_stats_batch([present(views=10, likes=3, comments=1)]) == 1
    row = await row_of(db)
    assert row["last_updated_at"] == about(NOON)
    assert (row["zone"], row["due_at"] - row["last_updated_at"]) == (zone, interval)
    assert (row["leased_until"], row["lease_token"], row["leased_by"]) == (None, None, None)
    assert await snapshots(db) == [(1, 1, 1), (10, 3, 1)]
    (last,) = await db.fetch("SELECT max(observed_at) AS at FROM video_stats_log")
    assert last["at"] == row["last_updated_at"]


@pytest.mark.parametrize("presence", Presence)
async def test_a_premiere_is_still_one_after_an_answer_that_leaves_out_its_length(
    db: Database, presence: Presence
) -> None:
    await seed(NOON - DAY, video=10 * DAY)
    await db.fetch("UPDATE videos SET duration = '0'")
    await update(NOON, VideoUpdate("video", presence))
    row = await row_of(db)
    assert (row["zone"], row["duration"], row["due_at"]) == (3, timedelta(), about(NOON + 6 * HOUR))


@pytest.mark.parametrize(
    ("age", "duration", "zone", "interval"),
    [
        (2 * HOUR, timedelta(minutes=62), 1, HOUR),
        (20 * DAY, timedelta(), 3, 6 * HOUR),  # live or upcoming: its publish time is about to move
        (20 * DAY, HOUR, 3, DAY),
        (-5 * HOUR, timedelta(), 1, 5 * HOUR),  # upcoming, with a publish time to come: read then
        (-30 * DAY, timedelta(), 1, DAY),
    ],
)
async def test_a_reading_writes_publish_time_and_duration_and_the_zone_follows(
    db: Database, age: timedelta, duration: timedelta, zone: int, interval: timedelta
) -> None:
    await seed(NOON - 21 * DAY, video=HOUR)
    await db.fetch("UPDATE videos SET duration = '0', archived_at = first_seen_at")
    await update(NOON, present(published_at=NOON - age, duration=duration))
    row = await row_of(db)
    assert (row["published_at"], row["duration"], row["zone"]) == (NOON - age, duration, zone)
    assert row["due_at"] == about(NOON + interval)
    assert row["archived_at"] is None, "the archive's record is out of date"


async def test_a_missing_value_overwrites_nothing(db: Database) -> None:
    await seed(NOON - 20 * DAY, video=HOUR)
    await db.fetch("UPDATE videos SET duration = '5 min', archived_at = first_seen_at")
    before = await row_of(db)
    await update(NOON, present())
    after = await row_of(db)
    names = ("published_at", "duration", "archived_at")
    assert [after[name] for name in names] == [before[name] for name in names]
    assert after["zone"] == 3


async def test_a_video_of_unknown_birth_ages_from_when_it_was_first_seen(db: Database) -> None:
    with at(NOON - 2 * DAY):
        await MaiaDAO().ingest_video_metadata(Video(id="video"))
    await update(NOON, present())
    assert (await row_of(db))["zone"] == 2


async def test_hidden_likes_and_comments_are_null_and_counts_may_fall_and_be_huge(db: Database) -> None:
    read = {"hidden": (0, None, None), "huge": (2**63 - 1, 2**40, 2**33), "none": (None, None, None)}
    await seed(**dict.fromkeys(read, HOUR))
    await update(NOON, *(VideoUpdate(id_, Presence.PRESENT, *counts) for id_, counts in read.items()))
    assert {id_: (await snapshots(db, id_))[-1] for id_ in read} == read


async def test_an_update_settles_its_call_in_the_same_statement_also_of_a_late_shard(db: Database) -> None:
    await seed(video=HOUR)
    dao = MaiaDAO("late")
    with at(NOON), settings.override(youtube_api_key_pool_json='{"tracking": ["key"]}'):
        await claim(dao)
        ring = KeyRing("tracking")
        for written in (1, 0):
            with ring.settling([await ring.acquire(Bucket.BATCH)]) as calls:
                assert await dao.update_video_stats_batch([present()], calls=calls) == written
    (row,) = await db.fetch("SELECT sum(reserved) AS reserved, sum(settled) AS settled FROM api_calls")
    assert tuple(row) == (2, 2)
    assert len(await snapshots(db)) == 2


async def test_a_late_shard_writes_nothing_unless_nobody_else_took_the_video(db: Database) -> None:
    await seed(video=HOUR)
    late, other = MaiaDAO("late"), MaiaDAO("other")
    with at(NOON):
        await claim(late)
        await lease_passes(db)
        await claim(other)
        await lease_passes(db)
    before = await row_of(db)
    with at(NOON + HOUR):
        assert await late.update_video_stats_batch([present(views=99)]) == 0
    assert await row_of(db) == before
    assert await snapshots(db) == [(1, 1, 1)]
    with at(NOON):
        assert await other.update_video_stats_batch([present(views=5)]) == 1
    assert await snapshots(db) == [(1, 1, 1), (5, None, None)]


async def test_only_claimed_videos_are_updated(db: Database) -> None:
    await seed(mine=HOUR, other=HOUR)
    dao = MaiaDAO()
    with at(NOON):
        mine = await claim(dao, 1)
        assert await dao.update_video_stats_batch([present("mine"), present("other"), present("unknown")]) == 1
        assert await dao.update_video_stats_batch([present(mine[0])]) == 0
        assert await dao.update_video_stats_batch([]) == 0


async def test_an_answered_refresh_is_one_snapshot_also_of_a_video_that_had_none(db: Database) -> None:
    with at(NOON - DAY):
        await MaiaDAO().ingest_video_metadata(Video(id="video", published_at=NOON - DAY, partial=True))
    dao = MaiaDAO()
    await db.fetch("UPDATE videos SET due_at = $1", NOON - HOUR)
    with settings.override(atlas_clock=running_from(NOON)):
        assert await claim(dao) == ["video"]
        async with dao.transaction():
            await dao.ingest_video_metadata(Video(id="video", published_at=NOON - DAY, views=7))
            assert await dao.update_video_stats_batch([present(views=7)]) == 1
    assert await snapshots(db) == [(7, None, None)]
    row = await row_of(db)
    assert row["due_at"] - row["last_updated_at"] == 6 * HOUR
    assert row["enriched_at"] == row["last_updated_at"]


@pytest.mark.parametrize("presence", [Presence.PRESENT, Presence.ABSENT])
async def test_what_is_rolled_back_stays_claimed_and_is_not_counted(db: Database, presence: Presence) -> None:
    await seed(NOON - 30 * DAY, video=5 * DAY)
    await db.fetch("UPDATE videos SET absences = 2")
    dao, written = MaiaDAO(), [VideoUpdate("video", presence, 2)]
    with at(NOON):
        await claim(dao)
        with pytest.raises(RuntimeError):
            async with dao.transaction():
                await dao.update_video_stats_batch(written)
                raise RuntimeError
        assert (await snapshots(db), dao.retired) == ([(1, 1, 1)], 0)
        assert await claim(MaiaDAO()) == []
        assert await dao.update_video_stats_batch(written) == (presence is Presence.PRESENT)
        assert dao.retired == (presence is Presence.ABSENT)


# ── absences ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_three_absences_six_hours_apart_retire_a_video(db: Database) -> None:
    await seed(NOON - 30 * DAY, gone=5 * DAY)
    for n, moment in enumerate((NOON, NOON + DAY + HOUR, NOON + 3 * DAY)):
        row = await row_of(db, "gone")
        assert (row["absences"], row["retired_at"]) == (n, None)
        dao = await absent(moment, "gone")
    row = await row_of(db, "gone")
    assert (row["retired_at"], row["due_at"], dao.retired) == (about(NOON + 3 * DAY), None, 1)
    (event,) = await db.fetch("SELECT type, payload FROM events")
    assert (event["type"], event["payload"]) == ("videos_retired", {"ids": ["gone"]})
    assert await snapshots(db, "gone") == [(1, 1, 1)]


async def test_absences_closer_than_six_hours_count_once(db: Database) -> None:
    await seed(NOON - HOUR, video=HOUR)
    counted = []
    for n in range(12):  # zone 1 is asked every hour
        await absent(NOON + n * (HOUR + timedelta(minutes=1)))
        counted.append((await row_of(db))["absences"])
    assert counted == [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    last = (await row_of(db))["last_absent_at"]
    await db.fetch("UPDATE videos SET last_absent_at = last_absent_at - interval '6 hours', due_at = $1", last)
    await absent(last)
    assert (await row_of(db))["absences"] == 3, "exactly six hours are enough"


async def test_being_there_again_resets_the_absences(db: Database) -> None:
    await seed(NOON - 30 * DAY, video=5 * DAY)
    await absent(NOON)
    await absent(NOON + 2 * DAY)
    await update(NOON + 4 * DAY, present())
    row = await row_of(db)
    assert (row["absences"], row["last_absent_at"]) == (0, None)
    await absent(NOON + 6 * DAY)
    await absent(NOON + 8 * DAY)
    assert (await row_of(db))["retired_at"] is None


async def test_what_proves_nothing_is_rescheduled_and_does_not_count(db: Database) -> None:
    await seed(NOON - 30 * DAY, video=5 * DAY)
    await absent(NOON)
    before = await row_of(db)
    await update(NOON + 2 * DAY, VideoUpdate("video", Presence.UNANSWERED))
    row = await row_of(db)
    assert row["due_at"] == about(NOON + 3 * DAY)
    names = ("absences", "last_absent_at", "last_updated_at", "retired_at")
    assert [row[name] for name in names] == [before[name] for name in names]
    assert await snapshots(db) == [(1, 1, 1)]


@pytest.mark.parametrize("presence", [Presence.ABSENT, Presence.UNANSWERED])
async def test_those_without_an_answer_do_not_sort_first_for_ever(db: Database, presence: Presence) -> None:
    await seed(NOON - 30 * DAY, silent=30 * DAY)
    await seed(NOON - 29 * DAY, other=30 * DAY)
    with at(NOON):
        dao = MaiaDAO()
        assert await claim(dao, 1) == ["silent"]
        await dao.update_video_stats_batch([VideoUpdate("silent", presence)])
        assert await claim(MaiaDAO(), 1) == ["other"]


async def test_a_retired_video_is_never_claimed_until_it_is_found_again(db: Database) -> None:
    await seed(NOON - 30 * DAY, video=5 * DAY)
    for n in range(3):
        await absent(NOON + 2 * n * DAY)
    later = NOON + 60 * DAY
    with at(later):
        assert await claim(MaiaDAO()) == []
        assert await MaiaDAO().fetch_unfinished(10, archive=True) == []
        assert await MaiaDAO().known_videos({"video": None}) == frozenset()
        await MaiaDAO().ingest_video_metadata(Video(id="video", partial=True))
        assert (await row_of(db))["retired_at"] is not None
        await MaiaDAO().ingest_video_metadata(Video(id="video", views=5))
    row = await row_of(db)
    assert (row["retired_at"], row["absences"], row["last_absent_at"]) == (None, 0, None)
    with at(later + DAY + HOUR):
        assert await claim(MaiaDAO()) == ["video"]


async def test_control_ids_are_videos_that_were_there_when_last_asked(db: Database) -> None:
    await seed(NOON - 10 * DAY, absent=5 * DAY, there=5 * DAY, hot=HOUR)
    await absent(NOON, "absent")
    assert set(await MaiaDAO().fetch_control_ids(5)) == {"there", "hot"}
    assert len(await MaiaDAO().fetch_control_ids(1)) == 1
