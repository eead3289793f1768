"""The claims of a DAO: its leases and its transactions."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from atlas import policy
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.models.rows import TargetRow, TopicRow

logger = logging.getLogger(__name__)

T = TypeVar("T")

_REPAIRED_AT_ONCE = 5_000  # maximum rows of a kind that one repair makes due
_REPAIRED_EVERY = 600.0  # real seconds between two repairs of one process


@dataclass
class _OpenTransaction:
    """A transaction: the one schedule time that it writes, and the claims that end when it commits."""

    now: datetime
    done: list[int | str] = field(default_factory=list)


class Claims:
    """The claims of one DAO. Constructing it does no I/O.

    Args:
        shard: named in leases, such as ``hunter 0/4``.
        store: another database than the process's own, for tests.
    """

    def __init__(self, shard: str = "", store: Database | None = None) -> None:
        self.shard = shard
        self._db = store or database
        self._topics: dict[int, TopicRow] = {}
        self._videos: dict[str, TargetRow] = {}
        self._kept: set[int | str] = set()
        self._repaired: dict[str, float] = {}
        self._within: contextvars.ContextVar[_OpenTransaction | None] = contextvars.ContextVar("within", default=None)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit the calls inside together, with one schedule time; outside, each commits alone."""
        this = _OpenTransaction(self._now())
        token = self._within.set(this)
        try:
            async with self._db.transaction():
                yield
        finally:
            self._within.reset(token)
        self._drop_claims(this.done)

    def _now(self) -> datetime:
        within = self._within.get()
        return within.now if within is not None else clock.now()

    async def retry(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a whole transaction, again if the database was lost in it."""
        return await self._db.retry(work)

    async def _repair(self, what: str, statement: str, *arguments: Any) -> None:
        """Make rows due that are due later than the policy allows: at the first claim, then every ten minutes.

        A process whose clock was ahead wrote such times; without a repair the rows would wait for them.
        """
        moment = time.monotonic()
        if what in self._repaired and moment < self._repaired[what] + _REPAIRED_EVERY:
            return
        self._repaired[what] = moment
        (row,) = await self._db.fetch(statement, _REPAIRED_AT_ONCE, self._now(), clock.tolerance, *arguments)
        if row["repaired"]:
            logger.warning(
                "%d %s would have waited longer than the schedule allows and are due now: a clock was ahead when they "
                "were written", row["repaired"], what,
            )  # fmt: skip

    async def _repair_videos(self) -> None:
        intervals = [zone.interval for zone in policy.ZONES]
        await self._repair("videos", sql("claims/repair_videos"), intervals, policy.ZONES[-1].interval)

    async def _repair_topics(self) -> None:
        await self._repair("queries", sql("claims/repair_topics"), policy.TOPIC_INTERVAL, policy.TOPIC_INTERVAL_MAX)

    def _drop_claims(self, finished: Iterable[int | str]) -> None:
        """Drop claims that have ended; inside a transaction only once it has committed."""
        within = self._within.get()
        if within is not None:
            within.done.extend(finished)
            return
        for key in finished:
            if isinstance(key, int):
                self._topics.pop(key, None)
            else:
                self._videos.pop(key, None)

    def register_topic(self, topic: TopicRow) -> None:
        """Register a topic that another DAO claimed: its row has the lease token."""
        self._topics.setdefault(topic["id"], topic)

    def register_videos(self, targets: Iterable[TargetRow]) -> None:
        """Register videos that another DAO claimed: their rows have the lease tokens."""
        for target in targets:
            self._videos.setdefault(target["id"], target)

    def keep_claims(self, ids: Iterable[int | str]) -> None:
        """Keep these claims until ``release_kept``, so that rows that failed are not claimed again at once."""
        self._kept.update(ids)

    async def release_claims(self) -> int:
        """Release all claims but the kept ones, so that another shard can take the rows; return how many."""
        claimed: set[int | str] = {*self._topics, *self._videos}
        return await self._release(claimed - self._kept)

    async def release_kept(self) -> int:
        """Release the kept claims, at the end of a process; return how many."""
        kept, self._kept = self._kept, set()
        return await self._release(kept)

    async def _release(self, ids: set[int | str]) -> int:
        released = 0
        statements = (sql("claims/release_topics"), self._topics), (sql("claims/release_videos"), self._videos)
        for statement, claimed in statements:
            tokens = {id_: row["lease_token"] for id_, row in claimed.items() if id_ in ids}
            if tokens:
                released += len(await self._db.fetch(statement, list(tokens), list(tokens.values())))
                self._drop_claims(tokens)
        return released

    def _register_rows(self, records: Sequence[Any]) -> list[TargetRow]:
        """Register rows of ``claim_videos`` or ``claim_unfinished``; return them in the order of their schedule."""
        # written out: mypy checks it, and it takes less time than dict(record)
        rows: list[TargetRow] = [
            {
                "id": id_, "title": title, "published_at": published_at, "first_seen_at": first_seen_at,
                "last_updated_at": last_updated_at, "zone": zone, "due_at": due_at, "enriched_at": enriched_at,
                "archived_at": archived_at, "duration": duration, "lease_token": lease_token,
            }
            for id_, title, published_at, first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at,
                duration, lease_token in records
        ]  # fmt: skip
        rows.sort(key=lambda row: (row["zone"], row["due_at"] or row["first_seen_at"], row["id"]))
        self._videos.update((row["id"], row) for row in rows)
        return rows
