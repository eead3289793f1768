"""Advisory locks on files, which the kernel releases when their process ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FileLock:
    """A ``flock`` on a file. It lasts until ``release`` or the end of the process; programs do not inherit it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self, *, shared: bool = False) -> bool:
        """Try once, without waiting. Raises OSError where the file cannot be opened or locked at all."""
        if self._fd is not None:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._fd = fd
        if not self.is_current():  # the file was removed between opening and locking: other processes lock another file
            self.release()
        return self._fd is not None

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            fcntl.flock(fd, fcntl.LOCK_UN)  # closing is not enough if a forked child has a copy of the descriptor
            os.close(fd)

    def sign(self) -> None:
        """Write this process's id into the file of the acquired lock."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def erase(self) -> None:
        """Erase the signature: a process that ends regularly leaves none, one that is killed does."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)

    def signature(self) -> int | None:
        """Return the process id in the file, or None."""
        try:
            return int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def is_current(self) -> bool:
        """Return whether this process has the lock and its file is still at its path."""
        if self._fd is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self.path))
        except OSError:
            return False

    def taken(self) -> bool:
        """Return whether a process has the lock exclusively."""
        probe = FileLock(self.path)
        if self.path.exists() and not probe.acquire(shared=True):
            return True
        probe.release()
        return False
