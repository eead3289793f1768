"""Advisory locks on files, which the kernel drops with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """One holder's ``flock`` on one file.

    The descriptor is close-on-exec: a child program does not go on holding its parent's lock. It is not closed by the
    garbage collector either: a lock lasts until ``release`` or until the process ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds its lock."""
        return self._fd is not None

    def acquire(self, *, shared: bool = False) -> bool:
        """Tries once, without waiting. False when another holder is in the way.

        Raises:
            OSError: the file cannot be opened, or its file system knows no locks.
        """
        if self._fd is not None:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        if not self.is_current():  # removed between opening and locking: nobody else would ever meet this lock
            self.release()
        return self.held

    def release(self) -> None:
        """Lets go; a second call does nothing.

        The unlock is explicit: a forked child that still has a copy of the descriptor must not keep the lock alive.
        """
        if self._fd is not None:
            fd, self._fd = self._fd, None
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def sign(self) -> None:
        """Writes this process's id into the file of a held lock, for ``signature``."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def erase(self) -> None:
        """Takes the signature back: a holder that ends in order leaves none, unlike one that is killed."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)

    def signature(self) -> int | None:
        """The process id that the last holder signed with and did not erase, None when there is none."""
        try:
            return int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def is_current(self) -> bool:
        """Whether the held file is still the one that stands at its path (and was not removed or replaced)."""
        if self._fd is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self.path))
        except OSError:
            return False

    def taken(self) -> bool:
        """Whether somebody holds the lock exclusively. Looks by a shared lock that it drops at once."""
        probe = FileLock(self.path)
        if self.path.exists() and not probe.acquire(shared=True):
            return True
        probe.release()
        return False
