"""`atlas forget`: everything about a video or a channel, from everywhere, and the proof."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import pty
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from atlas import events
from atlas.adapters.erasure import ErasureDAO
from atlas.adapters.maia import MaiaDAO
from atlas.database import Database, database
from atlas.models.rows import Presence, VideoUpdate
from atlas.operations.erase import Erasure, erase_everywhere
from atlas.snapshots import columnstore
from atlas.vault.archive import Archive
from atlas.vault.erasure import MARKER
from atlas.vault.layout import decode_part, is_part
from atlas.vault.providers.base import Entry, Provider

from ...support.archives import MemoryProvider, contents, put_bytes, put_files, put_part, record, resource
from ...support.child_processes import PIPE, child, finished
from ...support.commands import ATLAS
from ...support.event_loop import PATIENCE
from .conftest import NOW, atlas

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
BEFORE = TODAY - timedelta(days=2)
TABLES = ("videos", "video_stats_log", "channels", "events", "notifications", "runs")


async def known(*videos: str, channel: str = "UCchannel") -> None:
    """Rows with three snapshots each."""
    seen = dict.fromkeys(videos, NOW - timedelta(hours=5))
    await MaiaDAO().ingest_video_metadata([resource(id_, channel=channel) for id_ in videos], observed_at=seen)
    for hours in (2, 4):
        await database.fetch(
            "INSERT INTO video_stats_log SELECT id, $2, 5, 1, 0 FROM unnest($1::text[]) AS id",
            list(videos),
            NOW - timedelta(hours=hours),
        )


async def forgotten(place: Provider | None, *videos: str, channels: tuple[str, ...] = ()) -> Erasure:
    return await erase_everywhere(ErasureDAO(), Archive(place) if place else None, videos, channels)


async def dump(db: Database) -> str:
    """Every row of every table, as text."""
    found = {table: [dict(row) for row in await db.fetch(f"SELECT * FROM {table} ORDER BY 1")] for table in TABLES}
    return json.dumps(found, default=str)


async def number(db: Database, table: str) -> int:
    (row,) = await db.fetch(f"SELECT count(*) AS number FROM {table}")
    return int(row["number"])


def archived(place: Provider) -> bytes:
    """All that the archive says, unpacked."""
    found = b""
    for path, body in contents(place).items():
        found += path.encode() + (b"".join(each.body for each in decode_part(body)) if is_part(path) else body)
    return found


async def test_a_video_is_gone_from_every_table_and_file_and_the_others_are_not(db: Database, place: Provider) -> None:
    await known("victim", "-other")
    put_files(place, record("victim", BEFORE), record("-other", BEFORE))
    part = put_part(place, record("victim", YESTERDAY), record("-other", YESTERDAY))
    alone = put_part(place, record("victim", YESTERDAY), token="ff")
    await events.emit(events.EventType.VIDEOS_RETIRED, ids=["victim", "-other"])
    await events.emit(events.EventType.VIDEOS_RETIRED, ids=["victim"])
    await events.emit(events.EventType.BREAKOUT, video_id="victim", views_per_hour=5, views=10)
    await events.emit(events.EventType.BREAKOUT, video_id="-other", views_per_hour=5, views=10)
    await events.emit(
        events.EventType.ARCHIVE_FAILED, failed=1, error="metadata/2026-11-20/victim.json: No space left on device"
    )
    await db.fetch("INSERT INTO notifications (type, subject, told_at) VALUES ('breakout', 'victim', now())")
    await db.fetch("INSERT INTO notifications (type, subject, told_at) VALUES ('breakout', '-other', now())")
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, error) VALUES (gen_random_uuid(), 'hunter', now(), 'no \"victim\"')"
    )
    done = await forgotten(place, "victim")
    assert done.proven
    assert set(done.left.values()) == {0}
    assert {name: n for name, n in done.removed.items() if n} == {
        "videos": 1, "video_stats_log": 3, "events": 4, "notifications": 1, "runs": 1, "files": 1, "parts": 2,
        **({"aggregates": done.removed["aggregates"]} if done.removed["aggregates"] else {}),
    }  # fmt: skip
    assert "victim" not in await dump(db)
    assert b"victim" not in archived(place)
    assert alone not in contents(place)
    assert MARKER not in contents(place)
    assert [each.video_id for each in decode_part(contents(place)[part])] == ["-other"]
    assert contents(place)[f"metadata/{BEFORE}/-other.json"] == record("-other", BEFORE).body
    kept = [row["payload"] for row in await db.fetch("SELECT payload FROM events ORDER BY id")]
    assert kept == [{"ids": ["-other"]}, {"video_id": "-other", "views_per_hour": 5, "views": 10}]
    assert await number(db, "videos") == await number(db, "channels") == await number(db, "notifications") == 1
    assert await number(db, "video_stats_log") == 3
    for view in ("video_velocity", "video_stats_hourly", "video_stats_daily"):
        assert {row["video_id"] for row in await db.fetch(f"SELECT video_id FROM {view}")} == {"-other"}


@pytest.mark.parametrize("place", ["huggingface"], indirect=True)
async def test_the_history_of_the_archive_says_nothing_either(db: Database, place: Provider, hub: Any) -> None:
    put_files(place, record("victim", BEFORE), record("other", BEFORE))
    put_part(place, record("victim", YESTERDAY), record("other", YESTERDAY))
    put_part(place, record("victim", TODAY))
    hub.age(hours=2)
    done = await forgotten(place, "victim")
    assert done.proven
    assert not hub.says(b"victim")
    for body, _, _ in hub.objects.values():
        assert [each.video_id for each in decode_part(body)] == ["other"]


async def test_a_channel_goes_with_all_its_videos_also_those_that_the_archive_alone_knows(
    db: Database, place: Provider
) -> None:
    await known("a", "b", channel="UCgone")
    await known("c", channel="UCstays")
    put_files(place, record("a", YESTERDAY, channel="UCgone"), record("lost", YESTERDAY, channel="UCgone"))
    put_part(place, record("b", YESTERDAY, channel="UCgone"), record("c", YESTERDAY, channel="UCstays"))
    await events.emit(events.EventType.VIDEOS_RETIRED, ids=["lost", "c"])
    done = await forgotten(place, channels=("UCgone",))
    assert done.proven
    assert done.videos == {"a", "b", "lost"}
    assert (done.removed["videos"], done.removed["channels"], done.removed["files"], done.removed["parts"]) == (
        2,
        1,
        2,
        1,
    )
    text = await dump(db)
    assert "UCgone" not in text
    assert "lost" not in text
    assert b"UCgone" not in archived(place)
    assert [row["id"] for row in await db.fetch("SELECT id FROM videos")] == ["c"]
    assert [row["id"] for row in await db.fetch("SELECT id FROM channels")] == ["UCstays"]


async def test_what_is_not_known_at_all_is_proven_to_be_nowhere(db: Database, place: Provider) -> None:
    await known("a")
    before = await dump(db)
    done = await forgotten(place, "nobody", channels=("UCnobody",))
    assert done.proven
    assert not any(done.removed.values())
    assert await dump(db) == before


async def test_an_archive_that_is_not_shown_proves_nothing(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset whose name is misspelt, or that the token may not see, looks like one that is not there."""

    def hidden(folder: str) -> Iterator[Entry]:
        raise FileNotFoundError(folder)

    await known("a")
    place = MemoryProvider()
    monkeypatch.setattr(place, "list", hidden)
    done = await forgotten(place, "a")
    assert not done.proven
    assert [damage.reason for damage in done.unsearched] == ["there is no archive (memory)"]


