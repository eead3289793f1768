"""One at a time on this machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from action.cancel import Cancel
from action.errors import EngineError

__all__ = ["locked"]


@contextmanager
def locked(name: str, cancel: Cancel, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds the lock `name` of this user; calls `waiting` where another process has it. Raises Cancelled."""
    path = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.lock"
    try:
        # NOFOLLOW: the folder belongs to all users
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineError(f"The lock {path} cannot be used: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            _wait(handle, cancel)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, cancel: Cancel) -> None:
    # flock cannot be called off, so it waits in a thread that a cancel leaves behind
    over = threading.Event()

    def take() -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass
        finally:
            over.set()

    with cancel.calling(over.set):
        threading.Thread(target=take, daemon=True, name="lock").start()
        over.wait()
    cancel.check()
