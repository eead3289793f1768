"""Children that ignore a signal, as those of a script's background job do."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ignoring(*numbers: signal.Signals) -> Iterator[None]:
    """This process, and what it starts within the block, ignores these signals."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