async def test_an_id_is_found_as_a_word_and_not_as_a_part_of_one(db: Database) -> None:
    await events.emit(events.EventType.ARCHIVE_FAILED, failed=1, error="x\nvid1, (vid2) and my_vid3")
    assert (await forgotten(None, "vid3", "vid", "nvid1")).removed["events"] == 0
    assert (await forgotten(None, "vid2")).removed["events"] == 1
    await events.emit(events.EventType.ARCHIVE_FAILED, failed=1, error="x\nvid1")
    assert (await forgotten(None, "vid1")).removed["events"] == 1


async def test_many_events_and_videos_are_gone_through_in_bounded_steps(db: Database) -> None:
    await db.fetch(
        "INSERT INTO events (at, type, payload) SELECT now(), 'videos_retired',"
        " jsonb_build_object('ids', jsonb_build_array('v' || n, 'w' || n)) FROM generate_series(1, 12000) AS n"
    )
    await known(*(f"v{n}" for n in range(1, 501)))
    done = await forgotten(None, *(f"v{n}" for n in range(1, 12001, 2)))
    assert done.proven
    assert (done.removed["videos"], done.removed["video_stats_log"], done.removed["events"]) == (250, 750, 6000)
    (row,) = await db.fetch("SELECT count(*) AS number FROM events WHERE jsonb_array_length(payload -> 'ids') = 1")
    assert row["number"] == 6000


