"""What one process of an agent works with: its claims, its keys, its HTTP session. Opened by the flow, closed by it."""

from __future__ import annotations

import contextlib
import contextvars
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from atlas import vault
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError, Problems, RingExhausted
from atlas.notifier import dispatcher
from atlas.quota.buckets import Bucket
from atlas.utils import KeyRing
from maia import __version__
from maia.agents.counts_watch import CountsWatch
from maia.agents.failure_causes import Causes
from maia.orchestration import get_run_logger
from maia.runtime.run_context import current_shutdown
from maia.runtime.shutdown import Shutdown
from maia.youtube import RateLimited, YouTubeClient

__all__ = ["RING_OF", "AgentSession", "Shard", "agent_session", "check_start"]


@dataclass(frozen=True)
class Shard:
    """Which of how many parallel processes this is: a name for leases, logs and results, and its first key."""

    index: int = 0
    total: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads ``I/N``, I from 0. Raises ValueError."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if not match or int(match[1]) >= int(match[2]):
            raise ValueError(f"'{text}' is no shard; write I/N with I from 0 to N-1, such as 0/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.total}"


@dataclass
class AgentSession:
    """One agent at work.

    Attributes:
        exhausted: the buckets whose quota the whole ring has spent, each with a line that says when it resets.
        failures: why items failed, by what they are, such as ``searches``.
        fatal: what ends the run once everything answered is stored: a setting, the lost database, a fault of ours.
        repeats: further cycles may follow, and whoever runs them flushes the archive after the last one.
    """

    agent: str
    shard: Shard
    dao: MaiaDAO
    ring: KeyRing
    client: YouTubeClient
    shutdown: Shutdown
    counts: CountsWatch
    exhausted: dict[str, str] = field(default_factory=dict)
    failures: defaultdict[str, Causes] = field(default_factory=lambda: defaultdict(Causes))
    fatal: Exception | None = None
    repeats: bool = False

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
        """Forget what the last cycle has seen: meanwhile a new day may have begun."""
        self.exhausted.clear()
        self.failures.clear()

    def calls_since(self, calls: Counter[str], refused: Counter[str]) -> dict[str, dict[str, int]]:
        """The calls by bucket since the ring's counts were these, as a result has them: the refused apart."""
        refusals = dict(self.ring.refused - refused)
        return {"calls": dict(self.ring.calls - calls), **({"calls_refused": refusals} if refusals else {})}

    def record_exhausted(self, error: RingExhausted, rest: str) -> None:
        """Remember a spent bucket. That is the usual end of a day's work: one line at INFO.

        Args:
            error: names the bucket and says when it resets.
            rest: what becomes of the work that is left.
        """
        if error.bucket not in self.exhausted:
            self.exhausted[error.bucket] = str(error)
            get_run_logger().info("%s; %s", error, rest)

    def churn(self, error: RateLimited) -> None:
        """Ask the run to end because of a rate limit; a fresh process goes on."""
        get_run_logger().warning("rate limit: this process ends so that a fresh one goes on (%s)", error)
        self.shutdown.churn(str(error))

    def record_fatal(self, error: Exception) -> None:
        """Remembers an error that ends the run, the first one; the siblings' answers are stored before it is raised."""
        self.fatal = self.fatal or error

    def raise_if_over(self) -> None:
        """Raises what ends the run: a fatal error, ChurnExit or CancelledExit."""
        if self.fatal is not None:
            raise self.fatal
        self.shutdown.raise_if_requested()


_current: contextvars.ContextVar[AgentSession | None] = contextvars.ContextVar("maia_session", default=None)

RING_OF = {"hunter": "hunting", "tracker": "tracking"}
"""Which key ring an agent spends from."""


async def check_start(ring: KeyRing | None = None, *, archive: bool = True) -> None:
    """Raises one ConfigError for all that is wrong with the settings, before anything is opened or spent.

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
    """The session that is open, or a new one that is closed at the end.

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
        token = _current.set(session := AgentSession(agent, shard, dao, ring, client, shutdown, CountsWatch(dao)))
        try:
            yield session
            with contextlib.suppress(AtlasError):  # the work is done; only evidence is lost
                await session.counts.check()
        finally:
            _current.reset(token)
            with contextlib.suppress(AtlasError):  # a lost database is what the run ends with anyway
                await session.dao.release_aside()
            # of a flow that runs without a process of its own; a process has told people by now
            await dispatcher.default.finish(shutdown.within_grace(dispatcher.NOTIFY_SECONDS))
