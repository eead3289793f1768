"""The session of one run of the Janitor: the database, its time, and what it has done so far."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from atlas.adapters.retention import Batch, Outlook, RetentionDAO
from atlas.database import database
from atlas.figures import duration_text
from atlas.vault.expiry import ArchiveOutlook
from maia.agents.session import Shard, check_start
from maia.orchestration import get_run_logger
from maia.runtime.concurrency import Unfinished, run_bounded
from maia.runtime.live_line import LiveLine
from maia.runtime.logs import log_is_on_terminal
from maia.runtime.run_context import current_shutdown
from maia.runtime.shutdown import Shutdown

T = TypeVar("T")

COUNTS = (
    "snapshots_deleted", "partitions_dropped", "partitions_made", "videos_deleted", "videos_blanked",
    "channels_deleted", "queries_deleted", "events_deleted", "runs_deleted", "calls_deleted", "suspensions_deleted",
    "keys_deleted", "freezes_deleted", "breakouts_deleted", "growth_deleted", "bands_deleted", "levels_deleted",
    "notifications_deleted", "days_expired", "records_expired", "parts_expired",
    "failed",
)  # fmt: skip
"""The counts that are always in a run's stats."""

_VERBS: Final = {
    "deleted": "delete", "expired": "delete", "dropped": "drop", "made": "make", "blanked": "clear the metadata of",
}  # fmt: skip
"""What a dry run would do, by the last word of a count's name."""
_IN_THE_ARCHIVE: Final = {"days": "archived days", "records": "archived records", "parts": "archived parts"}

_PROGRESS_SECONDS: Final = 60.0
"""Seconds between two lines of the log about work that takes long."""
_LIVE_SECONDS: Final = 0.5
"""Seconds between two states of the live line on a terminal."""


@dataclass
class JanitorSession:
    """The state of one run of the Janitor.

    Attributes:
        counts: what was done so far, or would be.
        failures: one line for each part of the work that failed.
        ends: when its time is up, in ``time.monotonic()`` seconds; None: no limit.
        cut_short: its time was up before all was looked at.
        outlook: what was too old at the start; None: it was not looked at.
        archive: the same of the archive; None: there is none, or it could not be looked at.
        confirmed: whether it may delete more than its bound.
    """

    dao: RetentionDAO
    shutdown: Shutdown
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTS, 0)))
    failures: list[str] = field(default_factory=list)
    ends: float | None = None
    cut_short: bool = False
    outlook: Outlook | None = None
    archive: ArchiveOutlook | None = None
    archive_error: str | None = None
    confirmed: bool = False
    dry_run: bool = False

    @property
    def seconds_left(self) -> float | None:
        """The seconds until its time is up; None: no limit."""
        return None if self.ends is None else max(0.0, self.ends - time.monotonic())

    def may_start(self) -> bool:
        """Return whether new work may start: there is time, and no shutdown was requested."""
        self.cut_short = self.cut_short or self.seconds_left == 0
        return not (self.cut_short or self.shutdown.requested)

    def fail(self, what: str, reason: object) -> None:
        """Record what could not be done; the rest is done all the same."""
        get_run_logger().error("%s: %s", what, reason)
        self.failures.append(f"{what}: {reason}")
        self.counts["failed"] += 1

    async def cut_off(self, work: Callable[[], Awaitable[T]], seconds: float | None = None) -> T | None:
        """Return the result of work; None if it was cancelled, after `seconds` or after the grace of a signal."""

        async def limited(_: None) -> T | None:
            timeout = asyncio.timeout(seconds)
            try:
                async with timeout:
                    return await work()
            except TimeoutError:
                if not timeout.expired():
                    raise
                self.cut_short = True
                return None

        (result,) = await run_bounded([None], limited, limit=1, shutdown=self.shutdown)
        if isinstance(result, Exception):
            raise result
        return None if isinstance(result, Unfinished) else result

    async def work_through(self, what: str, batches: AsyncGenerator[Batch]) -> None:
        """Do one batch after the other until none is left, the time is up, or a shutdown is requested."""
        logger = get_run_logger()
        done: Counter[str] = Counter()
        started = reported = time.monotonic()
        async with contextlib.aclosing(batches) as steps, self._live_line() as line:
            # cut off after the grace of a signal: reading a whole table may take long
            while self.may_start() and (batch := await self.cut_off(lambda: anext(steps, None))) is not None:
                if batch.error is not None:
                    self.fail(what, batch.error)
                done.update(batch.counts)
                self.counts.update(batch.counts)
                if time.monotonic() - reported >= (_PROGRESS_SECONDS if line is None else _LIVE_SECONDS):
                    reported = time.monotonic()
                    progress = describe_counts(done, dry_run=self.dry_run)
                    if line is None:
                        logger.info("%s, %.0f s so far: %s", what, reported - started, progress)
                    else:
                        line.show(f"janitor: {self._pace(what, done, reported - started)}: {progress}")
        if any(done.values()):
            logger.info("%s, %.1f s: %s", what, time.monotonic() - started, describe_counts(done, dry_run=self.dry_run))

    @contextlib.asynccontextmanager
    async def _live_line(self) -> AsyncIterator[LiveLine | None]:
        """Yield the line at the bottom of a terminal; None where the log is not on one."""
        if not log_is_on_terminal():
            yield None
            return
        with LiveLine() as line, self.shutdown.on_request(line.close):
            yield line

    def _pace(self, what: str, done: Mapping[str, int], seconds: float) -> str:
        """Return the work, its rate, and the time that is left of --max-minutes."""
        rate = f"{what}, {sum(done.values()) / seconds * 60:,.0f}/min" if seconds else what
        if self.ends is None:
            return rate
        return f"{rate}, {duration_text(timedelta(seconds=self.ends - time.monotonic()))} left"


_current: contextvars.ContextVar[JanitorSession | None] = contextvars.ContextVar("maia_janitor", default=None)


@contextlib.asynccontextmanager
async def janitor_session(shard: Shard | None = None, *, dry_run: bool = False) -> AsyncIterator[JanitorSession]:
    """Yield the open session, or open one for the length of the block. Raises ConfigError, DatabaseUnavailable."""
    if (current := _current.get()) is not None:
        yield current
        return
    await check_start(archive=not dry_run)
    database.application_name = f"maia janitor {shard or Shard()}"
    async with database.session():
        token = _current.set(session := JanitorSession(RetentionDAO(), current_shutdown(), dry_run=dry_run))
        try:
            yield session
        finally:
            _current.reset(token)


def describe_counts(counts: Mapping[str, int], *, dry_run: bool = False) -> str:
    """Return the counts that are not 0 on one line; of a dry run, what it would delete, make or clear."""
    done = {name: number for name, number in counts.items() if number}
    planned: dict[str, list[str]] = {}
    rest = []
    for name, number in done.items():
        noun, _, word = name.rpartition("_")
        if dry_run and word in _VERBS:
            noun = _IN_THE_ARCHIVE.get(noun, noun)
            planned.setdefault(_VERBS[word], []).append(f"{number:,} {noun.removesuffix('s') if number == 1 else noun}")
        else:
            rest.append(f"{name} {number:,}")
    if not planned:
        return ", ".join(rest)
    words = "; ".join(f"{verb} {', '.join(things)}" for verb, things in planned.items())
    return "; ".join([f"would {words}", *rest])