async def test_on_the_community_edition_columns_and_aggregates_give_them_up_too(db: Database, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        if await columnstore.community(connection) is None:
            pytest.skip("needs the Community edition of TimescaleDB (MAIA_TEST_DATABASE_URL)")
        ids = [f"v{n:03}" for n in range(300)]
        await known(*ids)
        await connection.execute(
            "INSERT INTO video_stats_log SELECT id, $2::timestamptz + n * interval '10 min', n, 0, 0"
            " FROM unnest($1::text[]) AS id, generate_series(1, 500) AS n",
            ids,
            NOW - timedelta(days=20),
        )
        await connection.execute("SELECT compress_chunk(chunk, true) FROM show_chunks('video_stats_log') AS chunk")
        for view in ("video_stats_hourly", "video_stats_daily"):
            await connection.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)")
    finally:
        await connection.close()
    done = await forgotten(None, *ids[50:])
    assert done.proven
    assert (done.removed["videos"], done.removed["video_stats_log"]) == (250, 250 * 503)
    assert done.removed["aggregates"] > 250 * 80
    for view in ("video_velocity", "video_stats_hourly", "video_stats_daily", "video_stats_log"):
        assert {row["video_id"] for row in await db.fetch(f"SELECT DISTINCT video_id FROM {view}")} == set(ids[:50])


# ── shards at work ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_late_write_of_the_shard_that_holds_it_brings_nothing_back(db: Database) -> None:
    await known("victim", "other")
    await db.fetch("UPDATE videos SET due_at = $1", NOW - timedelta(hours=1))
    shard = MaiaDAO("tracker 0/1")
    assert len(await shard.fetch_tracker_targets(10)) == 2
    done = await forgotten(None, "victim")
    assert done.removed["leased"] == 1
    updates = [VideoUpdate(id_, Presence.PRESENT, 7, 7, 7) for id_ in ("victim", "other")]
    async with shard.transaction():
        assert await shard.lock_videos(["victim", "other"]) == {"other"}
        assert await shard.update_video_stats_batch(updates) == 1
    assert "victim" not in await dump(db)
    assert await shard.mark_archived(["victim", "other"]) == {"other"}


async def test_a_write_that_is_under_way_is_waited_for_and_taken_along(db: Database, dsn: str) -> None:
    await known("victim")
    await db.fetch("UPDATE videos SET due_at = $1", NOW - timedelta(hours=1))
    shard = MaiaDAO("tracker 0/1")
    await shard.fetch_tracker_targets(10)
    async with shard.transaction():
        await shard.update_video_stats_batch([VideoUpdate("victim", Presence.PRESENT, 7, 7, 7)])
        forgetting = asyncio.create_task(in_another_context(forgotten(None, "victim")))
        while not await waiting_for_a_lock(dsn):
            await asyncio.sleep(0.02)  # polling: PostgreSQL tells nobody who waits for a lock
    done = await forgetting
    assert done.proven
    assert done.removed["video_stats_log"] == 4
    assert "victim" not in await dump(db)


async def in_another_context(work: Any) -> Any:
    """Outside the transaction of the task that starts it."""
    return await asyncio.get_running_loop().create_task(work, context=contextvars.Context())


async def waiting_for_a_lock(dsn: str) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"))
    finally:
        await connection.close()


