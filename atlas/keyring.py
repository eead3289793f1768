"""Key rings: choose the key of the next call, and suspend keys that YouTube refuses.

Suspensions and counts of calls are stored in the database under the key's fingerprint, so that all shards and later
runs share them.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import SecretStr

from atlas import events
from atlas.clock import clock
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database, database
from atlas.db.queries import bind, sql
from atlas.errors import EmptyKeyRing, KeysRejected, RingExhausted
from atlas.quota.buckets import Bucket, quota_day, quota_reset, quota_start
from atlas.quota.ledger import Ledger, Reservation, longest_suspension
from atlas.times import ahead

__all__ = ["WHOLE_KEY", "KeyRing", "Suspension", "load_suspensions"]

logger = logging.getLogger(__name__)

_REJECTED_FOR = timedelta(hours=24)
WHOLE_KEY = "*"
"""The bucket of a suspension that applies to every bucket of a key."""
_CLOCKS_MAY_DIFFER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a key's bucket is suspended, and until when (schedule clock, UTC)."""

    fingerprint: str
    bucket: str
    reason: str
    until: datetime


async def load_suspensions(db: Database, fingerprints: Sequence[str], pool: str) -> dict[tuple[str, str], Suspension]:
    """Return the suspensions in force by fingerprint and bucket; that of a rejected key ends when the pool changes."""
    rows = await db.fetch(sql("quota/load_suspensions"), fingerprints, clock.now(), pool, longest_suspension())
    found = (Suspension(row["fingerprint"], row["bucket"], row["reason"], row["suspended_until"]) for row in rows)
    return {(each.fingerprint, each.bucket): each for each in found}


