"""The Janitor on a real PostgreSQL: what goes and what stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas import vault
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.retention import RetentionDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from maia.agents.enrichment import finish_earlier
from maia.errors import Unconfirmed
from maia.hunter import run_hunter_cycle
from maia.janitor import run_janitor_cycle
from youtube_sandbox import RunningSandbox

from ...support.agents import Timeline, fetch, refuse_writes, survivors, value
from ...support.retention_rows import (
    DAY,
    counts,
    everything,
    keep,
    put_channel,
    put_notes,
    put_query,
    put_run,
    put_snapshots,
    put_video,
    values,
)

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


@pytest.fixture
def role() -> None:
    """The owner's: what the Janitor may do as `maia_janitor` is seen in test_janitor_processes.py."""


@pytest.fixture(autouse=True)
def _place(vault_folder: Path, timeline: Timeline) -> None:
    """An archive of the test's own, and the schedule clock; no key and no YouTube."""


async def test_snapshots_go_after_their_days_and_room_is_made_for_those_to_come(
    db: Database, timeline: Timeline
) -> None:
    await put_video(db, "video", timeline.at, seen=40, enriched=1, read=0)
    await put_snapshots(db, "video", timeline.at, 90, 31, 30.01, 29.99, 1)
    stats = await run_janitor_cycle()
    assert stats["outcome"] == "ok"
    assert await value(db, "SELECT min(observed_at) FROM video_stats_log") == timeline.at - 29.99 * DAY
    assert await value(db, "SELECT count(*) FROM video_stats_log") == 2
    again = await run_janitor_cycle()
    assert (again["outcome"], again["partitions_made"]) == ("idle", 0)
    timeline.advance(days=20)
    await run_janitor_cycle()
    assert await values(db, "SELECT observed_at FROM video_stats_log") == [timeline.at - 21 * DAY]


async def test_whole_partitions_are_dropped(db: Database, timeline: Timeline) -> None:
    await run_janitor_cycle()
    before = await values(db, "SELECT inhrelid::regclass::text FROM pg_inherits")
    if not before:
        pytest.skip("a hypertable's chunks are dropped by tests/integration/snapshots")
    timeline.advance(days=7)
    await put_video(db, "video", timeline.at, seen=1, enriched=1, read=0)
    await put_snapshots(db, "video", timeline.at, *range(7))
    timeline.advance(days=60)
    stats = await run_janitor_cycle()
    assert stats["partitions_dropped"] >= 2
    assert stats["partitions_made"] >= 2
    assert not await values(db, "SELECT 1 FROM video_stats_log")


KEPT = [
    ("read again", {"seen": 400, "enriched": 29.9, "read": 0}),
    ("never enriched, young", {"seen": 29.9}),
    ("gone lately", {"seen": 20, "enriched": 20, "read": 9, "retired": 6.9}),
    ("never enriched, gone lately", {"seen": 20, "retired": 1}),
]
GONE = [
    ("not read again", {"seen": 31, "enriched": 30.1, "read": 0}),
    ("not read again, long", {"seen": 400, "enriched": 200, "read": 0}),
    ("never enriched", {"seen": 30.1}),
    ("gone for long", {"seen": 20, "enriched": 20, "read": 9, "retired": 7.1}),
    ("gone lately, not read again", {"seen": 40, "enriched": 30.1, "read": 9, "retired": 1}),
    ("gone lately, never enriched", {"seen": 30.1, "retired": 1}),
]


async def test_videos_go_when_their_metadata_was_not_read_again_or_youtube_has_them_no_longer(
    db: Database, timeline: Timeline
) -> None:
    """And channels with their last video."""
    channels = {"read again": "both", "not read again": "both"}
    for id_, columns in (*KEPT, *GONE):
        channel = channels.setdefault(id_, id_)
        await db.fetch("INSERT INTO channels VALUES ($1, 'a channel', now(), now()) ON CONFLICT DO NOTHING", channel)
        await put_video(db, id_, timeline.at, **columns, channel=channel)
        await put_snapshots(db, id_, timeline.at, 20, 10)
    await put_channel(db, "empty", timeline.at)
    number = len(GONE)
    gone = {"videos_deleted": number, "snapshots_deleted": 2 * number, "channels_deleted": number}
    assert await keep(batch_size=2) == gone
    left = sorted(id_ for id_, _ in KEPT)
    assert await values(db, "SELECT id FROM videos ORDER BY 1") == left
    assert set(await values(db, "SELECT id FROM channels")) == {channels[id_] for id_ in left}
    assert await values(db, "SELECT DISTINCT video_id FROM video_stats_log ORDER BY 1") == left
    assert await value(db, "SELECT count(*) FROM video_stats_log") == 2 * len(left)