async def test_a_record_that_a_shard_stores_meanwhile_is_found_by_the_second_look(db: Database) -> None:
    place = MemoryProvider()
    put_files(place, record("victim", BEFORE), record("other", YESTERDAY))
    late = record("victim", YESTERDAY)

    def erase_history() -> None:
        if late is not None:
            place.erase_history = lambda: None  # type: ignore[method-assign]
            put_files(place, late)

    place.erase_history = erase_history  # type: ignore[method-assign]
    done = await forgotten(place, "victim")
    assert done.proven
    assert done.removed["files"] == 2
    assert b"victim" not in archived(place)


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_command_prints_the_proof(db: Database, local: Provider) -> None:
    await known("-victim")
    put_files(local, record("-victim", YESTERDAY))
    done = await atlas("forget", "--video", "-victim", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    table = {line.rsplit(maxsplit=2)[0].strip(): line.split()[-2:] for line in done.stdout.splitlines()[1:]}
    assert table == {
        "videos": ["1", "0"],
        "video_stats_log": ["3", "0"],
        "video_stats_hourly, video_stats_daily": [table["video_stats_hourly, video_stats_daily"][0], "0"],
        "channels": ["0", "0"],
        "events": ["0", "0"],
        "notifications": ["0", "0"],
        "errors in runs": ["0", "0"],
        "archive: records in files": ["1", "0"],
        "archive: records in parts": ["0", "0"],
    }
    assert "-victim" not in await dump(db)
    assert contents(local) == {}


async def test_the_command_ends_with_1_where_it_cannot_prove_it(db: Database, local: Provider) -> None:
    await known("victim")
    broken = put_part(local, record("victim", YESTERDAY))
    put_bytes(local, broken, b"no part any more")
    done = await atlas("forget", "--video", "victim", "--yes")
    assert done.returncode == 1
    assert f"not searched: {broken}: " in done.stdout.replace("\n", " ")
    assert "victim" not in await dump(db)


async def test_the_command_works_without_an_archive_and_says_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    await known("victim")
    done = await atlas("forget", "--video", "victim", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The archive is off (VAULT_PROVIDER=off): it was not searched.\n" in done.stdout
    assert "archive:" not in done.stdout
    assert await number(db, "videos") == 0


@pytest.mark.parametrize("arguments", [(), ("--video", "../etc"), ("--channel", "a b"), ("--video", "")])
async def test_without_a_proper_id_nothing_happens(db: Database, local: Provider, arguments: tuple[str, ...]) -> None:
    done = await atlas("forget", *arguments)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [("--video", "a"), ("--channel", "UCkept"), ("--video", "a", "--channel", "b")])
@pytest.mark.parametrize("stdin", [None, "y\n"])
async def test_without_a_terminal_it_needs_yes(
    db: Database, local: Provider, arguments: tuple[str, ...], stdin: str | None
) -> None:
    await known("a", channel="UCkept")
    put_files(local, record("a", YESTERDAY))
    before, files = await dump(db), contents(local)
    done = await atlas("forget", *arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no terminal to ask on; give --yes to delete" in " ".join(done.stderr.split())
    assert (await dump(db), contents(local)) == (before, files)


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 1), ("", 1, 1), ("y", 0, 0)])
async def test_on_a_terminal_it_asks_first(db: Database, local: Provider, answer: str, code: int, left: int) -> None:
    await known("a", channel="UCgone")
    us, terminal = pty.openpty()
    with os.fdopen(us, "wb", buffering=0) as keyboard, os.fdopen(terminal, "rb", buffering=0) as stdin:
        keyboard.write(f"{answer}\n".encode())
        ended, stdout, stderr = await finished(*ATLAS, "forget", "--channel", "UCgone", stdin=stdin)
    assert b"video a  " in stdout
    assert b"channel UCgone  " in stdout
    assert (
        b"Delete 1 videos and 1 channels from the database and the archive? This cannot be undone." in stdout + stderr
    )
    assert ended == code
    assert await number(db, "videos") == left


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_the_question_and_nothing_is_deleted(
    db: Database, local: Provider, sent: signal.Signals, code: int
) -> None:
    await known("a")
    us, terminal = pty.openpty()
    with os.fdopen(us, "wb", buffering=0), os.fdopen(terminal, "rb", buffering=0) as stdin:
        async with (
            asyncio.timeout(PATIENCE),
            child(*ATLAS, "forget", "--video", "a", stdin=stdin, stdout=PIPE, stderr=PIPE) as process,
        ):
            assert process.stdout is not None
            assert process.stderr is not None
            await process.stdout.readuntil(b"This cannot be undone.")
            process.send_signal(sent)
            assert await process.wait() == code
            assert b"atlas: interrupted; nothing was deleted" in await process.stderr.read()
    assert await number(db, "videos") == 1
