"""The interface of a vault provider, which stores files, and common code of providers of plain files."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from atlas.vault.layout import FILES, PACKED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

logger = logging.getLogger(__name__)

LAYOUT_FOLDERS = (FILES, PACKED)

TIME_IS_UP = "the time for the flush was up"
"""The reason if a provider did not start something."""
NOT_ADDED = "not everything could be added"
"""The reason if nothing was deleted."""

MAX_FILE = 256 * 2**20
"""Maximum bytes of a file that is read; Maia writes parts of 64 MiB before compression."""

LINK = "it is a symbolic link, which is not followed"
SPECIAL = "it is neither a file nor a folder"
"""Reasons why ``list`` skipped something."""

_SKIPPED_BELOW = 2  # levels: without a layout's folder there is no archive; an unreadable folder of a day is skipped
_LEFT_BEHIND = 3600.0  # seconds after which a half-written file belongs to a killed process: no write takes so long


class Refused(OSError):
    """The store refuses this by a rule, such as a maximum of files per folder; a retry does not help."""


class TooLarge(OSError):
    """A file is larger than any that Maia writes, and is not read into memory."""


@dataclass(frozen=True, slots=True, order=True)
class ArchiveFile:
    """A file, by its path from the archive's root (with slashes), and its size in bytes."""

    path: str
    size: int


class Provider(Protocol):
    """A store of files, without knowledge of records and layouts.

    Its constructor does no I/O and imports no client library. Its methods block; callers run them in threads.

    Attributes:
        name: as in VAULT_PROVIDER.
        enabled: False if nothing is stored.
        folder_limit: maximum number of files in a folder; None: no limit.
        skipped: what ``list`` found so far and skipped: path → reason; each is logged once.
    """

    @property
    def name(self) -> str: ...

    @property
    def enabled(self) -> bool: ...

    @property
    def folder_limit(self) -> int | None: ...

    @property
    def skipped(self) -> Mapping[str, str]: ...

    def check(self) -> None:
        """Raise ConfigError if nothing could ever be stored, as far as is known without the network."""

    def check_writable(self) -> None:
        """Find out whether files can be stored, and leave nothing behind.

        Raises:
            ConfigError: the place is missing, or these credentials or this user may not write.
            OSError: unknown, for example because the store does not answer.
        """

    def read(self, path: str) -> bytes | None:
        """Return a file, or None if there is none. Raises OSError: it cannot be read."""

    def list(self, folder: str) -> Iterator[ArchiveFile]:
        """Yield the files below a folder at any depth, in the order of their paths; none for a missing folder.

        Args:
            folder: with slashes, none at its end; "" is the root.

        Raises:
            FileNotFoundError: the whole place is missing, such as a bucket.
            OSError: the place cannot be reached.
        """

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        """Add and delete files: atomically if the store can, otherwise all additions before any deletion.

        Files are replaced; deleting a missing file is no error. After a kill, and to a reader at any moment, each file
        is old, new or deleted, never half written.

        Args:
            add: contents by path.
            delete: paths, none of them in ``add``.
            message: one line, for places with a history.
            deadline: in ``time.monotonic()`` seconds; nothing new is started after it.

        Returns:
            path → why it was not added or deleted, without secrets. Where an addition failed nothing is deleted.

        Raises:
            Refused: nothing was done; another layout may be accepted.
            Exception: nothing was done.
        """

    def erase_history(self) -> None:
        """Make earlier states unreadable, so that what was deleted is gone. Raises OSError."""


class Child(NamedTuple):
    """An entry of a folder; its kind is ``file``, ``directory``, ``link`` or another."""

    name: str
    kind: str
    size: int


class Walker:
    """List folders, one subfolder at a time, and remember what is skipped.

    Args:
        scan: returns the entries of a folder, by its path from the root. Raises FileNotFoundError: it is missing.
        unreadable: the errors by which a single folder cannot be read.
    """

    def __init__(self, scan: Callable[[str], Iterable[Child]], unreadable: type[OSError]) -> None:
        self.skipped: dict[str, str] = {}
        self._scan = scan
        self._unreadable = unreadable

    def walk(self, folder: str) -> Iterator[ArchiveFile]:
        try:
            found = [child for child in self._scan(folder) if not child.name.startswith(".")]
        except FileNotFoundError:
            return
        except self._unreadable as error:
            if folder.count("/") + 1 < _SKIPPED_BELOW:
                raise
            self.skip(folder, f"it cannot be read: {error.strerror or error}")
            return
        prefix = f"{folder}/" if folder else ""
        # sorted by whole paths, in which a folder's name is followed by a slash
        for child in sorted(found, key=lambda child: f"{child.name}/" if child.kind == "directory" else child.name):
            path = prefix + child.name
            if child.kind == "directory":
                yield from self.walk(path)
            elif child.kind == "file":
                yield ArchiveFile(path, child.size)
            else:
                self.skip(path, LINK if child.kind == "link" else SPECIAL)

    def skip(self, path: str, reason: str) -> None:
        if path not in self.skipped:
            self.skipped[path] = reason
            logger.warning("vault: %s is skipped: %s", path, reason)


def in_turn(
    paths: Iterable[str], act: Callable[[str], object], deadline: float, reason: Callable[[Exception], str]
) -> dict[str, str]:
    """Act on each path until the deadline. Return path → why it failed; the failure of one does not affect others."""
    failed = {}
    for path in paths:
        if time.monotonic() > deadline:
            failed[path] = TIME_IS_UP
            continue
        try:
            act(path)
        except Exception as error:  # noqa: BLE001  each client has its own errors
            failed[path] = reason(error)
    return failed


def is_left_behind(name: str, modified: float) -> bool:
    """Whether a killed process left this file half written, by its name and its time of change."""
    return name.startswith(".") and name.endswith(".tmp") and modified < time.time() - _LEFT_BEHIND
