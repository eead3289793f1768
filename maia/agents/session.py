"""What one process of an agent works with: its claims, its keys, its HTTP session. The flow opens and closes it."""

from __future__ import annotations

import contextlib
import contextvars
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from atlas import vault
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError, Problems, RingExhausted
from atlas.notifier import dispatcher
from atlas.quota.buckets import Bucket
from atlas.utils import KeyRing
from maia import __version__
from maia.orchestration import get_run_logger
from maia.runtime.result_file import one_line
from maia.runtime.run_context import current_shutdown, record_stats
from maia.runtime.shutdown import Shutdown
from maia.youtube import RateLimited, YouTubeClient, YouTubeError

if TYPE_CHECKING:
    from maia.agents.counts_watch import CountsWatch

__all__ = ["CONTROL_IDS", "RING_OF", "AgentSession", "FailureCauses", "Shard", "agent_session", "check_start"]

RING_OF: Final = {"hunter": "hunting", "tracker": "tracking"}
"""The key ring of each agent."""

CONTROL_IDS: Final = 5
"""Known videos that are asked along with doubtful ones, to prove that an absence is real."""

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
    line = one_line(text).rstrip(".")
    return line if len(line) <= _LONGEST_CAUSE else line[: _LONGEST_CAUSE - 1] + "…"


@dataclass
class AgentSession:
    """One agent at work.

    Attributes:
        exhausted: the buckets whose quota the whole ring has spent, each with a line that names its reset.
        failures: why items failed, by their kind, such as ``searches``.
        fatal: what ends the run once everything answered is stored: a setting, the lost database, a fault of ours.
        repeats: further cycles may follow, and the archive is flushed after the last one.
        counts: watches for frozen counts; None: no video was read.
    """

    agent: str
    shard: Shard
    dao: MaiaDAO
    ring: KeyRing
    client: YouTubeClient
    shutdown: Shutdown
    exhausted: dict[str, str] = field(default_factory=dict)
    failures: defaultdict[str, FailureCauses] = field(default_factory=lambda: defaultdict(FailureCauses))
    fatal: Exception | None = None
    repeats: bool = False
    counts: CountsWatch | None = None
    _before: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    @property
    def searches_left(self) -> int | None:
        """How many searches this process may still make (HUNTER_MAX_SEARCHES_PER_RUN); None: no cap."""
        cap = settings.hunter_max_searches_per_run
        return None if cap is None else max(0, cap - self.ring.calls[Bucket.SEARCH])

    @property
    def over(self) -> bool:
        """Whether nothing new should start."""
        return self.shutdown.requested or self.fatal is not None

    def begin_cycle(self) -> None:
        """Forget the spent buckets and failures of the last cycle: meanwhile a new day may have begun."""
        self.exhausted.clear()
        self.failures.clear()
        self._before = Counter(self.ring.calls), Counter(self.ring.refused)

    async def end_cycle(self, stats: Mapping[str, int]) -> None:
        """Record the stats of a cycle, however it ended, and release what is still claimed."""
        record_stats({**stats, **self.cycle_calls()})
        record_stats({"released": await self.dao.release_claims()})

    def cycle_calls(self) -> dict[str, dict[str, int]]:
        """Return this cycle's calls by bucket, as a result has them: the refused ones apart."""
        calls, refused = self._before
        refusals = dict(self.ring.refused - refused)
        return {"calls": dict(self.ring.calls - calls), **({"calls_refused": refusals} if refusals else {})}

    def record_exhausted(self, error: RingExhausted, rest: str) -> None:
        """Record a spent bucket: the usual end of a day's work, so one line at INFO.

        Args:
            error: names the bucket and when it resets.
            rest: what becomes of the remaining work.
        """
        if error.bucket not in self.exhausted:
            self.exhausted[error.bucket] = str(error)
            get_run_logger().info("%s; %s", error, rest)

    def churn(self, error: RateLimited) -> None:
        """Ask the run to end because of a rate limit; a fresh process goes on."""
        get_run_logger().warning("rate limit: this process ends so that a fresh one goes on (%s)", error)
        self.shutdown.churn(str(error))

    def record_fatal(self, error: Exception) -> None:
        """Record the first error that ends the run; the siblings' answers are stored before it is raised."""
        self.fatal = self.fatal or error

    def raise_if_over(self) -> None:
        """Raise what ends the run: a fatal error, ChurnExit or CancelledExit."""
        if self.fatal is not None:
            raise self.fatal
        self.shutdown.raise_if_requested()


_current: contextvars.ContextVar[AgentSession | None] = contextvars.ContextVar("maia_session", default=None)


async def check_start(ring: KeyRing | None = None, *, archive: bool = True) -> None:
    """Raise one ConfigError for all that is wrong with the settings, before anything is opened or spent.

    Args:
        ring: whose keys the process needs.
        archive: whether it writes to the archive.
    """
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
    """Yield the open session, or a new one that is closed at the end.

    Args:
        agent: ``hunter`` or ``tracker``.
        shard: of a new session.

    Raises:
        ConfigError: a setting is missing or wrong, such as an empty key ring or a missing schema.
        DatabaseUnavailable: the database cannot be reached.
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
            if session.counts is not None:
                with contextlib.suppress(AtlasError):  # the work is done; only evidence is lost
                    await session.counts.check()
        finally:
            _current.reset(token)
            with contextlib.suppress(AtlasError):  # the run ends with the lost database anyway
                await session.dao.release_aside()
            # of a flow that runs without a process of its own; a process has notified people by now
            await dispatcher.default.finish(shutdown.within_grace(dispatcher.NOTIFY_SECONDS))
