"""`atlas forget`: everything about a video or a channel, from everywhere, and the proof."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import pty
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO
from unittest.mock import Mock

import asyncpg
import pytest

from atlas.adapters.erasure import ErasureDAO
from atlas.adapters.maia import MaiaDAO
from atlas.database import Database, database
from atlas.events import EventType, emit
from atlas.models.rows import Presence, VideoUpdate
from atlas.operations.erase import Erasure, erase_everywhere
from atlas.snapshots import columnstore
from atlas.vault.archive import Archive
from atlas.vault.erasure import MARKER
from atlas.vault.layout import decode_part, is_part
from atlas.vault.providers.base import Provider

from ...support.archives import MemoryProvider, contents, put_bytes, put_files, put_part, record, resource
from ...support.child_processes import PIPE, child, finished
from ...support.commands import ATLAS, invoke
from ...support.databases import WAITING
from ...support.event_loop import PATIENCE
from .conftest import NOW

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
BEFORE = TODAY - timedelta(days=2)
TABLES = ("videos", "video_stats_log", "video_growth", "breakouts", "channels", "events", "notifications", "runs")


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
    await database.fetch(
        "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour) "
        "SELECT id, $2, 1, 5, 0 FROM unnest($1::text[]) AS id",
        list(videos),
        NOW - timedelta(hours=2),
    )
    await database.fetch(
        "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour) "
        "SELECT id, $2, 7, 5, 60, 60 FROM unnest($1::text[]) AS id",
        list(videos),
        NOW - timedelta(hours=2),
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
    await emit(EventType.VIDEOS_RETIRED, ids=["victim", "-other"])
    await emit(EventType.VIDEOS_RETIRED, ids=["victim"])
    for video in ("victim", "-other"):
        await emit(EventType.BREAKOUT, video_id=video, views_per_hour=5, views=10)
        await db.fetch("INSERT INTO notifications (type, subject, notified_at) VALUES ('breakout', $1, now())", video)
    await emit(EventType.ARCHIVE_FAILED, failed=1, error="metadata/2026-11-20/victim.json: No space left on device")
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, error) VALUES (gen_random_uuid(), 'hunter', now(), 'no \"victim\"')"
    )
    done = await forgotten(place, "victim")
    assert done.proven
    assert set(done.left.values()) == {0}
    assert {name: n for name, n in done.removed.items() if n} == {
        "videos": 1, "video_stats_log": 3, "video_growth": 1, "breakouts": 1, "events": 4, "notifications": 1,
        "runs": 1, "files": 1, "parts": 2,
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
    await emit(EventType.VIDEOS_RETIRED, ids=["lost", "c"])
    done = await forgotten(place, channels=("UCgone",))
    assert done.proven
    assert done.videos == {"a", "b", "lost"}
    assert {name: number for name, number in done.removed.items() if number} == {
        "videos": 2, "video_stats_log": 6, "video_growth": 2, "breakouts": 2, "channels": 1,
        "files": 2, "parts": 1, "events": 1,
    } | {name: done.removed[name] for name in ("aggregates",) if done.removed[name]}  # fmt: skip
    text = await dump(db)
    assert "UCgone" not in text
    assert "lost" not in text
    assert b"UCgone" not in archived(place)
    assert [row["id"] for row in await db.fetch("SELECT id FROM videos")] == ["c"]
    assert [row["id"] for row in await db.fetch("SELECT id FROM channels")] == ["UCstays"]


async def test_what_is_not_known_at_all_is_proven_to_be_nowhere_unless_the_archive_is_not_shown(
    db: Database, local: Provider
) -> None:
    """A dataset whose name is misspelt, or that the token may not see, looks like one that is not there."""
    await known("a")
    put_files(local, record("a", YESTERDAY))
    before = await dump(db)
    done = await forgotten(local, "nobody", channels=("UCnobody",))
    assert done.proven
    assert not any(done.removed.values())
    assert await dump(db) == before
    local.list = Mock(side_effect=FileNotFoundError)  # type: ignore[method-assign]
    done = await forgotten(local, "nobody")
    assert not done.proven
    assert [damage.reason for damage in done.unsearched] == ["there is no archive (local)"]


async def test_an_id_is_found_as_a_word_and_not_as_a_part_of_one(db: Database) -> None:
    await emit(EventType.ARCHIVE_FAILED, failed=1, error="x\nvid1, (vid2) and my_vid3")
    assert (await forgotten(None, "vid3", "vid", "nvid1")).removed["events"] == 0
    assert (await forgotten(None, "vid2")).removed["events"] == 1
    await emit(EventType.ARCHIVE_FAILED, failed=1, error="x\nvid1")
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


async def test_a_write_that_is_under_way_is_waited_for_and_taken_along(db: Database, other: asyncpg.Connection) -> None:
    await known("victim")
    await db.fetch("UPDATE videos SET due_at = $1", NOW - timedelta(hours=1))
    shard = MaiaDAO("tracker 0/1")
    await shard.fetch_tracker_targets(10)
    async with shard.transaction():
        await shard.update_video_stats_batch([VideoUpdate("victim", Presence.PRESENT, 7, 7, 7)])
        # outside this task's transaction
        forgetting = asyncio.create_task(forgotten(None, "victim"), context=contextvars.Context())
        async with asyncio.timeout(PATIENCE):
            while not await other.fetchval(WAITING):
                await asyncio.sleep(0.02)  # polling: until it waits for the lock
    done = await forgetting
    assert done.proven
    assert done.removed["video_stats_log"] == 4
    assert "victim" not in await dump(db)


async def test_a_judgement_under_way_is_waited_for_and_a_later_one_stores_nothing(
    db: Database, other: asyncpg.Connection
) -> None:
    await known("victim", "other")
    await db.fetch("DELETE FROM video_growth")
    await db.fetch("DELETE FROM breakouts")
    shard, since = MaiaDAO("tracker 0/1"), NOW - timedelta(hours=3)
    async with shard.transaction():
        await shard.judge_growth(["victim"], since)
        assert await number(db, "video_growth") == 1
        await db.fetch(
            "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour) "
            "VALUES ('victim', $1, 7, 5, 60, 60)",
            NOW,
        )
        # outside this task's transaction
        forgetting = asyncio.create_task(forgotten(None, "victim"), context=contextvars.Context())
        async with asyncio.timeout(PATIENCE):
            while not forgetting.done() and not await other.fetchval(WAITING):
                await asyncio.sleep(0.02)  # polling: until it waits for the lock
        later = asyncio.create_task(shard.judge_growth(["victim", "other"], since), context=contextvars.Context())
        async with asyncio.timeout(PATIENCE):
            while not later.done() and await other.fetchval(WAITING) < 2:
                await asyncio.sleep(0.02)  # polling: until it waits behind the erasure
    done = await forgetting
    await later
    assert done.proven
    assert (done.removed["video_growth"], done.removed["breakouts"]) == (1, 1)
    assert "victim" not in await dump(db)
    assert {row["video_id"] for row in await db.fetch("SELECT video_id FROM video_growth")} == {"other"}


async def test_a_record_that_a_shard_stores_meanwhile_is_found_by_the_second_look(db: Database) -> None:
    place = MemoryProvider()
    put_files(place, record("victim", BEFORE), record("other", YESTERDAY))
    late = [record("victim", YESTERDAY)]
    # stored at the end of the first look
    place.erase_history = lambda: late and put_files(place, late.pop())  # type: ignore[assignment, method-assign]
    done = await forgotten(place, "victim")
    assert done.proven
    assert done.removed["files"] == 2
    assert b"victim" not in archived(place)


async def test_the_command_prints_the_proof(db: Database, local: Provider) -> None:
    await known("-victim")
    put_files(local, record("-victim", YESTERDAY))
    done = await invoke("forget", "--video", "-victim", "--yes")
    assert (done.code, done.stderr) == (0, "")
    table = {line.rsplit(maxsplit=2)[0].strip(): line.split()[-2:] for line in done.out.splitlines()[1:]}
    aggregates = "video_stats_hourly, video_stats_daily"
    assert table == {
        "videos": ["1", "0"],
        "video_stats_log": ["3", "0"],
        aggregates: [table[aggregates][0], "0"],
        "channels": ["0", "0"],
        "events": ["0", "0"],
        "notifications": ["0", "0"],
        "errors in runs": ["0", "0"],
        "archive: records in files": ["1", "0"],
        "archive: records in parts": ["0", "0"],
    }
    assert "-victim" not in await dump(db)
    assert contents(local) == {}


async def test_the_command_says_where_it_could_not_search_and_that_an_archive_that_is_off_was_not_searched(
    db: Database, local: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known("victim")
    broken = put_part(local, record("victim", YESTERDAY))
    put_bytes(local, broken, b"no part any more")
    done = await invoke("forget", "--video", "victim", "--yes")
    assert done.code == 1
    assert f"not searched: {broken}: " in done.out.replace("\n", " ")
    assert "victim" not in await dump(db)
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    done = await invoke("forget", "--video", "victim", "--yes")
    assert (done.code, done.stderr) == (0, "")
    assert "The archive is off (VAULT_PROVIDER=off): it was not searched.\n" in done.out
    assert "archive:" not in done.out


NO_TERMINAL = "there is no terminal to ask on; give --yes to delete"


@pytest.mark.parametrize(
    ("arguments", "stdin", "reason"),
    [
        ((), "", "--video"),
        (("--video", "../etc"), "", "--video"),
        (("--channel", "a b"), "", "--channel"),
        (("--video", ""), "", "--video"),
        (("--video", "a"), "", NO_TERMINAL),
        (("--video", "a"), "y\n", NO_TERMINAL),
        (("--channel", "UCkept"), "", NO_TERMINAL),
        (("--video", "a", "--channel", "b"), "y\n", NO_TERMINAL),
    ],
)
async def test_without_proper_ids_and_an_answer_nothing_happens(
    db: Database, local: Provider, arguments: tuple[str, ...], stdin: str, reason: str
) -> None:
    await known("a", channel="UCkept")
    put_files(local, record("a", YESTERDAY))
    before, files = await dump(db), contents(local)
    done = await invoke("forget", *arguments, stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert reason in " ".join(done.stderr.split())
    assert (await dump(db), contents(local)) == (before, files)


@contextlib.contextmanager
def terminal() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A keyboard, and what reads from it."""
    keyboard, screen = pty.openpty()
    with os.fdopen(keyboard, "wb", buffering=0) as written, os.fdopen(screen, "rb", buffering=0) as read:
        yield written, read  # type: ignore[misc]


@pytest.mark.parametrize(("answer", "code", "left"), [("", 1, 1), ("y", 0, 0)])
async def test_on_a_terminal_it_asks_first(db: Database, local: Provider, answer: str, code: int, left: int) -> None:
    await known("a", channel="UCgone")
    with terminal() as (keyboard, stdin):
        keyboard.write(f"{answer}\n".encode())
        ended, stdout, stderr = await finished(*ATLAS, "forget", "--channel", "UCgone", stdin=stdin)
    assert b"video a  " in stdout
    assert b"channel UCgone  " in stdout
    question = b"Delete 1 videos and 1 channels from the database and the archive? This cannot be undone."
    assert question in stdout + stderr
    assert ended == code
    assert await number(db, "videos") == left


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_the_question_and_nothing_is_deleted(
    db: Database, local: Provider, sent: signal.Signals, code: int
) -> None:
    await known("a")
    with terminal() as (_, stdin):
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
