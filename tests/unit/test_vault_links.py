"""Symbolic links, pipes and folders that may not be read: skipped, reported once, and the rest goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from atlas.errors import ConfigError
from atlas.vault.archive import Archive, Damage, Stored
from atlas.vault.compaction import compact
from atlas.vault.erasure import Selection, erase
from atlas.vault.expiry import expire
from atlas.vault.providers.base import LINK, SPECIAL
from atlas.vault.providers.local import LocalProvider

from ..support.archives import DAY, put_files, put_part, record

LINKED = DAY - timedelta(days=1)
LOOP = DAY - timedelta(days=2)
LATER = DAY + timedelta(days=1)
PART = f"packed/{DAY}/20261120T080000000000Z-1.jsonl.zst"

SKIPPED = {
    f"metadata/{DAY}/linked.json": LINK,
    f"metadata/{DAY}/loop.json": LINK,
    f"metadata/{DAY}/nowhere.json": LINK,
    f"metadata/{DAY}/up": LINK,
    f"metadata/{DAY}/pipe.json": SPECIAL,
    f"metadata/{LINKED}": LINK,
    f"metadata/{LOOP}": LINK,
    PART: LINK,
}


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def place(tmp_path: Path, vault: Path) -> Iterator[LocalProvider]:
    """An archive with links to files elsewhere, in which nothing changes whatever is done."""
    outside = tmp_path / "outside"
    other = LocalProvider(outside)
    put_files(other, record("elsewhere", LINKED), record("linked"))
    put_part(other, record("elsewhere", LINKED), record("linked"))
    (outside / ".old.tmp").write_bytes(b"mine")
    os.utime(outside / ".old.tmp", (0, 0))

    place = LocalProvider(vault)
    put_files(place, record("good"), record("later", LATER))
    put_part(place, record("packed"))
    day = vault / "metadata" / str(DAY)
    (day / "linked.json").symlink_to(outside / "metadata" / str(DAY) / "linked.json")
    (day / "loop.json").symlink_to(day / "loop.json")
    (day / "nowhere.json").symlink_to("/no/such/place")
    (day / "up").symlink_to("..")
    os.mkfifo(day / "pipe.json")
    (day.parent / str(LINKED)).symlink_to(outside / "metadata" / str(LINKED))
    (day.parent / str(LOOP)).symlink_to(str(LOOP))
    (vault / PART).symlink_to(next(outside.glob("packed/*/*.zst")))
    before = everything(outside)
    yield place
    assert everything(outside) == before


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_links_and_pipes_are_neither_listed_nor_read_and_are_reported_once(
    place: LocalProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        listed = [entry.path for folder in ("metadata", "packed") for entry in place.list(folder)]
        assert len(listed) == 3
        assert not set(listed) & set(SKIPPED)
    assert dict(place.skipped) == SKIPPED
    lines = [each.getMessage() for each in caplog.records]
    assert len(lines) == len(SKIPPED)
    files = [path for path in SKIPPED if path.endswith((".json", ".zst"))]
    assert all(sum(path in line for line in lines) == 1 for path in files)
    assert [place.read(path) for path in (*files, f"metadata/{LINKED}/elsewhere.json")] == [None] * (len(files) + 1)
    assert list(place.list(f"metadata/{LINKED}")) == []


def test_records_name_what_was_skipped_on_their_day(place: LocalProvider) -> None:
    archive = Archive(place)
    assert archive.days() == [LOOP, LINKED, DAY, LATER]
    found = {day: list(archive.records(day)) for day in archive.days()}
    stored = [each.record.video_id for day in found.values() for each in day if isinstance(each, Stored)]
    assert stored == ["good", "packed", "later"]
    damages = {each for day in found.values() for each in day if isinstance(each, Damage)}
    assert {each.path for each in damages} == {path for path in SKIPPED if not path.endswith("/up")}
    assert all(each.unread for each in damages)
    assert [each.path for each in found[LINKED] if isinstance(each, Damage)] == [f"metadata/{LINKED}"]


def test_retention_goes_on(place: LocalProvider, vault: Path) -> None:
    report = expire(Archive(place), LATER)
    assert (report.days, report.files, report.parts, report.left, report.error) == ((DAY,), 1, 1, (), None)
    assert (vault / "metadata" / str(LINKED)).is_symlink()
    assert [path for path in everything(vault) if "good" in path or "later" in path] == [f"metadata/{LATER}/later.json"]
    again = expire(Archive(place), LATER)
    assert (again.days, again.left, again.error) == ((), (), None)


def test_an_erasure_says_what_it_did_not_search(place: LocalProvider) -> None:
    found = erase(Archive(place), Selection(frozenset({"linked", "elsewhere", "good", "packed"})))
    assert (found.video_ids, found.failed) == ({"good", "packed"}, {})
    assert {each.path for each in found.unsearched} == {
        f"metadata/{DAY}/linked.json", f"metadata/{LINKED}", f"metadata/{LOOP}", PART,
    }  # fmt: skip


def test_compaction_names_what_it_did_not_pack(place: LocalProvider) -> None:
    done = compact(Archive(place), DAY)
    assert (done.records, done.files, done.parts, done.failed) == (2, 1, 1, {})
    assert f"metadata/{DAY}/linked.json" in {each.path for each in done.damaged}


def test_nothing_is_written_through_a_link(place: LocalProvider, vault: Path) -> None:
    paths = [f"metadata/{LINKED}/new.json", f"metadata/{DAY}/linked.json", f"metadata/{DAY}/good.json"]
    failed = place.commit(dict.fromkeys(paths, b"new"), (), message="test", deadline=float("inf"))
    assert set(failed) == {paths[0]}
    assert LINK in failed[paths[0]]
    assert (vault / paths[1]).read_bytes() == b"new"  # in place of the link
    assert not (vault / paths[1]).is_symlink()


def test_only_old_rests_of_the_archive_itself_are_swept(place: LocalProvider, vault: Path) -> None:
    old, young = (vault / "metadata" / str(DAY) / name for name in (".a.json.01.tmp", ".b.json.02.tmp"))
    for rest in (old, young):
        rest.write_bytes(b"half")
    os.utime(old, (0, 0))
    place.erase_history()
    assert (old.exists(), young.exists()) == (False, True)


def test_the_folder_itself_may_be_a_link_and_a_file_a_hard_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "vault").symlink_to("real")
    place = LocalProvider(tmp_path / "vault")
    place.check_writable()
    (path,) = put_files(place, record("a"))
    (tmp_path / "copy").hardlink_to(tmp_path / "vault" / path)
    assert [each.record.video_id for each in Archive(place).records(DAY) if isinstance(each, Stored)] == ["a"]
    assert dict(place.skipped) == {}
    assert expire(Archive(place), LATER).files == 1
    assert everything(tmp_path / "real") == {}
    assert (tmp_path / "copy").read_bytes() == record("a").body


@pytest.mark.parametrize(
    ("link", "target", "reason"),
    [
        ("vault", "vault", "VAULT_PATH"),
        ("vault", "nowhere", "VAULT_PATH"),
        ("vault/metadata", "real", "/metadata' is a symbolic link, and below VAULT_PATH none is followed"),
        ("vault/packed", "real", "/packed' is a symbolic link, and below VAULT_PATH none is followed"),
    ],
)
def test_a_link_in_the_archives_place_is_a_config_error(tmp_path: Path, link: str, target: str, reason: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / target)
    with pytest.raises(ConfigError, match=reason):
        LocalProvider(tmp_path / "vault").check_writable()


def test_a_day_that_may_not_be_read_is_named_and_the_others_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = LocalProvider(tmp_path)
    put_files(place, record("a", LINKED), record("b"), record("c", LATER))
    put_part(place, record("p", LINKED))
    locked = str(tmp_path / "metadata" / str(LINKED))
    scandir = os.scandir

    def refused(path: str | Path) -> object:
        if str(path) == locked:
            raise PermissionError(13, "Permission denied", locked)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    report = expire(Archive(place), LATER)
    assert (report.days, report.files, report.parts, report.left) == ((DAY,), 1, 1, (LINKED,))
    reason = f"1 files could not be deleted, such as metadata/{LINKED}: it cannot be read: "
    assert report.error is not None
    assert report.error.startswith(reason)
    assert "Permission denied" in report.error
    found = erase(Archive(place), Selection(frozenset({"a"})))
    assert [each.path for each in found.unsearched] == [f"metadata/{LINKED}"]
