"""`atlas rebuild`: an empty database out of the archive alone."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas import policy
from atlas.adapters.archive import ArchiveDAO
from atlas.adapters.maia import MaiaDAO
from atlas.database import Database
from atlas.operations.rebuild import NotEmpty, Rebuilt, rebuild
from atlas.operations.verify import verify
from atlas.vault import Vault
from atlas.vault.archive import Archive, Damage
from atlas.vault.providers.base import Provider
from atlas.vault.providers.local import LocalProvider

from ...support.archives import MemoryProvider, put_bytes, put_files, put_part, record, resource
from ...support.child_processes import child
from ...support.commands import ATLAS, invoke
from ...support.event_loop import PATIENCE
from .conftest import NOW

pytestmark = pytest.mark.integration

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
LONG_AGO = TODAY - timedelta(days=20)


async def rebuilt(place: Provider, **how: Any) -> Rebuilt:
    return await rebuild(Archive(place), ArchiveDAO(), **how)


async def rows(db: Database, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]


async def video(db: Database, id_: str) -> dict[str, Any]:
    (row,) = await db.fetch("SELECT * FROM videos WHERE id = $1", id_)
    return dict(row)


async def test_what_was_lost_comes_back_as_it_was(db: Database, place: Provider) -> None:
    """Found, stored and archived as the Hunter does it; lost; rebuilt."""
    moment = NOW - timedelta(hours=3)
    resources = [resource(f"video{n}", channel=f"UC{n % 3}", views=n) for n in range(20)]
    dao = MaiaDAO()
    await dao.ingest_video_metadata(resources, observed_at=dict.fromkeys((r["id"] for r in resources), moment))
    store = Vault(place, now=lambda: moment)
    for each in resources:
        store.store_metadata(each["id"], each)
    await dao.mark_archived(dict.fromkeys((await store.flush()).stored, moment))
    before = {table: await rows(db, table) for table in ("videos", "channels", "video_stats_log")}
    assert len(before["video_stats_log"]) == 20
    await db.fetch("TRUNCATE videos, channels, video_stats_log")

    assert await rebuilt(place) == Rebuilt(days=1, records=20, videos=20)
    assert {table: await rows(db, table) for table in before} == before
    clean = await verify(Archive(place), ArchiveDAO())
    assert (clean.records, clean.videos) == (20, 20)
    assert clean.missing == clean.without_row == clean.unmarked == clean.damaged == 0


async def test_the_newest_record_gives_the_metadata_and_the_oldest_the_first_snapshot(
    db: Database, place: Provider
) -> None:
    put_files(place, record("a", YESTERDAY, title="newest", views=300, channel="UCnew"))
    put_part(place, record("a", LONG_AGO, hour=6, title="first", views=100), record("b", LONG_AGO))
    put_part(place, record("a", LONG_AGO + timedelta(days=5), title="middle", views=200))
    assert await rebuilt(place) == Rebuilt(days=3, records=4, videos=2, refreshed=2)
    found = await video(db, "a")
    first, newest = datetime(2026, 11, 2, 6, tzinfo=UTC), datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert (found["title"], found["channel_id"]) == ("newest", "UCnew")
    assert (found["first_seen_at"], found["last_updated_at"]) == (first, first)
    assert (found["enriched_at"], found["archived_at"]) == (newest, newest)
    snapshots = await rows(db, "video_stats_log")
    assert [(row["video_id"], row["observed_at"], row["views"]) for row in snapshots] == [
        ("a", first, 100),
        ("b", datetime(2026, 11, 2, 8, tzinfo=UTC), 10),
    ]
    assert {row["id"] for row in await rows(db, "channels")} == {"UCchannel", "UCnew"}


async def test_zones_are_those_of_now_and_videos_are_due_after_their_first_snapshot(
    db: Database, local: Provider
) -> None:
    ages = {"fresh": timedelta(hours=30), "week": timedelta(days=3), "old": timedelta(days=30)}
    for name, age in ages.items():
        answer = resource(name)
        answer["snippet"]["publishedAt"] = f"{NOW - age + timedelta(hours=20):%Y-%m-%dT%H:%M:%SZ}"
        store = Vault(local, now=lambda: NOW - timedelta(hours=2))
        store.store_metadata(name, answer)
        assert (await store.flush()).stored == (name,)
    put_files(local, record("undated", YESTERDAY, hour=None))
    await rebuilt(local)
    undated = await video(db, "undated")
    assert undated["first_seen_at"] == undated["archived_at"] == datetime(2026, 11, 21, tzinfo=UTC), (
        "it has its day only"
    )
    await db.fetch("DELETE FROM videos WHERE id = 'undated'")
    seen = NOW - timedelta(hours=2)
    due = {row["id"]: (row["zone"], row["due_at"]) for row in await rows(db, "videos")}
    assert due == {name: (zone.number, seen + zone.interval) for name, zone in zip(ages, policy.ZONES, strict=True)}


async def test_what_is_damaged_or_refused_is_named_and_the_rest_is_rebuilt(db: Database, place: Provider) -> None:
    put_files(place, *(record(f"v{n}", YESTERDAY) for n in range(5)), record("refused", YESTERDAY))
    put_bytes(place, f"metadata/{YESTERDAY}/x.json", b"{")
    put_bytes(place, f"metadata/{YESTERDAY}/y.json", record("z", YESTERDAY).body)
    put_bytes(place, f"packed/{YESTERDAY}/20261121T000000000000Z-00.jsonl.zst", b"no part")
    await db.fetch("ALTER TABLE videos ADD CHECK (id <> 'refused')")
    seen: list[Damage] = []
    done = await rebuilt(place, damaged=seen.append)
    assert (done.records, done.videos, done.damaged) == (6, 5, 4)
    assert {damage.path.rpartition("/")[2] for damage in seen} == {
        "x.json", "y.json", "20261121T000000000000Z-00.jsonl.zst", "refused.json"
    }  # fmt: skip
    assert {row["id"] for row in await rows(db, "videos")} == {f"v{n}" for n in range(5)}


async def test_a_database_with_videos_is_refused_and_missing_adds_only_what_it_lacks(
    db: Database, local: Provider
) -> None:
    dao = MaiaDAO()
    put_files(local, record("known", YESTERDAY, title="older"), record("stale", YESTERDAY, title="newer"))
    put_files(local, record("partial", YESTERDAY), record("lost", YESTERDAY), record("gone", YESTERDAY))
    await dao.ingest_video_metadata(resource("known"))
    long_ago = datetime(2026, 11, 1, tzinfo=UTC)
    await dao.ingest_video_metadata(
        [resource("stale"), resource("gone")], observed_at={"stale": long_ago, "gone": long_ago}
    )
    await db.fetch("INSERT INTO videos (id, first_seen_at, zone) VALUES ('partial', $1, 1)", long_ago)
    await db.fetch("UPDATE videos SET retired_at = $1, due_at = NULL WHERE id = 'gone'", NOW)
    known, gone = await video(db, "known"), await video(db, "gone")
    with pytest.raises(NotEmpty, match="--missing"):
        await rebuilt(local)
    assert await rebuilt(local, missing=True) == Rebuilt(days=1, records=5, videos=1, refreshed=2)
    assert await video(db, "known") == known
    assert await video(db, "gone") == gone
    assert (await video(db, "stale"))["title"] == "newer"
    partial = await video(db, "partial")
    assert (partial["title"], partial["first_seen_at"]) == ("A title", long_ago)
    assert (await video(db, "lost"))["archived_at"] == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert await rebuilt(local, missing=True) == Rebuilt(days=1, records=5)


async def test_one_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(db: Database) -> None:
    place = MemoryProvider()
    for n in range(4):
        put_part(place, *(record(f"v{i:04}", LONG_AGO + timedelta(days=n), title=f"day {n}") for i in range(n, 1500)))
    loop = asyncio.get_running_loop()
    batches = []

    def stop_at_the_third(*_: object) -> None:
        batches.append(1)
        if len(batches) == 3:
            loop.call_soon_threadsafe(task.cancel)

    task = asyncio.create_task(rebuilt(place, progress=stop_at_the_third))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await rows(db, "video_stats_log")) >= 1000
    done = await rebuilt(place, missing=True)
    assert done.records == 5994
    titles = Counter(row["title"] for row in await rows(db, "videos"))
    assert titles == {"day 0": 1, "day 1": 1, "day 2": 1, "day 3": 1497}
    assert len(await rows(db, "video_stats_log")) == 1500


@pytest.mark.parametrize("layout", ["files", "packed"])
async def test_thousands_of_records_are_rebuilt_from_either_layout(db: Database, tmp_path: Path, layout: str) -> None:
    fill = pytest.importorskip("harness.benchmarks.rebuild", reason="only in a checkout").fill
    fill(tmp_path, 2_000, layout)
    place = LocalProvider(tmp_path)
    assert await rebuilt(place) == Rebuilt(days=10, records=2_000, videos=2_000)
    report = await verify(Archive(place), ArchiveDAO())
    assert (report.records, report.missing, report.damaged) == (2_000, 0, 0)
    assert [len(await rows(db, table)) for table in ("videos", "channels", "video_stats_log")] == [2_000, 500, 2_000]


async def test_the_command_fills_an_empty_database_and_refuses_another(db: Database, local: Provider) -> None:
    put_part(local, record("a", YESTERDAY), record("b", YESTERDAY))
    done = await invoke("rebuild")
    assert (done.code, done.stderr) == (0, "")
    assert done.out == "2 records of 1 days: 2 new videos, 0 refreshed, 0 damaged\n"
    done = await invoke("rebuild")
    assert (done.code, done.out) == (1, "")
    assert done.stderr == (
        "atlas: The database has videos already. `atlas rebuild --missing` adds what it lacks, and changes nothing "
        "else.\n"
    )
    assert (await invoke("rebuild", "--missing")).code == 0
    assert (await invoke("vault", "verify")).code == 0


async def test_the_command_names_damage_and_an_empty_archive(db: Database, local: Provider) -> None:
    done = await invoke("rebuild")
    assert done.code == 1
    assert "the archive holds no record" in done.stderr
    put_files(local, record("a", YESTERDAY))
    put_bytes(local, f"metadata/{YESTERDAY}/x.json", b"{")
    done = await invoke("rebuild")
    assert done.code == 1
    assert f"damaged: metadata/{YESTERDAY}/x.json: " in done.out
    assert "1 new videos, 0 refreshed, 1 damaged\n" in done.out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("place", ["huggingface"], indirect=True)
async def test_a_signal_ends_it_at_once_even_where_the_place_hangs(
    db: Database, place: Provider, hub: Any, number: int, code: int
) -> None:
    put_files(place, *(record(f"v{n}", YESTERDAY) for n in range(100)))
    hub.faults["read"] = ["hang"] * 100
    asked = hub.calls("read")
    pipe = asyncio.subprocess.PIPE
    async with child(*ATLAS, "rebuild", stdout=pipe, stderr=pipe) as process:
        while hub.calls("read") == asked:
            await asyncio.sleep(0.05)  # polling: until it reads
        process.send_signal(number)
        stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == code
    assert (stdout, stderr) == (b"", b"atlas: interrupted; `atlas rebuild --missing` continues\n")