async def test_a_setting_shortens_what_is_kept(
    db: Database, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, days in (("METADATA", "10"), ("STATISTICS", "5"), ("RETIRED", "0")):
        monkeypatch.setenv(f"RETENTION_{name}_DAYS", days)
    timeline.set(timeline.at)
    await put_video(db, "fresh", timeline.at, seen=40, enriched=9, read=0)
    await put_video(db, "stale", timeline.at, seen=40, enriched=11, read=0)
    await put_video(db, "retired", timeline.at, seen=40, enriched=1, retired=0.01)
    await put_snapshots(db, "fresh", timeline.at, 6, 4)
    assert await keep() == {"videos_deleted": 2, "snapshots_deleted": 1}
    assert await values(db, "SELECT id FROM videos") == ["fresh"]


@pytest.fixture
def audited(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that YouTube has accepted, which keeps counts for a year."""
    monkeypatch.setenv("YOUTUBE_AUDITED", "true")
    monkeypatch.setenv("RETENTION_STATISTICS_DAYS", "365")
    timeline.set(timeline.at)


@pytest.mark.usefixtures("audited")
async def test_where_counts_are_kept_longer_a_video_loses_its_metadata_alone(db: Database, timeline: Timeline) -> None:
    await put_channel(db, "channel", timeline.at)
    await put_video(db, "stale", timeline.at, seen=90, enriched=31, read=0, archived=31, channel="channel")
    await put_video(db, "fresh", timeline.at, seen=90, enriched=29, read=0, archived=29)
    await put_video(db, "never", timeline.at, seen=31)
    await put_video(db, "gone", timeline.at, seen=90, enriched=31, read=9, retired=8)
    await put_video(db, "gone lately", timeline.at, seen=90, enriched=31, read=9, retired=6)
    for id_ in ("stale", "fresh", "gone", "gone lately"):
        await put_snapshots(db, id_, timeline.at, 360, 80, 10)
    assert await keep() == {
        "videos_deleted": 2,
        "videos_blanked": 2,
        "snapshots_deleted": 3,
        "channels_deleted": 1,
    }
    rows = {row["id"]: row for row in await fetch(db, "SELECT * FROM videos")}
    assert set(rows) == {"stale", "fresh", "gone lately"}
    for id_ in ("stale", "gone lately"):
        known = {name for name, there in rows[id_].items() if there is not None}
        assert known <= {"id", "first_seen_at", "last_updated_at", "zone", "due_at", "absences", "retired_at"}
    assert rows["fresh"]["title"] == "a title"
    assert await value(db, "SELECT count(*) FROM video_stats_log") == 9
    assert (await run_janitor_cycle())["outcome"] == "idle", "once is enough"
    assert [row["id"] for row in await MaiaDAO().fetch_unfinished(50, archive=True)] == ["stale"], (
        "it is asked for again"
    )
    await db.fetch("UPDATE videos SET leased_until = NULL, lease_token = NULL")
    timeline.advance(days=366)
    assert await keep() == {"videos_deleted": 2, "videos_blanked": 1}
    assert await keep() == {"videos_deleted": 1}, "it goes with its last counts"
    assert not await values(db, "SELECT 1 FROM videos") + await values(db, "SELECT 1 FROM video_stats_log")


@pytest.mark.usefixtures("audited")
async def test_a_blanked_video_is_refreshed_if_it_is_there_and_else_retired(
    db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    await QueueDAO().add(["python"])
    await run_hunter_cycle(1)
    ids = await survivors(db, api, timeline.at + 33 * DAY)
    assert api.world.delete(ids[0], api.clock.now().timestamp())
    timeline.advance(days=31)
    assert (await keep())["videos_blanked"] == len(ids)
    for _ in range(3):
        await finish_earlier()
        timeline.advance(hours=7)
    rows = await fetch(db, "SELECT * FROM videos ORDER BY id")
    assert [row["id"] for row in rows] == ids
    for row in rows[1:]:
        assert row["title"] and row["channel_id"] and row["published_at"]
        assert timeline.at - row["enriched_at"] < DAY
        assert row["due_at"] is not None
    assert rows[0]["title"] is None
    assert rows[0]["retired_at"] is not None
    assert await value(db, "SELECT count(*) FROM video_stats_log WHERE video_id = $1", ids[0]) == 1
    timeline.advance(days=8)
    assert (await keep())["videos_deleted"] == 1
    assert not await values(db, "SELECT 1 FROM video_stats_log WHERE video_id = $1", ids[0])


async def test_tags_go_when_they_were_neither_found_nor_searched_for_long(db: Database, timeline: Timeline) -> None:
    now, until = timeline.at, datetime.now(UTC) + DAY
    for term in ("never searched", "long ago"):
        await put_query(db, term, now, added=31, searched=None if term == "never searched" else 30.1)
    await put_query(db, "waiting", now, added=90, searched=31, status="waiting")
    kept: dict[str, dict[str, Any]] = {
        "young": {"added": 29},
        "searched lately": {"added": 90, "searched": 29},
        "a user's": {"added": 400, "searched": 300, "source": "user"},
        "set aside by a user": {"added": 400, "status": "paused"},
        "held": {"added": 400, "searched": 31, "leased_until": until},
    }
    for term, columns in kept.items():
        await put_query(db, term, now, **columns)
    assert await keep(batch_size=2) == {"queries_deleted": 3}
    assert set(await values(db, "SELECT query_term FROM search_queue")) == set(kept)


NOTES = (
    "events", "runs", "calls", "suspensions", "keys", "freezes", "breakouts", "growth", "bands", "levels",
    "notifications",
)  # fmt: skip


async def test_what_is_noted_goes_after_its_days(db: Database, timeline: Timeline) -> None:
    timeline.advance(days=300)  # its own clock each: runs and messages are noted in real time
    for days in (400, 40, 31, 29, 0):
        await put_notes(db, timeline.at, days * DAY)
    await db.fetch("UPDATE key_suspensions SET suspended_until = $1 WHERE fingerprint = 'key 40'", timeline.at + DAY)
    gone = dict.fromkeys((f"{name}_deleted" for name in NOTES), 3) | {"suspensions_deleted": 2, "keys_deleted": 2}
    assert await keep(dry_run=True) == gone
    assert await keep(batch_size=2) == gone
    assert set(await values(db, "SELECT fingerprint FROM key_suspensions")) == {"key 40", "key 29", "key 0"}
    assert set(await values(db, "SELECT fingerprint FROM api_keys")) == {"key 40", "key 29", "key 0"}


async def test_todays_calls_stay_however_short_the_notes_are_kept(
    db: Database, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_EVENTS_DAYS", "1")
    timeline.set(timeline.at)
    for days in (0, 1, 2, 3):
        await put_notes(db, timeline.at, days * DAY + timedelta(minutes=1))
    found = await keep()
    assert (found["events_deleted"], found["calls_deleted"]) == (3, 1)


async def test_archived_days_go(db: Database, timeline: Timeline, vault_folder: Path) -> None:
    now = timeline.at
    for days in (60, 31, 30, 29, 0):
        timeline.set(now - days * DAY)
        vault.store_metadata(f"video-{days}", {"id": f"video-{days}"})
        assert (await vault.flush()).stored == (f"video-{days}",)
    timeline.set(now)
    before = sorted(path.name for path in vault_folder.rglob("video*"))
    gone = {"days_expired": 3, "records_expired": 3}
    assert await keep(dry_run=True) == gone
    assert sorted(path.name for path in vault_folder.rglob("video*")) == before
    assert await keep() == gone
    assert sorted(path.name for path in vault_folder.rglob("video*")) == ["video-0.json", "video-29.json"]
    assert await keep() == {}


async def test_an_archive_that_fails_is_a_failure_and_the_rest_is_done(
    db: Database, timeline: Timeline, vault_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_folder.mkdir()
    (vault_folder / "metadata").write_text("a file in the folder's place")
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    stats = await run_janitor_cycle()
    assert stats["outcome"] == "failure"
    assert stats["error"].startswith("archive: the archive cannot be read (local): ")
    assert (stats["videos_deleted"], stats["failed"]) == (1, 1)
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    timeline.set(timeline.at)
    assert await keep() == {}, "without an archive nothing is asked of it"


async def test_what_is_refused_is_a_failure_and_all_else_is_done(db: Database, timeline: Timeline) -> None:
    for number in range(6):
        await put_video(db, f"video{number}", timeline.at, seen=50 - number, enriched=50 - number)
    await put_query(db, "tag", timeline.at, added=40)
    await put_notes(db, timeline.at, 40 * DAY)
    await refuse_writes(db, "videos", "DELETE", "old.id = 'video2'")
    stats = await run_janitor_cycle(batch_size=1)
    assert stats["outcome"] == "failure"
    assert "videos: the database refused a statement: this row is refused" in stats["error"]
    assert (stats["failed"], stats["videos_deleted"], stats["queries_deleted"], stats["events_deleted"]) == (1, 5, 1, 1)
    assert await values(db, "SELECT id FROM videos") == ["video2"]


async def test_when_the_time_is_up_the_next_run_goes_on(db: Database, timeline: Timeline) -> None:
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    stats = await run_janitor_cycle(max_minutes=0.0)
    assert stats["outcome"] == "ok"
    assert "the next run goes on" in stats["reason"]
    assert stats["cut_short"] is True
    assert counts(stats) == {}
    assert await keep(max_minutes=5.0) == {"videos_deleted": 1}


async def put_events(db: Database, at: datetime, *, old: int, young: int) -> None:
    for number, days in ((old, 31), (young, 1)):
        await db.fetch(
            "INSERT INTO events (at, type) SELECT $1, 'churn' FROM generate_series(1, $2)", at - days * DAY, number
        )


@pytest.mark.parametrize(
    ("old", "young", "share", "deleted"),
    [
        (1_000, 0, "0.2", True),
        (1_001, 0, "0.2", False),
        (1_001, 4_003, "0.2", False),
        (1_001, 4_004, "0.2", True),
        (1_200, 800, "0.7", True),
    ],
)
async def test_more_than_1000_rows_and_a_share_of_a_table_need_yes(
    db: Database, timeline: Timeline, monkeypatch: pytest.MonkeyPatch, old: int, young: int, share: str, deleted: bool
) -> None:
    monkeypatch.setenv("JANITOR_MAX_SHARE", share)
    timeline.set(timeline.at)
    await put_events(db, timeline.at, old=old, young=young)
    if deleted:
        assert (await run_janitor_cycle())["events_deleted"] == old
        return
    before = await everything(db)
    with pytest.raises(Unconfirmed, match=rf"nothing was deleted: .* {old:,} of {old + young:,} rows of events \("):
        await run_janitor_cycle()
    assert await everything(db) == before
    assert (await run_janitor_cycle(dry_run=True))["expired"] == {"events": {"old": old}}
    assert (await run_janitor_cycle(yes=True))["events_deleted"] == old


@pytest.mark.parametrize(
    ("days", "outcome", "stats", "agent", "deleted"),
    [
        (10, "ok", "{}", "janitor", False),  # 1.5 * 10 / 30 is half of the table
        (13, "ok", "{}", "janitor", True),
        (13, "idle", "{}", "janitor", True),
        (13, "failure", "{}", "janitor", False),
        (13, "ok", '{"dry_run": true}', "janitor", False),
        (13, "ok", '{"cut_short": true}', "janitor", False),
        (13, "ok", "{}", "hunter", False),
    ],
)
async def test_a_run_that_comes_late_may_delete_more(
    db: Database, timeline: Timeline, days: float, outcome: str, stats: str, agent: str, deleted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # the days without a run are those of the schedule clock, which stands still in these tests
    monkeypatch.setattr(type(clock), "speed", 1.0)
    await put_run(db, days, outcome=outcome, stats=stats, agent=agent)
    await put_events(db, timeline.at, old=1_200, young=800)
    if deleted:
        assert (await run_janitor_cycle())["events_deleted"] == 1_200
    else:
        with pytest.raises(Unconfirmed, match=r"60%, bound (20|50)%"):
            await run_janitor_cycle()


async def test_what_was_refused_stays_refused_however_long_nobody_answers(
    db: Database, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(clock), "speed", 1.0)
    await put_events(db, timeline.at, old=1_200, young=800)
    await put_run(db, 20)
    await put_run(db, 19, outcome="failure", exit_code=2)
    with pytest.raises(Unconfirmed, match=r"60%, bound 20%"):
        await run_janitor_cycle()
    await put_run(db, 15)  # it was confirmed, and came to its end
    assert (await RetentionDAO().outlook()).days == pytest.approx(15, abs=0.1)


async def test_every_table_has_the_bound(db: Database, timeline: Timeline) -> None:
    for number, table, columns in (
        (1_001, "video_stats_log (observed_at, video_id)", "$1::timestamptz - n * interval '1 s', 'v'"),
        (1_002, "videos (first_seen_at, id, zone)", "$1, 'v' || n, 3"),
        (1_003, "search_queue (added_at, query_term, priority, source)", "$1, 'q' || n, 1, 'tag'"),
    ):
        await db.fetch(
            f"INSERT INTO {table} SELECT {columns} FROM generate_series(1, $2::int) AS n",
            timeline.at - 31 * DAY,
            number,
        )
    with pytest.raises(Unconfirmed) as refused:
        await run_janitor_cycle()
    for words in ("1,001 rows of video_stats_log", "1,002 rows of videos", "1,003 rows of search_queue"):
        assert words in str(refused.value)
    # also where only metadata is taken out of the rows
    await db.fetch("UPDATE videos SET first_seen_at = $1, enriched_at = $1", timeline.at - 20 * DAY)
    with (
        settings.override(retention_metadata_days=10),
        pytest.raises(Unconfirmed, match="1,002 of 1,002 rows of videos"),
    ):
        await run_janitor_cycle()


async def test_a_dry_run_says_what_would_go_and_why_and_deletes_nothing(db: Database, timeline: Timeline) -> None:
    await keep()  # makes partitions
    for id_, columns in (*KEPT, *GONE):
        await put_video(db, id_, timeline.at, **columns)
        await put_snapshots(db, id_, timeline.at, 20, 10)
    await put_channel(db, "UCempty", timeline.at)
    await put_query(db, "an old tag", timeline.at, added=31)
    outlook = await RetentionDAO().outlook()
    found = {
        (part.table, part.reason): [row.title if part.table == "search_queue" else row.id for row in part.sample]
        for part in outlook.expired
    }
    assert found == {
        ("channels", "no_videos"): ["UCempty"],
        ("search_queue", "unused_tag"): ["an old tag"],
        ("videos", "never_read"): ["never enriched"],
        ("videos", "not_refreshed"): ["gone lately, not read again", "not read again", "not read again, long"],
        ("videos", "retired"): ["gone for long", "gone lately, never enriched"],
    }
    assert outlook.totals == {"channels": 1, "search_queue": 1, "videos": len(KEPT) + len(GONE)}
    assert outlook.beyond(0.2) == []

    await put_snapshots(db, "read again", timeline.at, 31)
    await put_notes(db, timeline.at, 40 * DAY)
    before = await everything(db)
    stats = await run_janitor_cycle(dry_run=True)
    assert (stats["outcome"], stats["dry_run"]) == ("ok", True)
    assert "nothing was deleted" in stats["reason"]
    assert stats["videos_deleted"] == sum(stats["expired"]["videos"].values()) == len(GONE)
    assert await everything(db) == before
    done = await run_janitor_cycle()
    assert counts(done) == counts(stats)
    assert "dry_run" not in done
    assert (await run_janitor_cycle())["outcome"] == "idle"
