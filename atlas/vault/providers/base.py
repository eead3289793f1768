"""The interface of a vault provider: a place that keeps files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["LINK", "MAX_FILE", "SPECIAL", "TIME_IS_UP", "Entry", "Provider", "Refused", "TooLarge"]

TIME_IS_UP = "the time for the flush was up"
"""Why a provider did not begin with something."""


MAX_FILE = 256 * 2**20
"""Bytes of a file that is read; Maia writes parts of 64 MiB before compression."""

LINK = "it is a symbolic link, which is not followed"
SPECIAL = "it is neither a file nor a folder"
"""Why ``list`` skipped something."""


class Refused(OSError):
    """The place has a rule against what it was given, such as the most files of a folder: it would refuse it again."""


class TooLarge(OSError):
    """A file is larger than any that Maia writes, and is not read into memory."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file that a provider keeps.

    Attributes:
        path: with slashes, relative to the archive's root.
        size: in bytes.
    """

    path: str
    size: int


class Provider(Protocol):
    """A place that keeps files. Making one does no I/O and imports no client library.

    It knows nothing of records and layouts. Its methods block; ``Vault`` and the commands run them in threads.
    """

    @property
    def name(self) -> str:
        """As in VAULT_PROVIDER."""
        ...

    @property
    def enabled(self) -> bool:
        """False where nothing is kept: records are not even buffered."""
        ...

    @property
    def folder_limit(self) -> int | None:
        """The most files that one folder can hold, or None where there is no such limit."""
        ...

    @property
    def skipped(self) -> Mapping[str, str]:
        """What ``list`` found so far and did not look into, by path, with the reason; each is logged once."""
        ...

    def check(self) -> None:
        """Raises ConfigError where it can be seen without the network that nothing could ever be stored."""
        ...

    def check_writable(self) -> None:
        """Finds out whether the place takes what is stored there, and leaves nothing behind.

        Raises:
            ConfigError: it refuses for good: it is missing, or these credentials or this user may not write.
            OSError: it is not known, as where the place gives no answer.
        """
        ...

    def read(self, path: str) -> bytes | None:
        """A file, or None where there is none.

        Raises:
            OSError: it is there and cannot be read, or the place cannot be reached.
        """
        ...

    def list(self, folder: str) -> Iterator[Entry]:
        """The files below a folder at any depth, in the order of their paths; none where there is no such folder.

        Args:
            folder: with slashes and without one at its end; "" is the root.

        Raises:
            OSError: the place cannot be reached.
        """
        ...

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        """Adds and deletes files: all at once where the place can, and otherwise every addition before any deletion.

        A file that is there already is replaced; deleting what is not there is no error. A reader at any moment, and
        whoever comes after a kill, finds each file old, new or gone, never half.

        Args:
            add: contents by path.
            delete: paths, none of them in ``add``.
            message: one line about it, where a place keeps such.
            deadline: in ``time.monotonic()`` seconds; nothing new is begun after it.

        Returns:
            The paths that were not added or deleted, each with its reason; empty when everything was done. Where an
            addition failed nothing is deleted. A reason holds no secret.

        Raises:
            Refused: nothing was done, and another layout may be taken.
            Exception: nothing was done.
        """
        ...

    def erase_history(self) -> None:
        """Makes earlier states of the place unreadable, so that what was deleted is gone; nothing where there are none.

        Raises:
            OSError: it could not be done.
        """
        ...