class KeyRing(Ledger):
    """The keys of one purpose, and the count of their calls. Constructing it does no I/O.

    `start`, the number of the shard, picks the first key, so that shards begin with different ones.
    """

    def __init__(self, name: str, *, start: int = 0, store: Database | None = None) -> None:
        super().__init__(store or database)
        self.name = name
        self._start = start
        self._keys: dict[str, SecretStr] = {}
        self._pool = ""
        self._suspended: dict[tuple[str, str], Suspension] | None = None
        self._loading: asyncio.Task[dict[tuple[str, str], Suspension]] | None = None

    def keys(self) -> list[str]:
        """Return the fingerprints of the ring, in the order in which they are tried. Raise EmptyKeyRing."""
        if not self._keys:
            pool = settings.key_rings
            found = pool[self.name]
            if not found:
                raise EmptyKeyRing(self.name, () if pool.all_keys() else settings.stray_keys)
            first = self._start % len(found)
            self._keys = {fingerprint(key): key for key in found[first:] + found[:first]}
            self._pool = pool.version()
        return list(self._keys)

    async def acquire(self, bucket: Bucket) -> Reservation:
        """Reserve one call of a bucket under the first key that is not suspended for it.

        Raise EmptyKeyRing, KeysRejected, or RingExhausted if every usable key has spent this bucket.
        """
        while True:
            try:
                chosen, now = await self._choose(bucket)
            except (KeysRejected, RingExhausted):
                self._suspended = None  # the suspensions in memory may have been lifted since
                chosen, now = await self._choose(bucket)
            day = quota_day(now)
            counter_shard = await self._count_reserved(chosen, bucket, now, day, self._pool)
            if counter_shard is not None:
                self.calls[str(bucket)] += 1
                return Reservation(self._keys[chosen], chosen, bucket, day, counter_shard)
            self._suspended = None  # another shard has suspended it since

    async def _choose(self, bucket: Bucket) -> tuple[str, datetime]:
        """Return a key that is not suspended, and the time of this choice: the call belongs to that quota day."""
        keys = self.keys()
        suspended = await self._known_suspensions()
        now = clock.now()
        rejected: dict[str, str] = {}
        spent: list[datetime] = []
        for key in keys:
            whole, part = suspended.get((key, WHOLE_KEY)), suspended.get((key, bucket))
            if whole and whole.until > now:
                rejected[key] = whole.reason
            elif part and part.until > now:
                spent.append(part.until)
            else:
                return key, now
        if not spent:
            raise KeysRejected(self.name, rejected)
        until = min(spent)
        raise RingExhausted(self.name, bucket, until, ahead(until, now))

    async def _known_suspensions(self) -> dict[tuple[str, str], Suspension]:
        """Return the suspensions in memory, or load them: once for all calls that start together."""
        if self._suspended is not None:
            return self._suspended
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), context=contextvars.Context())
            self._loading.add_done_callback(self._loaded)
        return await asyncio.shield(self._loading)

    def _loaded(self, task: asyncio.Task[dict[tuple[str, str], Suspension]]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # the waiters raise it; if all were cancelled, asyncio must not warn

    async def _load(self) -> dict[tuple[str, str], Suspension]:
        found = self._suspended = await load_suspensions(self._db, self.keys(), self._pool)
        return found

    async def quota_spent(
        self, reservation: Reservation, *, project: str | None = None, limit: int | None = None
    ) -> None:
        """Suspend a bucket whose daily quota is spent until midnight Pacific, for every key of the project.

        The error body may name the number of the Google Cloud project and the limit.
        """
        now = clock.now()
        until = _suspended_until(reservation.day, now)
        if until <= now:
            # the day that was spent has ended since the call was reserved
            await self.refuse(reservation)
            return
        key, bucket = reservation.fingerprint, str(reservation.bucket)
        reason = "day quota spent" if limit is None else f"day quota spent (YouTube names a limit of {limit})"

        async def suspend() -> bool:
            statement = bind(
                "quota/suspend_bucket", fingerprint=key, bucket=bucket, reason=reason, now=now,
                until=until, project=project, limit=limit, longest=longest_suspension(),
            )  # fmt: skip
            rows = await self._db.fetch(*statement)
            if rows:
                await events.emit(
                    events.EventType.QUOTA_SPENT,
                    fingerprint=key,
                    bucket=bucket,
                    project=project,
                    limit=limit,
                    until=until,
                    store=self._db,
                )
            return bool(rows)

        if await self._suspend(reservation, suspend):
            logger.info("key %s: %s of '%s'; it resets at %s; the next key is used", key, reason, bucket,
                        ahead(until, now))  # fmt: skip

    async def reject(self, reservation: Reservation, *, reason: str, project: str | None = None) -> None:
        """Suspend a wrong or blocked key for 24 h, or until the key pool changes."""
        key, now = reservation.fingerprint, clock.now()
        until = now + _REJECTED_FOR

        async def suspend() -> bool:
            statement = bind(
                "quota/suspend_key", fingerprint=key, reason=reason, now=now, until=until, pool=self._pool,
                project=project, longest=longest_suspension(),
            )  # fmt: skip
            rows = await self._db.fetch(*statement)
            if rows:
                await events.emit(
                    events.EventType.KEY_SUSPENDED, fingerprint=key, reason=reason, until=until, store=self._db
                )
            return bool(rows)

        if await self._suspend(reservation, suspend):
            logger.warning("key %s is suspended for 24 h: %s", key, reason)

    async def _suspend(self, reservation: Reservation, suspend: Callable[[], Awaitable[bool]]) -> bool:
        """Write a suspension and settle the refused call in one transaction. Return whether the suspension is new."""

        async def write() -> bool:
            async with self._db.transaction():
                is_new = await suspend()
                await self.settle([reservation])
            return is_new

        was_open = reservation.open
        is_new = await self._db.retry(write)
        if was_open:
            await self._count_as_refused(reservation)
        await self._load()
        return is_new


def _suspended_until(day: date, now: datetime) -> datetime:
    """Return the end of the suspension of a bucket that refused a call of this quota day.

    Right after midnight the refusal may concern the day before, by YouTube's clock: then the suspension is short.
    """
    midnight = quota_reset(now) if quota_day(now) == day else now
    if now - quota_start(now) < _CLOCKS_MAY_DIFFER:
        return min(midnight, now + _CLOCKS_MAY_DIFFER)
    return midnight
