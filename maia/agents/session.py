"""The session of an agent: its claims, keys and HTTP client, for all cycles of a run or for a flow called alone."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from atlas import events, vault
from atlas.adapters.maia import MaiaDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError, Problems, RingExhausted, StatementFailed
from atlas.figures import shortened
from atlas.notifier import dispatcher
from atlas.quota.buckets import Bucket
from atlas.quota.ledger import Reservation
from atlas.utils import KeyRing
from maia import __version__
from maia.orchestration import get_run_logger
from maia.runtime.recording import timed
from maia.runtime.result_file import one_line
from maia.runtime.run_context import current_shutdown, record_stats
from maia.runtime.shutdown import Shutdown
from maia.youtube import RateLimited, YouTubeClient, YouTubeError

if TYPE_CHECKING:
    from maia.agents.readings_watch import ReadingsWatch


T = TypeVar("T")

RING_OF: Final = {"hunter": "hunting", "tracker": "tracking"}
"""The key ring of each agent."""

CONTROL_IDS_A_CALL: Final = 5
"""Known videos in a call, asked along to prove that the absence of others is real."""

_MOST_CAUSES: Final = 3
_LONGEST_CAUSE: Final = 300  # characters


@dataclass(frozen=True)
class Shard:
    """One of several parallel processes: names leases, logs and results, and picks the first key."""

    index: int = 0
    total: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``I/N``, I from 0. Raises ValueError."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if not match or int(match[1]) >= int(match[2]):
            raise ValueError(f"'{text}' is no shard; write I/N with I from 0 to N-1, such as 0/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.total}"


class FailureCauses:
    """Why items of one kind failed: each cause once, with how often."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._quotes: dict[str, str] = {}

    def record(self, error: Exception, times: int = 1) -> None:
        """Count an error. Those of the same status and reason, or of the same text, are one cause."""
        cause, quote = (error.cause, error.quote) if isinstance(error, YouTubeError) else (str(error), "")
        cause = _shortened(cause) or type(error).__name__
        self._times[cause] += times
        self._quotes[cause] = self._quotes.get(cause) or _shortened(quote)

    def __str__(self) -> str:
        """Return `400 invalidParameter (2): YouTube's words; 503 (1)`: the most frequent first, at most three."""
        shown = [
            f"{cause} ({times:,})" + (f": {self._quotes[cause]}" if self._quotes[cause] else "")
            for cause, times in self._times.most_common(_MOST_CAUSES)
        ]
        more = len(self._times) - len(shown)
        return "; ".join([*shown, *([f"and {more} more"] if more else [])])


def _shortened(text: str) -> str:
    return shortened(one_line(text).rstrip("."), _LONGEST_CAUSE)


