"""QueueDAO: add, list, pause and remove queries of the search queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, cast

from atlas import policy
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.errors import StatementFailed
from atlas.search_terms import query_term, spelling

_AT_ONCE = 1_000  # queries of one transaction


class QueryRow(TypedDict):
    """A query of the queue, as `maia queue list` shows it."""

    id: int
    query_term: str
    """The normal form: what is searched for."""
    display_term: str
    """As the user spelled it; of a tag, the normal form."""
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


@dataclass(frozen=True)
class QueryYield:
    """What the searches of a query brought."""

    id: int
    query_term: str
    display_term: str
    status: str
    priority: int
    source: str
    searches: int
    new_videos: int
    """Videos that no other query had found before."""
    new_per_search: float | None
    """None: never searched."""
    broke_out: int
    """How many of its new videos have broken out since."""
    last_searched_at: datetime | None
    due_at: datetime | None
    leased: bool

    @property
    def share_broke_out(self) -> float | None:
        """Return the share of its new videos that broke out, from 0 to 1; None: it has found none."""
        return min(1.0, self.broke_out / self.new_videos) if self.new_videos else None


class QueueDAO:
    """Adds, lists, pauses and removes queries."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def add(
        self, queries: Iterable[str], *, first: bool = False, progress: Callable[[str, int, int], None] | None = None
    ) -> int:
        """Add queries above any tag; a known one is raised there and, if it was paused, resumed.

        Those that were never searched are searched in the order given. They are written in bounded transactions.
        ``first`` ranks them above the user's other queries, too, until they are removed. ``progress`` is called with
        what is done, how much of it is done, and how much there is. Return how many are new; raise ValueError for one
        that is no query.
        """
        spellings: dict[str, str] = {}
        for query in queries:
            spellings.setdefault(query_term(query), spelling(query))
        wanted = list(spellings.items())
        await self.adopt()
        priority = policy.USER_PRIORITY + first
        created = highest = 0
        for start in range(0, len(wanted), _AT_ONCE):
            if progress and start:
                progress("adding queries", start, len(wanted))
            more, highest = await self._add(dict(wanted[start : start + _AT_ONCE]), priority, highest)
            created += more
        return created

    async def _add(self, wanted: dict[str, str], priority: int, highest: int) -> tuple[int, int]:
        """Add a batch; return how many are new, and the highest id of the unsearched, which is that of the last."""

        async def write() -> tuple[int, int]:
            last = highest
            async with self._db.transaction():
                rows = await self._db.fetch(
                    sql("queue/add_queries"), list(wanted), list(wanted.values()), priority, clock.now()
                )
                ids = {row["query_term"]: row["id"] for row in rows if row["unsearched"]}
                displaced: list[str] = []
                for term in (term for term in wanted if term in ids):
                    # once an id is new, it is above all that were given
                    if displaced or ids[term] < last:
                        displaced.append(term)
                    last = max(last, ids[term])
                if displaced:
                    last = max(row["id"] for row in await self._db.fetch(sql("queue/place_queries"), displaced))
            return sum(row["created"] for row in rows), last

        return await self._db.retry(write)

    async def adopt(self) -> None:
        """Give the queries of an earlier release their normal form, which it did not know.

        Of several spellings of one query the others are paused, and can be removed by their spelling.
        """
        try:
            await self._adopt()
        except StatementFailed:  # another process has stored one of the normal forms meanwhile
            await self._adopt()

    async def _adopt(self) -> None:
        older = await self._db.fetch(sql("queue/older_queries"))
        if older:
            terms = [_term_or_itself(row["query_term"]) for row in older]
            ids = [row["id"] for row in older]
            await self._db.retry(lambda: self._db.fetch(sql("queue/adopt_queries"), ids, terms, policy.USER_PRIORITY))

    async def list(self, limit: int = 50) -> list[QueryRow]:
        """Return the queries in the order in which they are searched, at most ``limit``."""
        return [cast("QueryRow", dict(row)) for row in await self._db.fetch(sql("queue/list_queries"), limit)]

    async def list_by_yield(self, limit: int = 50) -> Sequence[QueryYield]:
        """Return the queries that bring most new videos per search, the best first, at most ``limit``."""
        return [QueryYield(**row) for row in await self._db.fetch(sql("queue/list_yield"), limit)]

    async def count(self) -> int:
        """Return how many queries take their turn: all but the paused ones."""
        (row,) = await self._db.fetch(sql("queue/count_queries"))
        return int(row["queries"])

    async def pause(self, queries: Iterable[str]) -> frozenset[str]:
        """Pause queries until they are added again. Return those that exist, in the spelling given."""
        # an earlier release's other spelling of a query has a row of its own
        forms = {query: {query_term(query), spelling(query)} for query in queries}
        await self.adopt()
        return await self._change(sql("queue/pause_queries"), forms)

    async def remove(self, queries: Iterable[str]) -> frozenset[str]:
        """Delete queries; a tag may come back by the Snowball. Return those that existed, in the spelling given.

        An earlier release's other spelling of a query has a row of its own: where there is one, only that is deleted.
        """
        terms = {query: query_term(query) for query in queries}
        await self.adopt()
        rows = await self._db.fetch(sql("queue/stored_queries"), sorted({spelling(query) for query in terms}))
        exact = {row["query_term"] for row in rows}
        forms = {query: {spelling(query)} & exact or {term} for query, term in terms.items()}
        return await self._change(sql("queue/remove_queries"), forms)

    async def _change(self, statement: str, forms: dict[str, set[str]]) -> frozenset[str]:
        rows = await self._db.fetch(statement, sorted({form for each in forms.values() for form in each}))
        found = {row["query_term"] for row in rows}
        return frozenset(query for query, each in forms.items() if each & found)


def _term_or_itself(query: str) -> str:
    try:
        return query_term(query)
    except ValueError:
        return query
