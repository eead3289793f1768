"""The archive as files in a folder of this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.errors import ConfigError
from atlas.vault.layout import FILES, PACKED
from atlas.vault.providers import base

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping


_PROBE = bytes(4096)  # a block: on a full disk an empty file can still be made


class LocalProvider:
    """Files under a folder, which is made at the first flush.

    Each file is written beside its place and moved there: a reader or a kill at any moment finds the old file, the new
    one or none. A flush is not fsynced: thousands of files would take minutes on a slow disk, and this protects against
    the end of a process or container, not of the machine. Several shards may write to the folder; the last writer of a
    path wins. Names that start with a dot are no part of the archive. The folder may be a symbolic link; below it none
    is followed.

    Args:
        folder: the archive's root; ``~`` is the home folder.
        setting: the setting that names the folder, for errors.
    """

    enabled = True
    folder_limit = None

    def __init__(self, folder: Path, *, name: str = "local", setting: str = "VAULT_PATH") -> None:
        self.folder = folder.expanduser()
        self.name = name
        self._setting = setting
        self._walker = base.Walker(self._scan, OSError)
        self.skipped = self._walker.skipped

    def check(self) -> None:
        """Raise ConfigError where the folder, a part of its path or a layout's folder below it is no folder."""
        for place in (self.folder / name for name in base.LAYOUT_FOLDERS):
            if os.path.islink(place):  # noqa: PTH114  pathlib raises where a parent may not be entered
                raise ConfigError(
                    f"{self._setting}: '{place}' is a symbolic link, and below {self._setting} none is followed. Set "
                    f"{self._setting} to a folder that holds {FILES} and {PACKED} themselves; that folder may be a "
                    "link."
                )
        for part in (self.folder, *self.folder.parents):
            if os.path.isdir(part):  # noqa: PTH112  likewise
                return
            if os.path.lexists(part):
                raise ConfigError(
                    f"{self._setting}: '{part}' is not a folder. Set {self._setting} to a folder for the archive (it "
                    "is made when it is missing), or VAULT_PROVIDER to off."
                )

    def check_writable(self) -> None:
        """Write a file into the folder, or into the one that it would be made in, and delete it."""
        self.check()
        there = next(filter(os.path.isdir, (self.folder, *self.folder.parents)), self.folder)
        for place in (there, *filter(os.path.isdir, (self.folder / name for name in base.LAYOUT_FOLDERS))):
            probe = place / f".{secrets.token_hex(8)}.tmp"
            try:
                probe.write_bytes(_PROBE)
            except OSError as error:
                raise ConfigError(
                    f"{self._setting}: the archive cannot be written: {place}: {error.strerror}. Set {self._setting} "
                    "to a folder that this user may write to, make room there, or set VAULT_PROVIDER to off."
                ) from None
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink()

    def read(self, path: str) -> bytes | None:
        target = self.folder / path
        try:
            if self._link_in(path):
                return None
            found = target.lstat()
            if not stat.S_ISREG(found.st_mode):
                return None
            if found.st_size > base.MAX_FILE:
                raise base.TooLarge(f"{path}: it has {found.st_size:,} bytes; no more than {base.MAX_FILE:,} are read")
            return target.read_bytes()
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> Iterator[base.ArchiveFile]:
        """Walk the folder, one subfolder at a time."""
        if not self._link_in(folder):
            yield from self._walker.walk(folder)

    def _scan(self, folder: str) -> Iterable[base.Child]:
        with os.scandir(self.folder / folder) as children:
            for child in children:
                kind = "link" if child.is_symlink() else "directory" if child.is_dir() else "file"
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    found = child.stat(follow_symlinks=False)
                    special = kind == "file" and not stat.S_ISREG(found.st_mode)
                    yield base.Child(child.name, "special" if special else kind, found.st_size)

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],
        *,
        message: str,  # noqa: ARG002  there is no history
        deadline: float,
    ) -> Mapping[str, str]:
        """Write and delete the files one by one."""

        def write(path: str) -> None:
            self._write(self._unlinked(path), add[path], durable=bool(delete))

        failed = base.in_turn(add, write, deadline, _reason)
        if failed:
            return failed | dict.fromkeys(delete, base.NOT_ADDED)
        return base.in_turn(delete, lambda path: self._delete(self._unlinked(path)), deadline, _reason)

    def _unlinked(self, path: str) -> Path:
        if link := self._link_in(path.rpartition("/")[0]):
            raise OSError(f"{link}: {base.LINK}")
        return self.folder / path

    def _write(self, target: Path, body: bytes, *, durable: bool) -> None:
        try:
            _write_whole(target, body, durable=durable)
        except FileNotFoundError:  # the folder is new, or was just deleted as an empty one
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(target, body, durable=durable)

    def _delete(self, target: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        if target.parent != self.folder:
            with contextlib.suppress(OSError):  # it holds other files
                target.parent.rmdir()

    def erase_history(self) -> None:
        """Delete what killed processes left half written; a folder has no other history."""
        for folder, _, names in os.walk(self.folder):
            for file in (Path(folder, name) for name in names if name.startswith(".")):
                with contextlib.suppress(FileNotFoundError):
                    if base.is_left_behind(file.name, file.lstat().st_mtime):
                        file.unlink()

    def _link_in(self, path: str) -> str | None:
        """Return the first part of a path below the root that is a symbolic link."""
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if os.path.islink(self.folder / part):  # noqa: PTH114  pathlib may raise
                self._walker.skip(part, base.LINK)
                return part
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _write_whole(target: Path, body: bytes, *, durable: bool) -> None:
    """Write a file; a durable one is on the disk before its sources are deleted."""
    # not tempfile: its files are 0600 whatever the umask, and the archive is to be readable like any other folder
    beside = target.with_name(f".{target.stem}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(body)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(target)
        if durable:
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
