"""The local provider: files that are whole, or not there."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atlas.errors import ConfigError
from atlas.vault.providers.base import ArchiveFile
from atlas.vault.providers.local import LocalProvider

PATH = "metadata/2026-11-22/aaaaaaaaaaa.json"


def put(
    provider: LocalProvider, *paths: str, body: bytes = b"{}\n", delete: tuple[str, ...] = (), seconds: float = 30
) -> Mapping[str, str]:
    return provider.commit(dict.fromkeys(paths, body), delete, message="", deadline=time.monotonic() + seconds)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folder_is_made_at_the_first_flush_and_an_empty_one_goes(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "vault"
    provider = LocalProvider(folder)
    provider.check()
    provider.check_writable()
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        assert not put(provider, PATH)
        provider.check_writable()
        assert files(folder) == [PATH]
        assert not put(provider, delete=(PATH,))
        assert list((folder / "metadata").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_modes_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(LocalProvider(tmp_path / "vault"), PATH)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "vault" / PATH).stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "vault" / PATH).parent.stat().st_mode) == 0o750


def test_a_write_that_breaks_off_leaves_the_old_record_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = LocalProvider(tmp_path)
    put(provider, PATH, body=b"old\n")

    def full(self: Path, target: Path) -> Path:
        assert self.read_bytes() == b"new\n"  # wholly written, beside its place, before it is moved
        assert self.parent == target.parent
        assert target.read_bytes() == b"old\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert put(provider, PATH, body=b"new\n") == {PATH: "No space left on device"}
    assert provider.read(PATH) == b"old\n"
    assert files(tmp_path) == [PATH]


def test_one_that_cannot_be_written_or_deleted_does_not_touch_the_others(tmp_path: Path) -> None:
    (tmp_path / PATH).mkdir(parents=True)
    (tmp_path / "metadata" / "2026-11-23").write_text("in the way")
    names = ("2026-11-22/bbbbbbbbbbb.json", "2026-11-23/ccccccccccc.json", "2026-11-24/d.json")
    good, stuck, other = (f"metadata/{name}" for name in names)
    provider = LocalProvider(tmp_path)
    failed = put(provider, PATH, good, stuck, other)
    assert set(failed) == {PATH, stuck}
    assert all(failed.values())
    assert files(tmp_path) == [good, "metadata/2026-11-23", other]
    assert set(put(provider, delete=(PATH, good))) == {PATH}
    assert put(provider, delete=(other,), seconds=-1) == {other: "the time for the flush was up"}
    assert files(tmp_path) == ["metadata/2026-11-23", other]


def refuse(error: OSError, where: str = "") -> Callable[[Path, bytes], int]:
    """A `write_bytes` that makes the file and fails, in a folder of that name or in any."""

    def write(self: Path, data: bytes) -> int:
        self.touch()
        if where in {"", self.parent.name}:
            raise error
        return len(data)

    return write


def test_a_path_that_is_no_folder_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"VAULT_PATH: '.*file' is not a folder\. Set VAULT_PATH"):
            LocalProvider(folder).check()


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="there is no folder here in which nobody may make a file")
def test_a_folder_that_cannot_be_written_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"VAULT_PATH: the archive cannot be written: .*: .*\. Set VAULT_PATH"):
        LocalProvider(Path("/proc/sys/maia")).check_writable()


def test_a_full_disk_is_a_config_error_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", refuse(OSError(28, "No space left on device")))
    for folder in (tmp_path, tmp_path / "deep"):
        with pytest.raises(ConfigError, match="No space left on device"):
            LocalProvider(folder).check_writable()
    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_both_layouts_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be a mount of its own."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "packed").mkdir()
    LocalProvider(tmp_path).check_writable()
    monkeypatch.setattr(Path, "write_bytes", refuse(OSError(30, "Read-only file system"), "packed"))
    with pytest.raises(ConfigError, match="packed: Read-only file system"):
        LocalProvider(tmp_path).check_writable()


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert LocalProvider(Path("~/vault")).folder == tmp_path / "vault"


def test_files_are_listed_in_the_order_of_their_paths_and_leftovers_are_none(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    put(provider, "a/b/c.json", "a/b-c.json", "a.json", "a/b.json", "z/.hidden/x", "a/b/.c.json.1234.tmp")
    assert list(provider.list("")) == [
        ArchiveFile(path, 3) for path in sorted(["a.json", "a/b-c.json", "a/b.json", "a/b/c.json"])
    ]
    assert [entry.path for entry in provider.list("a/b")] == ["a/b/c.json"]
    assert list(provider.list("nowhere")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_folder_that_may_not_be_entered_is_a_config_error(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "archive").mkdir(parents=True)
    closed.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="VAULT_PATH: the archive cannot be written"):
            LocalProvider(closed / "archive").check_writable()
    finally:
        os.seteuid(0)
