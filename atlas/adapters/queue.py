"""QueueDAO: how people seed and steer the search queue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict, cast

from atlas import policy
from atlas.clock import clock
from atlas.database import Database, database
from atlas.statements import sql

__all__ = ["QueryRow", "QueueDAO"]


class QueryRow(TypedDict):
    """A query of the queue, as `maia queue list` shows it."""

    id: int
    query_term: str
    status: str
    priority: int
    source: str
    mentions: int
    last_searched_at: datetime | None
    due_at: datetime | None
    searches: int
    results: int
    page: int
    leased: bool | None
    leased_by: str | None


class QueueDAO:
    """Adds, lists, pauses and removes queries. Constructing it does no I/O."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def add(self, terms: Iterable[str]) -> int:
        """Adds queries above any tag; a known one is raised there and, if it was paused, resumed.

        Returns:
            the number of new ones.
        """
        wanted = list(dict.fromkeys(terms))
        rows = await self._db.fetch(sql("add_queries"), wanted, policy.USER_PRIORITY, clock.now())
        return sum(row["created"] for row in rows)

    async def list(self, limit: int = 50) -> list[QueryRow]:
        """The queries in the order in which they are searched, at most ``limit``."""
        return [cast("QueryRow", dict(row)) for row in await self._db.fetch(sql("list_queries"), limit)]

    async def pause(self, terms: Iterable[str]) -> frozenset[str]:
        """Sets queries aside until they are added again. Returns those that exist."""
        return frozenset(row["query_term"] for row in await self._db.fetch(sql("pause_queries"), [*terms]))

    async def remove(self, terms: Iterable[str]) -> frozenset[str]:
        """Deletes queries; a tag may come back by the Snowball. Returns those that existed."""
        return frozenset(row["query_term"] for row in await self._db.fetch(sql("remove_queries"), [*terms]))