@dataclass
class AgentSession:
    """The connections and the state of an agent while it runs."""

    agent: str
    shard: Shard
    dao: MaiaDAO
    ring: KeyRing
    client: YouTubeClient
    shutdown: Shutdown
    exhausted: dict[str, str] = field(default_factory=dict)
    """The buckets whose quota the whole ring has spent, each with a line that names its reset."""
    failures: defaultdict[str, FailureCauses] = field(default_factory=lambda: defaultdict(FailureCauses))
    """Why items failed, by their kind, such as ``searches``."""
    fatal: Exception | None = None
    """The error that ends the run once all answers are stored: a wrong setting, a lost database, a bug."""
    repeats: bool = False
    """Further cycles may follow, and the archive is flushed after the last one."""
    quiet: bool = False
    """Log what each cycle does only with --verbose: a line a minute says how far the run is."""
    readings: ReadingsWatch | None = None
    _before: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    @property
    def searches_left(self) -> int | None:
        """How many searches this process may still make (HUNTER_MAX_SEARCHES_PER_RUN); None: no cap."""
        cap = settings.hunter_max_searches_per_run
        return None if cap is None else max(0, cap - self.ring.calls[Bucket.SEARCH])

    @property
    def log_level(self) -> int:
        """The level of lines that each cycle logs."""
        return logging.DEBUG if self.quiet else logging.INFO

    @property
    def over(self) -> bool:
        """Whether nothing new should start."""
        return self.shutdown.requested or self.fatal is not None

    def begin_cycle(self) -> None:
        """Reset the spent buckets and failures: a new quota day may have begun since the last cycle."""
        self.exhausted.clear()
        self.failures.clear()
        self._before = Counter(self.ring.calls), Counter(self.ring.refused)

    async def end_cycle(self, stats: Mapping[str, int]) -> None:
        """Record the stats of a cycle, however it ended, and release what is still claimed."""
        record_stats({**stats, **self.cycle_calls()})
        record_stats({"released": await self.dao.release_claims()})

    def cycle_calls(self) -> dict[str, dict[str, int]]:
        """Return this cycle's ``calls`` by bucket and, if there are any, its ``calls_refused``."""
        calls, refused = self._before
        refusals = dict(self.ring.refused - refused)
        return {"calls": dict(self.ring.calls - calls), **({"calls_refused": refusals} if refusals else {})}

    def record_exhausted(self, error: RingExhausted, rest: str) -> None:
        """Record a spent bucket, and log it once, at INFO: it is no failure. ``rest``: what happens to other items."""
        if error.bucket not in self.exhausted:
            self.exhausted[error.bucket] = str(error)
            get_run_logger().info("%s; %s", error, rest)

    def churn(self, error: RateLimited) -> None:
        """Request a churn because of a rate limit."""
        get_run_logger().warning("rate limit: this process ends so that a fresh one goes on (%s)", error)
        self.shutdown.churn(str(error))

    def record_fatal(self, error: Exception) -> None:
        """Record the first error that ends the run; it is raised once the answers of other calls are stored."""
        self.fatal = self.fatal or error

    def raise_if_over(self) -> None:
        """Raise what ends the run: a fatal error, ChurnExit or CancelledExit."""
        if self.fatal is not None:
            raise self.fatal
        self.shutdown.raise_if_requested()

    async def write(self, work: Callable[[], Awaitable[T]], reservations: Sequence[Reservation]) -> T:
        """Run a transaction, and repeat it if the database was lost; settle its calls even if a statement fails."""
        try:
            return await self.dao.retry(work)
        except StatementFailed:
            await self.ring.settle(reservations)  # YouTube has counted the calls
            raise

    async def archive_when_due(self) -> int:
        """Archive at the end of a cycle if the buffer is full or the run ends; return how many videos.

        Not after each cycle: on the Hub a flush is a commit, and a dataset takes only some hundred an hour.
        """
        return await self.archive() if vault.flush_due or self.over or not self.repeats else 0

    async def archive(self) -> int:
        """Flush the vault and mark its videos as archived; return how many. A failure is logged and not raised.

        After a signal it takes no longer than the grace.
        """
        if not vault.pending() or self.shutdown.grace_left == 0:
            return 0
        with timed("maia_stage_duration_seconds", stage="archive"):
            report = await vault.flush(self.shutdown.grace_left)
        try:
            known = await self.dao.mark_archived(report.stored)
        except StatementFailed as error:
            get_run_logger().warning("%d videos will be archived again: %s", len(report.stored), error)
            return 0
        await self._withdraw([id_ for id_ in report.stored if id_ not in known])
        if report.failed:
            await events.emit(events.EventType.ARCHIVE_FAILED, failed=len(report.failed), error=report.error)
        return len(report.stored)

    async def _withdraw(self, erased: Sequence[str]) -> None:
        """Erase from the archive what `atlas forget` erased while its record was in the buffer."""
        seconds = self.shutdown.within_grace(60)
        if not erased or seconds <= 0:
            return
        try:
            await vault.erase(erased, since=(clock.now() - timedelta(days=1)).date(), seconds=seconds)
        except AtlasError as error:
            get_run_logger().error("%d videos that were erased are in the archive: %s", len(erased), error)


_current: contextvars.ContextVar[AgentSession | None] = contextvars.ContextVar("maia_session", default=None)


async def check_start(ring: KeyRing | None = None, *, archive: bool = True) -> None:
    """Raise one ConfigError for all that is wrong with the settings, before anything is opened or spent."""
    problems = Problems()
    with problems.collected():
        settings.check()
    if ring is not None:
        with problems.collected():
            ring.keys()  # an empty ring ends the run before anything is claimed
    if archive:
        with problems.collected():
            await vault.check_writable()
    problems.raise_all()


@contextlib.asynccontextmanager
async def agent_session(agent: str, shard: Shard | None = None) -> AsyncIterator[AgentSession]:
    """Yield the open session of ``hunter`` or ``tracker``, or a new one that is closed at the end.

    Raises ConfigError for a setting that is missing or wrong, and DatabaseUnavailable.
    """
    current = _current.get()
    if current is not None and current.agent == agent:
        yield current
        return
    shard = shard or Shard()
    ring = KeyRing(RING_OF[agent], start=shard.index)
    await check_start(ring)
    shutdown = current_shutdown()
    client = YouTubeClient(
        ring,
        base_url=settings.youtube_api_base_url,
        shutdown=shutdown,
        concurrency=settings.youtube_concurrency,
        user_agent=f"maia/{__version__} ({agent} {shard})",
    )
    database.application_name = f"maia {agent} {shard}"
    async with database.session(), client:
        dao = MaiaDAO(f"{agent} {shard}")
        token = _current.set(session := AgentSession(agent, shard, dao, ring, client, shutdown))
        try:
            yield session
        finally:
            _current.reset(token)
            if session.readings is not None:
                with contextlib.suppress(AtlasError):  # the work is done; the next readings are judged with these
                    await session.readings.finish(shutdown)
            with contextlib.suppress(AtlasError):  # the run ends with the lost database anyway
                await session.dao.release_kept()
            # for a flow that is called alone; ``run_process`` has sent them by now
            await dispatcher.default.finish(shutdown.within_grace(dispatcher.NOTIFY_SECONDS))
