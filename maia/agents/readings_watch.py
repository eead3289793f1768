"""Watch what a Tracker reads: counts that stand still for all videos at once, and videos that break out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from atlas import policy
from atlas.adapters.maia import MaiaDAO
from atlas.clock import clock
from atlas.errors import StatementFailed
from maia.orchestration import get_run_logger
from maia.runtime.recording import timed
from maia.runtime.shutdown import Shutdown

_MOST: Final = 5_000
"""Videos that wait; more are checked at once."""
_COUNTS_OF: Final = 1_000
"""Videos whose counts are checked for a freeze, the latest."""
_JUDGED_TOGETHER: Final = 2_500


class ReadingsWatch:
    """Collect the videos that a process reads, and check them at most once a minute of schedule time.

    A check reads several snapshots of each video. After every cycle of 50 videos it would cost as much as the cycle. It
    runs beside the next cycle. A lost database is raised by the call that waits for the check.
    """

    def __init__(self, dao: MaiaDAO) -> None:
        self._dao = dao
        self._ids: dict[str, None] = {}
        self._since: datetime | None = None
        self._checked_at: datetime | None = None
        self._check: asyncio.Task[None] | None = None
        self._checking: frozenset[str] = frozenset()
        self._breakouts = 0

    async def add(self, ids: Iterable[str], since: datetime) -> None:
        """Add videos that were read from this schedule time on; begin a check if one is due."""
        for id_ in ids:
            self._ids.pop(id_, None)
            self._ids[id_] = None
        self._since = self._since or since
        last = self._checked_at
        if last is None or len(self._ids) >= _MOST or clock.now() - last >= policy.READINGS_CHECK_INTERVAL:
            await self._begin()

    async def settle(self, ids: Sequence[str]) -> None:
        """Finish the check of any of these videos before they are read again: only a video's newest reading is judged.

        Where the schedule clock is fast, a video is due again while its check waits.
        """
        if not self._ids.keys().isdisjoint(ids):
            await self._begin()
        if not self._checking.isdisjoint(ids):
            await self._end()

    async def finish(self, shutdown: Shutdown) -> None:
        """Check all videos that wait, and wait for the checks; after a signal only as long as the grace."""
        finishing = asyncio.create_task(self._finish())
        try:
            await shutdown.wait_for(finishing)
            await asyncio.wait({finishing}, timeout=shutdown.grace_left)
            if finishing.done():
                await finishing
            else:
                get_run_logger().warning("no time is left to judge the last readings")
        finally:
            if not finishing.done():
                finishing.cancel()
                await asyncio.wait({finishing})

    async def _finish(self) -> None:
        await self._begin()
        await self._end()

    def take_breakouts(self) -> int:
        """Return how many breakouts were opened since the last call."""
        number, self._breakouts = self._breakouts, 0
        return number

    async def _begin(self) -> None:
        await self._end()
        if self._ids and self._since is not None:
            ids, since = list(self._ids), self._since
            self._ids, self._since, self._checked_at = {}, None, clock.now()
            self._checking = frozenset(ids)
            self._check = asyncio.create_task(self._look_at(ids, since))

    async def _end(self) -> None:
        check, self._check = self._check, None
        if check is not None:
            await check
            self._checking = frozenset()

    async def _look_at(self, ids: Sequence[str], since: datetime) -> None:
        """Check videos. A statement that fails costs the check, not the run."""
        try:
            await self._dao.check_freeze(ids[-_COUNTS_OF:], since)
        except StatementFailed as error:
            get_run_logger().warning("cannot check whether counts stand still: %s", error)
        try:
            with timed("maia_stage_duration_seconds", stage="judge_growth"):
                await self._dao.learn_growth()
                for first in range(0, len(ids), _JUDGED_TOGETHER):
                    some = ids[first : first + _JUDGED_TOGETHER]
                    self._breakouts += len(await self._dao.judge_growth(some, since))
        except StatementFailed as error:
            get_run_logger().warning("cannot judge growth: %s", error)
