"""The archive as files in a folder."""

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
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["LocalProvider"]

logger = logging.getLogger(__name__)

_PROBE = bytes(4096)  # a block: on a full disk a file without content can still be made
_LEFT_BEHIND = 3600.0  # seconds: no write takes so long
_SKIPPED_BELOW = 2  # levels: without a layout's folder there is no archive; without one of a day there is


class LocalProvider:
    """Files under a folder, which is made at the first flush.

    Each file is written beside its place and moved there, so that a reader or a kill at any moment finds the old
    file, the new one or none, never half of one. Nothing is fsynced: a flush of thousands of files would take minutes
    on a slow disk, and what this protects against is the end of a process or container, not of the machine. Other
    shards may write to the same folder; the last writer of a path wins. A name that starts with a dot is what a killed
    process left behind, and no part of the archive. The folder may be a symbolic link; below it none is followed.

    Args:
        folder: the archive's root; ``~`` is the home folder.
    """

    name = "local"
    enabled = True
    folder_limit = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        self.skipped: dict[str, str] = {}

    def check(self) -> None:
        """Raise ConfigError where VAULT_PATH, a part of it or a layout's folder below it is no folder."""
        for place in (self.folder / name for name in (FILES, PACKED)):
            if os.path.islink(place):  # noqa: PTH114  pathlib raises where a parent may not be entered
                raise ConfigError(
                    f"VAULT_PATH: '{place}' is a symbolic link, and below VAULT_PATH none is followed. Set VAULT_PATH "
                    f"to a folder that holds {FILES} and {PACKED} themselves; that folder may be a link."
                )
        for part in (self.folder, *self.folder.parents):
            if os.path.isdir(part):  # noqa: PTH112  likewise
                return
            if os.path.lexists(part):
                raise ConfigError(
                    f"VAULT_PATH: '{part}' is not a folder. Set VAULT_PATH to a folder for the archive (it is made when"
                    " it is missing), or VAULT_PROVIDER to off."
                )

    def check_writable(self) -> None:
        """Writes a file into the folder, or into the one that it would be made in, and removes it."""
        self.check()
        there = next(filter(os.path.isdir, (self.folder, *self.folder.parents)), self.folder)
        for place in (there, *filter(os.path.isdir, (self.folder / name for name in (FILES, PACKED)))):
            probe = place / f".{secrets.token_hex(8)}.tmp"
            try:
                probe.write_bytes(_PROBE)
            except OSError as error:
                raise ConfigError(
                    f"VAULT_PATH: the archive cannot be written: {place}: {error.strerror}. Set VAULT_PATH to a folder "
                    "that this user may write to, make room there, or set VAULT_PROVIDER to off."
                ) from None
            finally:
                with contextlib.suppress(OSError):
                    probe.unlink()

    def read(self, path: str) -> bytes | None:
        """Read one file; what is no regular file is not there."""
        target = self.folder / path
        try:
            if self._behind_link(path):
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
        """Walk the folder, one subfolder at a time. A folder below the root that may not be read is skipped."""
        if not self._behind_link(folder):
            yield from self._walk(self.folder / folder, f"{folder}/" if folder else "")

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],
        *,
        message: str,  # noqa: ARG002  a folder keeps none
        deadline: float,
    ) -> Mapping[str, str]:
        """Writes the files one after another; what one of them suffers does not touch the others."""
        failed: dict[str, str] = {}
        for path, body in add.items():
            if time.monotonic() > deadline:
                failed[path] = TIME_IS_UP
                continue
            if link := self._behind_link(path.rpartition("/")[0]):
                failed[path] = f"{link}: {LINK}"
                continue
            try:
                self._write(self.folder / path, body, lasting=bool(delete))
            except OSError as error:
                failed[path] = error.strerror or type(error).__name__
        if failed:
            return failed | dict.fromkeys(delete, "not everything could be added")
        for path in delete:
            if time.monotonic() > deadline:
                failed[path] = TIME_IS_UP
                continue
            if link := self._behind_link(path.rpartition("/")[0]):
                failed[path] = f"{link}: {LINK}"
                continue
            try:
                self._delete(self.folder / path)
            except OSError as error:
                failed[path] = error.strerror or type(error).__name__
        return failed

    def erase_history(self) -> None:
        """Deletes what killed processes left half written an hour ago or earlier; a folder keeps nothing else."""
        for folder, _, names in os.walk(self.folder):
            for left in (Path(folder, name) for name in names if name.startswith(".") and name.endswith(".tmp")):
                with contextlib.suppress(FileNotFoundError):
                    if left.lstat().st_mtime < time.time() - _LEFT_BEHIND:
                        left.unlink()

    def _behind_link(self, path: str) -> str | None:
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

    def _walk(self, folder: Path, prefix: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as children:
                found = [child for child in children if not child.name.startswith(".")]
        except FileNotFoundError:
            return
        except OSError as error:
            if prefix.count("/") < _SKIPPED_BELOW:
                raise
            self._skip(prefix.rstrip("/"), f"it cannot be read: {error.strerror}")
            return
        # by whole paths, in which a folder's name goes on with a slash
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

    def _write(self, target: Path, body: bytes, *, lasting: bool) -> None:
        try:
            _write_whole(target, body, lasting=lasting)
        except FileNotFoundError:  # the folder is new, or was just deleted as an empty one
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(target, body, lasting=lasting)

    def _delete(self, target: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        if target.parent != self.folder:
            with contextlib.suppress(OSError):  # it holds other files
                target.parent.rmdir()


def _write_whole(target: Path, body: bytes, *, lasting: bool) -> None:
    """Writes a file; a lasting one is on the disk before its sources are deleted."""
    # not tempfile: its files are 0600 whatever the umask says, and the archive is to be readable like any other folder
    beside = target.with_name(f".{target.stem}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(body)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(target)
        if lasting:
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
