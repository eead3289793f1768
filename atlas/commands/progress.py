"""How far long work is, on standard error: one line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

__all__ = ["Progress"]

_ON_TERMINAL, _ELSEWHERE = 0.2, 15.0  # seconds between two lines


class Progress:
    """To be called as the work goes on, from any thread; what it last said is wiped off a terminal at the end."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic() - (_ON_TERMINAL if self._terminal else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def __call__(self, what: str, done: int, total: int) -> None:
        """What is done at the moment, how much of it is done, and how much there is (0: not known)."""
        now = time.monotonic()
        if now - self._last < (_ON_TERMINAL if self._terminal else _ELSEWHERE):
            return
        self._last = now
        far = f"{done:,} of {total:,}" if total else f"{done:,}"
        sys.stderr.write(f"\r{what}: {far}\x1b[K" if self._terminal else f"{what}: {far}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Makes room for another line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
