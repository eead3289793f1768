"""How far a run of several cycles is: a live line on a terminal, a line of the log a minute elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from atlas.errors import AtlasError
from atlas.figures import duration_text
from maia.orchestration import get_run_logger
from maia.runtime.live_line import LiveLine
from maia.runtime.logs import log_is_on_terminal

if TYPE_CHECKING:
    from maia.agents.session import AgentSession

LOG_SECONDS = 60.0
"""Between two lines of the log."""
_TICK_SECONDS = 1.0
_COUNT_SECONDS = 15.0  # between two counts of what is left, on a terminal
_MOST_COUNTED = 5_000  # bounds what a count costs
_DONE = {"hunter": ("videos_new", "new videos"), "tracker": ("targets", "videos")}
_LEFT = {"hunter": "queries", "tracker": "videos"}


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    agent: str
    cycle: int = 0
    done: int = 0
    """Videos read or, of the Hunter, new ones."""
    seconds: float = 0.0
    """Since the first cycle began."""
    left: int | None = None
    """What is due now, counted up to a bound; None: not counted."""
    cycles: int | None = None
    """How many cycles were asked for; None: as many as fit."""
    seconds_left: float | None = None
    """Until the time that was asked for is up."""

    @property
    def rate(self) -> float:
        """Return the videos per minute so far."""
        return self.done / self.seconds * 60 if self.seconds > 0 else 0.0

    @property
    def time_left(self) -> float | None:
        """Return the seconds that are probably left: the time asked for, or less if the work ends before."""
        found = [] if self.seconds_left is None else [max(0.0, self.seconds_left)]
        if self.cycles is not None and self.cycle:
            found.append(self.seconds / self.cycle * max(0, self.cycles - self.cycle))
        if self.agent == "tracker" and self.left is not None and self.left < _MOST_COUNTED and self.rate:
            found.append(self.left / self.rate * 60)
        return min(found, default=None)

    def __str__(self) -> str:
        of = f" of {self.cycles:,}" if self.cycles is not None else ""
        parts = [f"{self.agent}: cycle {self.cycle:,}{of}", f"{self.rate:,.0f} {_DONE[self.agent][1]}/min"]
        if self.left is not None:
            more = " or more" if self.left >= _MOST_COUNTED else ""
            parts.append(f"{self.left:,}{more} {_LEFT[self.agent]} due")
        if (left := self.time_left) is not None:
            parts.append(f"{duration_text(timedelta(seconds=left))} left")
        return ", ".join(parts)


class RunProgress:
    """Follows the cycles of a run. It costs a count of what is due every 15 s on a terminal, every minute elsewhere."""

    def __init__(self, session: AgentSession, cycles: int, ends: float | None) -> None:
        self._session = session
        self._progress = Progress(session.agent, cycles=cycles if ends is None else None)
        self._ends = ends  # by time.monotonic()
        self._began = self._logged = time.monotonic()
        self._counted: float | None = None
        self._repeats = cycles > 1 or ends is not None
        self._line = LiveLine() if self._repeats and log_is_on_terminal() else None

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[RunProgress]:
        """Show the live line inside the block, if the log is on a terminal; a shutdown request ends it at once."""
        if self._line is None:
            yield self
            return
        with self._line, self._session.shutdown.on_request(self._line.close):
            ticking = asyncio.create_task(self._tick(self._line))
            try:
                yield self
            finally:
                ticking.cancel()

    async def cycle_ended(self, number: int, stats: Mapping[str, Any]) -> None:
        """Take a cycle into account, and log a line if a minute has passed."""
        if not self._repeats:
            return
        done = stats.get(_DONE[self._session.agent][0])
        self._progress = replace(self._progress, cycle=number, done=self._progress.done + (done or 0))
        now = time.monotonic()
        logs = self._line is None and now - self._logged >= LOG_SECONDS
        counts = self._line is not None and (self._counted is None or now - self._counted >= _COUNT_SECONDS)
        if logs or counts:
            self._counted = now
            self._progress = replace(self._progress, left=await self._left())
        if logs:
            self._logged = now
            get_run_logger(__name__).info("%s", self.now())

    def now(self) -> Progress:
        """Return how far the run is at this moment."""
        now = time.monotonic()
        left = None if self._ends is None else self._ends - now
        return replace(self._progress, seconds=now - self._began, seconds_left=left)

    async def _left(self) -> int | None:
        from atlas.adapters.plans import PlanDAO  # noqa: PLC0415  a run of one cycle does not pay for it

        with contextlib.suppress(AtlasError):  # a cycle finds out what is wrong, and says it
            dao = PlanDAO()
            if self._session.agent == "hunter":
                return await dao.due_queries(_MOST_COUNTED)
            return min(_MOST_COUNTED, sum((await dao.due_videos(_MOST_COUNTED)).values()))
        return None

    async def _tick(self, line: LiveLine) -> None:
        while True:
            line.show(str(self.now()))
            await asyncio.sleep(_TICK_SECONDS)
