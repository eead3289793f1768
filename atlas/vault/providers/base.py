"""The interface of a vault provider: a place that holds files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["LINK", "MAX_FILE", "SPECIAL", "TIME_IS_UP", "Entry", "Provider", "Refused", "TooLarge"]

TIME_IS_UP = "the time for the flush was up"
"""Why a provider did not start something."""

MAX_FILE = 256 * 2**20
"""Bytes of a file that is read; Maia writes parts of 64 MiB before compression."""

LINK = "it is a symbolic link, which is not followed"
SPECIAL = "it is neither a file nor a folder"
"""Why ``list`` skipped something."""


class Refused(OSError):
    """The place has a rule against this, such as the most files of a folder; trying again does not help."""


class TooLarge(OSError):
    """A file is larger than any that Maia writes, and is not read into memory."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file, by its path from the archive's root (with slashes), and its size in bytes."""

    path: str
    size: int


class Provider(Protocol):
    """A place that holds files; it knows nothing of records and layouts.

    Its constructor does no I/O and imports no client library. Its methods block; callers run them in threads.
    """

    @property
    def name(self) -> str:
        """As in VAULT_PROVIDER."""
        ...

    @property
    def enabled(self) -> bool:
        """False where nothing is stored."""
        ...

    @property
    def folder_limit(self) -> int | None:
        """The most files that one folder can hold; None: no limit."""
        ...

    @property
    def skipped(self) -> Mapping[str, str]:
        """What ``list`` found so far and skipped: path → reason; each is logged once."""
        ...

    def check(self) -> None:
        """Raise ConfigError where it can be seen without the network that nothing could ever be stored."""
        ...

    def check_writable(self) -> None:
        """Find out whether files can be stored, and leave nothing behind.

        Raises:
            ConfigError: the place is missing, or these credentials or this user may not write.
            OSError: unknown, as where the place gives no answer.
        """
        ...

    def read(self, path: str) -> bytes | None:
        """Return a file, or None where there is none.

        Raises:
            OSError: it exists and cannot be read, or the place cannot be reached.
        """
        ...

    def list(self, folder: str) -> Iterator[Entry]:
        """Yield the files below a folder at any depth, in the order of their paths; none for a missing folder.

        Args:
            folder: with slashes, none at its end; "" is the root.

        Raises:
            OSError: the place cannot be reached.
        """
        ...

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        """Add and delete files: all at once where the place can, and otherwise every addition before any deletion.

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
        ...

    def erase_history(self) -> None:
        """Make earlier states unreadable, so that what was deleted is gone; nothing where there are none.

        Raises:
            OSError: it could not be done.
        """
        ...
