"""Watch for counts that stand still: YouTube sometimes freezes the counts of all videos at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from atlas import policy
from atlas.adapters.maia import MaiaDAO
from atlas.clock import clock
from atlas.errors import StatementFailed
from maia.orchestration import get_run_logger

__all__ = ["CountsWatch"]

_MOST = 1_000
"""Videos of one check at most: the latest."""


class CountsWatch:
    """Collect the videos that a process reads, and check their counts at most once a minute of schedule time.

    A check reads several snapshots of each video. After every cycle of 50 videos it would cost as much as the cycle.
    """

    def __init__(self, dao: MaiaDAO) -> None:
        self._dao = dao
        self._ids: dict[str, None] = {}
        self._since: datetime | None = None
        self._checked_at: datetime | None = None

    async def add(self, ids: Iterable[str], since: datetime) -> None:
        """Add videos that were read from this schedule time on; check if a check is due."""
        for id_ in ids:
            self._ids.pop(id_, None)
            self._ids[id_] = None
        self._since = self._since or since
        if self._checked_at is None or clock.now() - self._checked_at >= policy.FREEZE_CHECK_INTERVAL:
            await self.check()

    async def check(self) -> None:
        """Check the collected videos now. A statement that fails costs the check, not the run."""
        if not self._ids or self._since is None:
            return
        ids, since = list(self._ids)[-_MOST:], self._since
        self._ids, self._since, self._checked_at = {}, None, clock.now()
        try:
            await self._dao.check_freeze(ids, since)
        except StatementFailed as error:
            get_run_logger().warning("cannot check whether counts stand still: %s", error)
