"""Where an agent reports what it does, for metrics. Without a recorder each function does nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol


class Recorder(Protocol):
    """What takes the measurements of a run."""

    def count(self, name: str, labels: Mapping[str, str], amount: float = 1) -> None:
        """Add to a counter."""

    def observe(self, name: str, labels: Mapping[str, str], seconds: float) -> None:
        """Add to a histogram."""

    def count_stats(self, stats: Mapping[str, Any]) -> None:
        """Add a run's stats to the counters that they belong to."""


_recorder: ContextVar[Recorder | None] = ContextVar("maia_recorder", default=None)


@contextlib.contextmanager
def recording_to(recorder: Recorder) -> Iterator[None]:
    """Report to `recorder` inside the block, in every task that begins there."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


def count(name: str, **labels: str) -> None:
    """Add 1 to a counter."""
    if (recorder := _recorder.get()) is not None:
        recorder.count(name, labels)


def count_stats(stats: Mapping[str, Any]) -> None:
    """Add the stats of a cycle, or a part of them."""
    if (recorder := _recorder.get()) is not None:
        recorder.count_stats(stats)


@contextlib.contextmanager
def timed(name: str, **labels: str) -> Iterator[None]:
    """Measure the time of the block, however it ends."""
    if (recorder := _recorder.get()) is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        recorder.observe(name, labels, time.perf_counter() - began)
