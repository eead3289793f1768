"""Claims: the leases that a DAO holds, its transactions, and how both end."""

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

__all__ = ["Claims"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_REPAIRED_AT_ONCE = 5_000
"""Rows of a kind that one repair makes due: bounds its cost."""
_REPAIRED_EVERY = 600.0
"""Real seconds between two repairs of one process."""


@dataclass
class _Open:
    """A transaction of a DAO: the one schedule time that all of it is written with, and the leases that end with it."""

    now: datetime
    done: list[int | str] = field(default_factory=list)


class Claims:
    """What a DAO holds. Constructing it does no I/O.

    Args:
        shard: named in leases, such as ``hunter 0/4``.
        store: another database than the process's own, for tests.
    """

    def __init__(self, shard: str = "", store: Database | None = None) -> None:
        self.shard = shard
        self._db = store or database
        self._topics: dict[int, TopicRow] = {}
        self._videos: dict[str, TargetRow] = {}
        self._aside: set[int | str] = set()
        self._repaired: dict[str, float] = {}
        self._within: contextvars.ContextVar[_Open | None] = contextvars.ContextVar("within", default=None)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """The calls inside commit together or not at all, and bear one time; outside, each commits alone."""
        this = _Open(self._now())
        token = self._within.set(this)
        try:
            async with self._db.transaction():
                yield
        finally:
            self._within.reset(token)
        self._forget(this.done)

    def _now(self) -> datetime:
        within = self._within.get()
        return within.now if within is not None else clock.now()

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does a whole transaction, again if the database was lost in it, within bounded patience (see Database)."""
        return await self._db.patiently(work)

    async def _repair(self, what: str, statement: str, *arguments: Any) -> None:
        """Make due what is due later than the policy allows, with the first claim and every ten minutes.

        A process whose clock was ahead has written such times, and the rows would wait for them, unseen.

        Args:
            what: the rows, in words.
            statement: repairs at most ``$1`` rows at the schedule time ``$2``, and returns their number.
            arguments: for its ``$3`` and so on.
        """
        moment = time.monotonic()
        if what in self._repaired and moment < self._repaired[what] + _REPAIRED_EVERY:
            return
        self._repaired[what] = moment
        (row,) = await self._db.fetch(statement, _REPAIRED_AT_ONCE, self._now(), clock.tolerance, *arguments)
        if row["repaired"]:
            logger.warning(
                "%d %s were to wait for longer than the schedule allows and are due now: a clock was ahead when they "
                "were written", row["repaired"], what,
            )  # fmt: skip

    async def _repair_videos(self) -> None:
        intervals = [zone.interval for zone in policy.ZONES]
        await self._repair("videos", sql("claims/repair_videos"), intervals, policy.ZONES[-1].interval)

    async def _repair_topics(self) -> None:
        await self._repair("queries", sql("claims/repair_topics"), policy.TOPIC_INTERVAL, policy.TOPIC_INTERVAL_MAX)

    def _forget(self, finished: Iterable[int | str]) -> None:
        """These leases have ended; inside a transaction only once it has committed."""
        within = self._within.get()
        if within is not None:
            within.done.extend(finished)
            return
        for key in finished:
            if isinstance(key, int):
                self._topics.pop(key, None)
            else:
                self._videos.pop(key, None)

    def hold_topic(self, topic: TopicRow) -> None:
        """Takes over a topic's lease from the DAO that claimed it: its row holds the token."""
        self._topics.setdefault(topic["id"], topic)

    def hold_targets(self, targets: Iterable[TargetRow]) -> None:
        """Takes over videos' leases from the DAO that claimed them: their rows hold the tokens."""
        for target in targets:
            self._videos.setdefault(target["id"], target)

    def set_aside(self, ids: Iterable[int | str]) -> None:
        """Keeps these claims after the cycle: what failed must not be claimed first again.

        They end with their lease, or with ``release_aside``.
        """
        self._aside.update(ids)

    async def release_claims(self) -> int:
        """Gives back the rows that this DAO still holds, so that another shard may take them now. Returns how many.

        Those that were set aside are kept.
        """
        held: set[int | str] = set(self._topics)
        held.update(self._videos)
        return await self._release(held - self._aside)

    async def release_aside(self) -> int:
        """Gives back what was set aside, at the end of a process. Returns how many."""
        aside, self._aside = self._aside, set()
        return await self._release(aside)

    async def _release(self, ids: set[int | str]) -> int:
        topics = [row for id_, row in self._topics.items() if id_ in ids]
        videos = [row for id_, row in self._videos.items() if id_ in ids]
        released = 0
        if topics:
            arguments = [row["id"] for row in topics], [row["lease_token"] for row in topics]
            released += len(await self._db.fetch(sql("claims/release_topics"), *arguments))
        if videos:
            pairs = [row["id"] for row in videos], [row["lease_token"] for row in videos]
            released += len(await self._db.fetch(sql("claims/release_videos"), *pairs))
        self._forget([*(row["id"] for row in topics), *(row["id"] for row in videos)])
        return released

    def _claimed(self, records: Sequence[Any]) -> list[TargetRow]:
        """Rows of ``claim_videos`` or ``claim_unfinished``, in the order of their schedule."""
        # written out, which is checked, and takes less time than dict(record)
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
