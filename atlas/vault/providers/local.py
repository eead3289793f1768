"""The archive as files in a folder of this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import time
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.errors import ConfigError
from atlas.vault.layout import FILES, PACKED
from atlas.vault.providers.base import LINK, MAX_FILE, SPECIAL, TIME_IS_UP, Entry, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

__all__ = ["LEFT_BEHIND", "SKIPPED_BELOW", "LocalProvider"]

logger = logging.getLogger(__name__)

LEFT_BEHIND = 3600.0
"""Seconds after which a half-written file belongs to a killed process: no write takes so long."""

SKIPPED_BELOW = 2
"""Levels: without a layout's folder there is no archive; an unreadable folder of a day is skipped."""

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
        name: as in VAULT_PROVIDER.
        setting: the setting that names the folder, for errors.
    """

    enabled = True
    folder_limit = None

    def __init__(self, folder: Path, *, name: str = "local", setting: str = "VAULT_PATH") -> None:
        self.folder = folder.expanduser()
        self.name = name
        self.skipped: dict[str, str] = {}
        self._setting = setting

    def check(self) -> None:
        """Raise ConfigError where the folder, a part of its path or a layout's folder below it is no folder."""
        for place in (self.folder / name for name in (FILES, PACKED)):
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
        for place in (there, *filter(os.path.isdir, (self.folder / name for name in (FILES, PACKED)))):
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
        """Read one regular file."""
        target = self.folder / path
        try:
            if self._link_in(path):
                return None
            found = target.lstat()
            if not stat.S_ISREG(found.st_mode):
                return None
            if found.st_size > MAX_FILE:
                raise TooLarge(f"{path}: it has {found.st_size:,} bytes; no more than {MAX_FILE:,} are read")
            return target.read_bytes()
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> Iterator[Entry]:
        """Walk the folder, one subfolder at a time."""
        if not self._link_in(folder):
            yield from self._walk(self.folder / folder, f"{folder}/" if folder else "")

    def _walk(self, folder: Path, prefix: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as children:
                found = [child for child in children if not child.name.startswith(".")]
        except FileNotFoundError:
            return
        except OSError as error:
            if prefix.count("/") < SKIPPED_BELOW:
                raise
            self._skip(prefix.rstrip("/"), f"it cannot be read: {error.strerror}")
            return
        # sorted by whole paths, in which a folder's name is followed by a slash
        named = ((f"{child.name}/" if child.is_dir(follow_symlinks=False) else child.name, child) for child in found)
        for name, child in sorted(named, key=itemgetter(0)):
            if name.endswith("/"):
                yield from self._walk(folder / child.name, prefix + name)
            elif child.is_symlink():
                self._skip(prefix + name, LINK)
            elif not child.is_file(follow_symlinks=False):
                self._skip(prefix + name, SPECIAL)
            else:
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    yield Entry(prefix + name, child.stat(follow_symlinks=False).st_size)

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],
        *,
        message: str,  # noqa: ARG002  there is no history
        deadline: float,
    ) -> Mapping[str, str]:
        """Write and delete the files one by one; the failure of one does not affect the others."""
        durable = bool(delete)
        failed = self._each(add, lambda path: self._write(self.folder / path, add[path], durable=durable), deadline)
        if failed:
            return failed | dict.fromkeys(delete, "not everything could be added")
        return self._each(delete, lambda path: self._delete(self.folder / path), deadline)

    def _each(self, paths: Collection[str], act: Callable[[str], None], deadline: float) -> dict[str, str]:
        failed: dict[str, str] = {}
        for path in paths:
            if time.monotonic() > deadline:
                failed[path] = TIME_IS_UP
            elif link := self._link_in(path.rpartition("/")[0]):
                failed[path] = f"{link}: {LINK}"
            else:
                try:
                    act(path)
                except OSError as error:
                    failed[path] = error.strerror or type(error).__name__
        return failed

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
            for left in (Path(folder, name) for name in names if name.startswith(".") and name.endswith(".tmp")):
                with contextlib.suppress(FileNotFoundError):
                    if left.lstat().st_mtime < time.time() - LEFT_BEHIND:
                        left.unlink()

    def _link_in(self, path: str) -> str | None:
        """Return the first part of a path below the root that is a symbolic link."""
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if os.path.islink(self.folder / part):  # noqa: PTH114  pathlib may raise
                self._skip(part, LINK)
                return part
        return None

    def _skip(self, path: str, reason: str) -> None:
        if path not in self.skipped:
            self.skipped[path] = reason
            logger.warning("vault: %s is skipped: %s", self.folder / path, reason)


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
