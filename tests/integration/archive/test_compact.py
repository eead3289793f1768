"""`atlas vault compact` and what the Janitor has expired, in every kind of place."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas import vault
from atlas.vault.archive import Archive
from atlas.vault.compaction import compact
from atlas.vault.erasure import MARKER
from atlas.vault.layout import is_part
from atlas.vault.providers.base import Provider
from atlas.vault.reader import load

from ...support.archives import all_records, contents, put_bytes, put_files, put_part, record
from ...support.child_processes import child
from ...support.commands import ATLAS, invoke
from .conftest import NOW

pytestmark = pytest.mark.integration

TODAY = NOW.date()
DAYS = [TODAY - timedelta(days=n) for n in range(4)]


async def test_a_day_is_packed_and_reads_as_before(place: Provider) -> None:
    day = DAYS[3]
    put_files(place, *(record(f"v{n}", day) for n in range(20)))
    put_part(place, record("v3", day, hour=20, title="later"), record("w", day), token="1")
    put_part(place, record("x", day), token="2")
    before = {video: load(place, video, day) for video in ("v0", "v3", "w", "x")}
    archive = Archive(place)
    done = compact(archive, day)
    assert (done.files, done.parts, done.made, done.records) == (20, 2, 1, 22)
    assert not done.failed
    (path,) = (path for path in contents(place) if path != "README.md")
    assert is_part(path)
    assert {video: load(place, video, day) for video in before} == before
    assert compact(archive, day).made == 0


@pytest.mark.parametrize("place", ["huggingface"], indirect=True)
async def test_on_the_hub_a_day_is_one_commit(place: Provider, hub: Any) -> None:
    put_files(place, *(record(f"v{n}", DAYS[3]) for n in range(300)))
    commits = len(hub.commits)
    compact(Archive(place), DAYS[3])
    assert len(hub.commits) == commits + 1
    assert len(hub.commits[-1].deleted) == 300
    assert len(hub.commits[-1].added) == 1


async def test_old_days_expire_and_nothing_else(place: Provider) -> None:
    for day in DAYS:
        put_files(place, record("a", day))
        put_part(place, record("b", day), record("c", day))
    put_bytes(place, "metadata/notes.txt", b"mine")
    would = await vault.expire(DAYS[1], dry_run=True)
    assert (would.days, would.files, would.parts) == ((DAYS[3], DAYS[2]), 2, 2)
    assert Archive(place).days() == DAYS[::-1]
    report = await vault.expire(DAYS[1])
    assert (report.days, report.files, report.parts, report.left, report.error) == (would.days, 2, 2, (), None)
    assert report.history_erased
    assert Archive(place).days() == [DAYS[1], DAYS[0]]
    assert contents(place)["metadata/notes.txt"] == b"mine"
    assert MARKER not in contents(place)
    assert (await vault.expire(DAYS[1])).days == ()


@pytest.mark.parametrize("place", ["huggingface"], indirect=True)
async def test_the_history_of_what_expired_is_gone_from_the_hub(place: Provider, hub: Any) -> None:
    put_files(place, record("victim", DAYS[3]))
    part = put_part(place, record("victim", DAYS[3]))
    put_part(place, record("kept", DAYS[0]))
    assert len(hub.objects) == 2
    hub.age(hours=2)
    assert (await vault.expire(DAYS[1])).history_erased
    assert not hub.says(b"victim")
    assert not [path for tree in hub.history for path in tree if path == part]
    assert len(hub.objects) == 1


async def test_the_command_leaves_recent_days_alone(local: Provider) -> None:
    put_files(local, *(record(video, day) for video in ("a", "b") for day in DAYS))
    done = await invoke("vault", "compact")
    assert (done.code, done.stderr) == (0, "")
    assert done.out == "4 records: 4 files and 0 small parts became 2 parts\n"
    assert len(all_records(local)) == 8
    assert {path.split("/")[1] for path in contents(local) if not is_part(path)} == {str(DAYS[0]), str(DAYS[1])}
    done = await invoke("vault", "compact", "--older-than", "1")
    assert done.out == "2 records: 2 files and 0 small parts became 1 parts\n"
    assert (await invoke("vault", "compact", "--older-than", "0")).code == 2


async def test_the_command_names_what_is_damaged(local: Provider) -> None:
    put_files(local, record("a", DAYS[3]), record("b", DAYS[3]))
    bad = f"metadata/{DAYS[3]}/x.json"
    put_bytes(local, bad, b"{")
    done = await invoke("vault", "compact")
    assert done.code == 1
    assert f"damaged: {bad}: the record of x is no JSON" in done.out
    assert "2 records: 2 files" in done.out
    assert contents(local)[bad] == b"{"


async def test_a_killed_command_loses_nothing_and_the_next_one_finishes(local: Provider, tmp_path: Path) -> None:
    videos = [f"v{n:05}" for n in range(2_000)]
    put_files(local, *(record(video, DAYS[3]) for video in videos))
    nowhere = asyncio.subprocess.DEVNULL
    async with child(*ATLAS, "vault", "compact", stdout=nowhere, stderr=nowhere) as process:
        while not list((tmp_path / "vault" / "packed").glob("*/*.zst")):
            await asyncio.sleep(0.001)  # polling: until the part is there and the files are being deleted
        process.kill()
        assert await process.wait() == -9
    assert {video for video, _ in all_records(local)} == set(videos)
    assert (await invoke("vault", "compact")).code == 0
    assert [video for video, _ in all_records(local)] == videos
    assert all(is_part(path) for path in contents(local))
