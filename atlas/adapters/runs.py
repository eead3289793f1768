"""RunDAO: the rows of ``runs``, for people: the latest ones, those of one workflow run, and how they ended."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql

__all__ = ["LONGEST_RUN", "ProcessRow", "RunDAO"]

LONGEST_RUN = timedelta(hours=6)
"""After this time a row without an end counts as killed: GitHub ends a job then."""

_CANDIDATES = 2_000  # rows among which the last run of each agent is searched
_HEX = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class ProcessRow:
    """One row of ``runs``: one process. Times are real, in UTC."""

    id: str
    run_id: str | None
    """The workflow run."""
    wave: int | None
    agent: str
    shard: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    """None: running or killed; see ``state``."""
    exit_code: int | None
    stats: dict[str, Any] | None
    error: str | None
    url: str | None
    """The page of the workflow run."""

    @property
    def group(self) -> str:
        """What the processes of one workflow run share."""
        return self.run_id or self.id

    def state(self, now: datetime) -> str:
        """Return the outcome, or ``running`` or ``killed`` where there is none."""
        return self.outcome or ("running" if now - self.started_at < LONGEST_RUN else "killed")


class RunDAO:
    """Reads ``runs``; changes nothing."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def latest(self, limit: int) -> list[ProcessRow]:
        """Return the latest rows, the newest first."""
        return [ProcessRow(**row) for row in await self._db.fetch(sql("runs/list_latest"), limit)]

    async def find(self, name: str, limit: int) -> list[ProcessRow]:
        """Return the rows of a workflow run, or the row of a process, whose id may be shortened to 4 or more digits.

        A shortened id that several processes share gives them all, also of different workflow runs.
        """
        name = name.replace("\0", "")
        digits = name.strip().lower().replace("-", "")
        low = high = None
        if _HEX.fullmatch(digits):
            low, high = digits.ljust(32, "0"), digits.ljust(32, "f")
        rows = await self._db.fetch(sql("runs/find_runs"), name.strip(), low, high, limit)
        return [ProcessRow(**row) for row in rows]

    async def last_by_agent(self) -> dict[str, list[ProcessRow]]:
        """Return the rows of each agent's last workflow run or process, in the order of their starts."""
        found: dict[str, list[ProcessRow]] = defaultdict(list)
        for row in await self._db.fetch(sql("runs/last_by_agent"), _CANDIDATES):
            found[row["agent"]].append(ProcessRow(**row))
        return dict(found)

    async def count_outcomes(self, span: timedelta) -> dict[str, int]:
        """Count the runs that started within this (real) time by outcome, ``running`` or ``killed``."""
        now = clock.real()
        rows = await self._db.fetch(sql("runs/count_outcomes"), now - span, now - LONGEST_RUN)
        return {row["outcome"]: row["amount"] for row in rows}
