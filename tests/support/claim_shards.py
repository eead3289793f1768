"""Several shards on one database, each with its own connections, and what the documents say that they may do.

``Fleet`` is driven one step after another; ``Row`` and the orders below are the model in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database

from .clock_settings import standing_at
from .event_loop import PATIENCE

__all__ = [
    "BEGIN", "HOUR", "SHARDS", "Fleet", "Held", "Undone", "due_topics", "due_videos", "first_places", "unfinished",
]  # fmt: skip

T = TypeVar("T")

SHARDS = 3
HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)

# a statement that waits for another's row is refused: a claim that would block fails, however fast the machine is
_NO_WAITING = "lock_timeout=5000"

Rows = Mapping[Any, asyncpg.Record]


class Undone(Exception):
    """Ends a transaction, which is rolled back."""


@dataclass
class Held:
    """What one shard believes to hold, as the documents have it: its tokens, and what it set aside."""

    tokens: dict[int | str, UUID] = field(default_factory=dict)
    aside: set[int | str] = field(default_factory=set)


class Fleet:
    """The shards' stores, and a connection that looks at the tables from outside. Open until ``close``."""

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        self._given = settings.override(
            database_url=f"{dsn}{'&' if '?' in dsn else '?'}{_NO_WAITING}", database_pool_size=2
        )
        self._given.__enter__()
        self.stores = [Database() for _ in range(SHARDS)]
        self.eyes: asyncpg.Connection = self.run(asyncpg.connect(dsn))
        self.other: asyncpg.Connection = self.run(asyncpg.connect(dsn))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(work, PATIENCE)

        return self._runner.run(bounded())

    def close(self) -> None:
        for store in self.stores:
            self.run(store.close())
        self.run(self.eyes.close())
        self.run(self.other.close())
        self._given.__exit__(None, None, None)
        self._runner.close()

    def empty(self) -> None:
        """What another example has left goes."""
        self.run(self.eyes.execute("TRUNCATE search_queue, videos, channels, video_stats_log, events RESTART IDENTITY"))

    def daos(self) -> list[MaiaDAO]:
        return [MaiaDAO(f"shard {number}", store) for number, store in enumerate(self.stores)]

    def at(self, moment: datetime, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Does something while the schedule clock shows a moment, standing nearly still."""
        with settings.override(atlas_clock=standing_at(moment)):
            return self.run(work())

    def look(self, table: str) -> dict[Any, asyncpg.Record]:
        """A table's rows by their key, each with ``free``: no lease, or one that has ended."""
        rows = self.run(
            self.eyes.fetch(f"SELECT *, leased_until IS NULL OR leased_until < now() AS free FROM {table} ORDER BY id")
        )
        return {row["id"]: row for row in rows}

    def snapshots(self) -> dict[str, int]:
        """Video → how many of its snapshots are stored."""
        rows = self.run(self.eyes.fetch("SELECT video_id, count(*) AS n FROM video_stats_log GROUP BY 1"))
        return {row["video_id"]: row["n"] for row in rows}


# ── who comes first, as contracts.md and docs have it ───────────────────────────────────────────────────────────────


def due_topics(rows: Rows, now: datetime) -> list[int]:
    """Queries that may be claimed: by rank, within one never searched first, then oldest."""
    due = [
        row
        for row in rows.values()
        if row["free"] and (row["status"] == "active" or (row["status"] == "waiting" and row["due_at"] <= now))
    ]
    early = datetime.min.replace(tzinfo=UTC)
    due.sort(key=lambda row: (-row["priority"], row["last_searched_at"] or early, row["id"]))
    return [row["id"] for row in due]


def due_videos(rows: Rows, now: datetime) -> list[tuple[Any, str]]:
    """Videos that are due: zone 1 before 2 before 3, in each the longest due first; each with its place."""
    due = [row for row in rows.values() if row["free"] and row["due_at"] is not None and row["due_at"] <= now]
    return sorted(((row["zone"], row["due_at"]), row["id"]) for row in due)


def unfinished(rows: Rows, now: datetime, *, archive: bool) -> list[tuple[Any, str]]:
    """Videos without their metadata, then those that were never archived; the longest known first."""
    due = []
    for row in rows.values():
        asked = row["last_absent_at"] is not None and row["last_absent_at"] > now - 6 * HOUR
        if not row["free"] or row["retired_at"] is not None or asked:
            continue
        if row["enriched_at"] is None:
            due.append(((0, row["first_seen_at"]), row["id"]))
        elif archive and row["archived_at"] is None and row["first_seen_at"] <= now - HOUR:
            due.append(((1, row["first_seen_at"]), row["id"]))
    return sorted(due)


def first_places(due: Iterable[tuple[Any, str]], number: int) -> list[Any]:
    """The places of the first so many: of those that share a place, any may be taken."""
    return [place for place, _ in list(due)[:number]]
