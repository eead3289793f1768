"""Show the progress of long work on standard error."""

from __future__ import annotations

import sys
import time
from typing import Self

__all__ = ["Progress"]

_ON_TERMINAL, _ELSEWHERE = 0.2, 15.0  # seconds between two lines


class Progress:
    """One changing line on a terminal, which is erased at the end; elsewhere a line every 15 s. Thread-safe."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic() - (_ON_TERMINAL if self._terminal else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show the step, how much of it is done, and how much there is (0: unknown)."""
        now = time.monotonic()
        if now - self._last < (_ON_TERMINAL if self._terminal else _ELSEWHERE):
            return
        self._last = now
        amount = f"{done:,} of {total:,}" if total else f"{done:,}"
        sys.stderr.write(f"\r{what}: {amount}\x1b[K" if self._terminal else f"{what}: {amount}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Erase the line, before another one is printed."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
