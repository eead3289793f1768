"""The context of the current run: its shutdown request and its stats so far."""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from maia.runtime.recording import count_stats
from maia.runtime.shutdown import Shutdown


@dataclass(slots=True)
class RunContext:
    """What one run shares with everything that it calls."""

    shutdown: Shutdown = field(default_factory=Shutdown)
    stats: dict[str, Any] = field(default_factory=dict)  # of its cycles so far
    recorded_error: BaseException | None = None  # that ended it, once it is in `runs` and notified
    url: str | None = None  # of the page that shows the run, where the setting MAIA_RUN_URL is unset
    starting: bool = False  # while it checks its settings and connects: a signal then ends it without a grace


_current: ContextVar[RunContext | None] = ContextVar("maia_run", default=None)


@contextlib.contextmanager
def run_scope(context: RunContext | None = None) -> Iterator[RunContext]:
    """Make `context` the current one inside the block; None keeps the current one, or starts a new one."""
    chosen = context or _current.get() or RunContext()
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


def current_shutdown() -> Shutdown:
    """Return the shutdown request of the current run; outside a run, one that stays unrequested."""
    context = _current.get()
    return context.shutdown if context is not None else Shutdown()


def record_stats(stats: Mapping[str, Any]) -> None:
    """Add to the stats of the current run, for the result file of a run that does not return; outside a run keep
    nothing. A metric counts them, too.

    Call it where a cycle ends, in a `finally`, so that an exit or a lost database does not lose what was done before.
    """
    count_stats(stats)
    if (context := _current.get()) is not None:
        merge_stats(context.stats, stats)


def merge_stats(into: dict[str, Any], stats: Mapping[str, Any]) -> None:
    """Add stats to those of earlier cycles: sum numbers, merge mappings the same way, replace anything else."""
    for key, value in stats.items():
        known = into.get(key)
        if isinstance(value, Mapping):
            into[key] = nested = dict(known) if isinstance(known, Mapping) else {}
            merge_stats(nested, value)
        elif _is_number(value) and _is_number(known):
            into[key] = known + value
        else:
            into[key] = value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
