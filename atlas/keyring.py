"""Key rings: which key makes the next call, what each has spent, and which buckets are closed until when.

Suspensions and the day's calls live in the database under the key's fingerprint, so that every shard and the next
container know them. A call is reserved before it is made, and settled with what it led to: without kills the count
equals the API's own log, with kills it exceeds it by at most the calls in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import SecretStr

from atlas import events, policy
from atlas.clock import clock
from atlas.config import settings
from atlas.config.keypool import KeyPool, fingerprint
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.errors import Contended, DatabaseUnavailable, EmptyKeyRing, KeysRejected, RingExhausted
from atlas.quota.buckets import Bucket, quota_day, quota_reset, quota_start
from atlas.quota.reservations import NO_CALLS, Calls, Reservation, counted, open_ones, slot
from atlas.times import ahead

__all__ = ["KeyRing", "Reservation", "Suspension", "fingerprint", "longest"]

logger = logging.getLogger(__name__)

WHOLE_KEY = "*"
REJECTED_FOR = timedelta(hours=24)
_CLOCKS_MAY_DIFFER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a key's bucket (``*``: the whole key) is closed, and until when (schedule clock)."""

    fingerprint: str
    bucket: str
    reason: str
    until: datetime
    limit: int | None = None


class KeyRing:
    """The keys of one purpose. Constructing it does no I/O.

    Args:
        name: ``hunting``, ``tracking`` or ``archeology``.
        start: the number of the shard: which key it tries first, so that shards begin with different ones.
        store: another database than the process's own, for tests.
    """

    def __init__(self, name: str, *, start: int = 0, store: Database | None = None) -> None:
        self.name = name
        self.calls: Counter[str] = Counter()
        """Calls of this process that cost quota, by bucket: reserved, not given back, not refused."""
        self.refused: Counter[str] = Counter()
        """Calls of this process that were refused for quota, rate or key, by bucket: they cost nothing."""
        self._start = start
        self._db = store or database
        self._keys: dict[str, SecretStr] = {}
        self._pool = ""
        self._suspended: dict[tuple[str, str], Suspension] | None = None
        self._loading: asyncio.Task[dict[tuple[str, str], Suspension]] | None = None
        self._reserving: dict[tuple[str, Bucket, date], list[asyncio.Future[int | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def keys(self) -> list[str]:
        """The fingerprints of the ring, in the order in which they are tried. Raises EmptyKeyRing."""
        if not self._keys:
            pool: KeyPool = settings.key_rings
            found = pool[self.name]
            if not found:
                raise EmptyKeyRing(self.name, () if pool.all_keys() else settings.stray_keys)
            first = self._start % len(found)
            self._keys = {fingerprint(key): key for key in found[first:] + found[:first]}
            self._pool = pool.version()
        return list(self._keys)

    async def acquire(self, bucket: Bucket) -> Reservation:
        """Reserves one call of a bucket under the first key that is not suspended for it.

        Raises:
            EmptyKeyRing: the ring has no keys.
            KeysRejected: every key is wrong or blocked.
            RingExhausted: every usable key has spent this bucket.
        """
        while True:
            try:
                chosen, now = await self._choose(bucket)
            except (KeysRejected, RingExhausted):
                self._suspended = None  # what this ring remembers may have been lifted since
                chosen, now = await self._choose(bucket)
            day = quota_day(now)
            place = await self._reserve(chosen, bucket, day, now)
            if place is not None:
                self.calls[str(bucket)] += 1
                return Reservation(self._keys[chosen], chosen, bucket, day, place)
            self._suspended = None  # another shard has suspended it since

    async def _choose(self, bucket: Bucket) -> tuple[str, datetime]:
        """Return a key that is not suspended, and the time at which it is not: the call belongs to that quota day."""
        prints = self.keys()
        suspended = await self._known()
        now = clock.now()
        rejected: list[Suspension] = []
        spent: list[Suspension] = []
        for key in prints:
            for name in (WHOLE_KEY, bucket):
                suspension = suspended.get((key, name))
                if suspension and suspension.until > now:
                    (rejected if name == WHOLE_KEY else spent).append(suspension)
                    break
            else:
                return key, now
        if not spent:
            raise KeysRejected(self.name, {s.fingerprint: s.reason for s in rejected})
        raise RingExhausted(self.name, bucket, min(s.until for s in spent), now)

    async def _known(self) -> dict[tuple[str, str], Suspension]:
        """What is suspended, as far as this ring knows; calls that start together look together."""
        if self._suspended is not None:
            return self._suspended
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), context=contextvars.Context())
            self._loading.add_done_callback(self._looked)
        return await asyncio.shield(self._loading)

    def _looked(self, task: asyncio.Task[dict[tuple[str, str], Suspension]]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # the waiters raise it; where all were cancelled, nobody is there to warn

    async def _load(self) -> dict[tuple[str, str], Suspension]:
        rows = await self._db.fetch(sql("quota/load_suspensions"), self.keys(), clock.now(), self._pool, longest())
        found = self._suspended = {
            (row["fingerprint"], row["bucket"]): Suspension(
                row["fingerprint"], row["bucket"], row["reason"], row["suspended_until"], row["quota_limit"]
            )
            for row in rows
        }
        return found

    async def _reserve(self, key: str, bucket: Bucket, day: date, now: datetime) -> int | None:
        """Calls that start together are reserved together: one statement for a stage's burst, not one each.

        Returns the counter shard that they stand in; None: the key or its bucket is suspended.
        """
        waiters = self._reserving.get((key, bucket, day))
        if waiters is None:
            waiters = self._reserving[key, bucket, day] = []
            # in a context of its own: it commits at once, also for a caller inside a transaction
            task = asyncio.create_task(self._reserve_together(key, bucket, day, now), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        granted: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        waiters.append(granted)
        return await granted

    async def _reserve_together(self, key: str, bucket: Bucket, day: date, now: datetime) -> None:
        # it begins in the next turn of the loop: all siblings that start in this one have joined
        waiters, place = self._reserving.pop((key, bucket, day)), slot()
        try:
            rows = await self._db.fetch(
                sql("quota/reserve_calls"), day, key, str(bucket), place, len(waiters), now, self._pool, longest()
            )
            left = sum(granted.cancelled() for granted in waiters)  # no call will be made for these
            if rows and left:
                await self._free(Calls([day], [key], [str(bucket)], [place], [left]), made=False)
        except BaseException as error:
            for granted in waiters:
                if not granted.done():
                    granted.set_exception(error)
                    granted.exception()  # its waiter raises it; one that is cancelled now must not warn
            if not isinstance(error, Exception):
                raise
        else:
            for granted in waiters:
                if not granted.done():
                    granted.set_result(place if rows else None)

    async def settle(self, reservations: Iterable[Reservation]) -> None:
        """These calls were answered; part of the task's transaction if it is in one. Settling twice does nothing.

        If the transaction is rolled back, its reservations wait to be settled again.
        """
        with self.settling(reservations) as calls:
            if calls.days:
                none = [0] * len(calls.days)
                await self._db.fetch(sql("quota/settle_calls"), *calls, none, none)

    async def refuse(self, reservation: Reservation) -> None:
        """This call was refused for quota, rate or its key: it has ended and cost nothing. Else like ``settle``."""
        if reservation.open:
            await self.settle([reservation])
            await self._count_as_refused(reservation)

    async def _count_as_refused(self, reservation: Reservation) -> None:
        """Take a refused call, which is settled, out of those that cost quota."""

        def count(number: int) -> None:
            self.calls[str(reservation.bucket)] -= number
            self.refused[str(reservation.bucket)] += number

        if await self._free(counted([reservation]), made=True):
            count(1)
            self._db.on_rollback(lambda: count(-1))

    @contextlib.contextmanager
    def settling(self, reservations: Iterable[Reservation]) -> Iterator[Calls]:
        """As ``settle``, by a statement of the caller's own: it is given those calls that are not settled yet.

        If what is inside fails, or the transaction around it is rolled back, its reservations wait to be settled again.
        So where the answer to what was written is lost, they are settled again; a counter shard never counts more
        settled calls than reserved ones.
        """
        still_open = open_ones(reservations)
        if not still_open:
            yield NO_CALLS
            return
        self._mark(still_open, is_open=False)
        self._db.on_rollback(lambda: self._mark(still_open, is_open=True))
        try:
            yield counted(still_open)
        except BaseException:
            self._mark(still_open, is_open=True)
            raise

    async def release(self, reservation: Reservation) -> None:
        """This call never left the machine: it is not counted. If the database is lost meanwhile, it stays counted."""
        still_open = open_ones([reservation])
        if not still_open:
            return

        def mark(*, is_open: bool) -> None:
            if reservation.open is is_open:
                return  # by what failed inside a transaction, and again by its end
            self._mark(still_open, is_open=is_open)
            self.calls[str(reservation.bucket)] += 1 if is_open else -1

        mark(is_open=False)
        self._db.on_rollback(lambda: mark(is_open=True))
        try:
            stays = not await self._free(counted(still_open), made=False)
        except BaseException:
            mark(is_open=True)
            raise
        if stays:
            mark(is_open=True)

    @staticmethod
    def _mark(reservations: Iterable[Reservation], *, is_open: bool) -> None:
        for reservation in reservations:
            reservation.open = is_open

    async def _free(self, calls: Calls, *, made: bool) -> bool:
        """Take out calls that cost nothing: those that were not made, or those that were made and refused.

        Not tried again: were the answer to the first try lost and not the try itself, the second would take out calls
        that cost quota. Returns False if they stay counted.
        """
        days, prints, buckets, slots, numbers = calls
        none = [0] * len(days)
        reserved, refused = (none, numbers) if made else ([-number for number in numbers], none)
        try:
            async with self._db.transaction():  # outside of one, a statement is tried again by itself
                await self._db.fetch(sql("quota/settle_calls"), days, prints, buckets, slots, none, reserved, refused)
        except (DatabaseUnavailable, Contended) as error:
            what = "refused calls" if made else "reserved calls that were not made"
            logger.warning("%d %s stay counted: %s", sum(numbers), what, error)
            return False
        return True

    async def quota_spent(
        self, reservation: Reservation, *, project: str | None = None, limit: int | None = None
    ) -> None:
        """YouTube said that this bucket's day is spent: closed until midnight Pacific, for every key of the project.

        Args:
            reservation: the call that was refused.
            project: the Google Cloud project's number, where the error body names it.
            limit: the limit that it names.
        """
        now = clock.now()
        until = _closed_until(reservation.day, now)
        if until <= now:
            # the day that was spent has ended since the call was reserved
            await self.refuse(reservation)
            return
        reason = "day quota spent" if limit is None else f"day quota spent (YouTube names a limit of {limit})"
        bucket = str(reservation.bucket)

        async def suspend() -> bool:
            rows = await self._db.fetch(
                sql("quota/suspend_bucket"),
                reservation.fingerprint,
                bucket,
                reason,
                now,
                until,
                project,
                limit,
                longest(),
            )
            if rows:
                await events.emit(
                    events.EventType.QUOTA_SPENT, fingerprint=reservation.fingerprint, bucket=bucket, project=project,
                    limit=limit, until=until, store=self._db,
                )  # fmt: skip
            return bool(rows)

        if await self._suspend(reservation, suspend):
            logger.info(
                "key %s: %s of '%s'; it resets at %s; the next key goes on", reservation.fingerprint, reason, bucket,
                ahead(until, now),
            )  # fmt: skip

    async def reject(self, reservation: Reservation, *, reason: str, project: str | None = None) -> None:
        """The key is wrong or blocked: suspended whole for 24 h, or until the pool changes."""
        now = clock.now()
        until = now + REJECTED_FOR

        async def suspend() -> bool:
            rows = await self._db.fetch(
                sql("quota/suspend_key"), reservation.fingerprint, reason, now, until, self._pool, project, longest()
            )
            if rows:
                await events.emit(
                    events.EventType.KEY_SUSPENDED, fingerprint=reservation.fingerprint, reason=reason, until=until,
                    store=self._db,
                )  # fmt: skip
            return bool(rows)

        if await self._suspend(reservation, suspend):
            logger.warning("key %s is suspended for 24 h: %s", reservation.fingerprint, reason)

    async def _suspend(self, reservation: Reservation, suspend: Callable[[], Awaitable[bool]]) -> bool:
        """Write a suspension, and settle the refused call that led to it, in one transaction.

        Args:
            reservation: the call.
            suspend: writes the suspension and its event. Returns whether it is a new one, as this does.
        """

        async def write() -> bool:
            async with self._db.transaction():
                fresh = await suspend()
                await self.settle([reservation])
            return fresh

        was_open = reservation.open
        fresh = await self._db.patiently(write)
        if was_open:
            await self._count_as_refused(reservation)
        await self._load()
        return fresh


def longest() -> timedelta:
    """How long a suspension can last, with what its writer's clock may be ahead; one that ends later is wrong."""
    return policy.LONGEST_SUSPENSION + clock.tolerance


def _closed_until(day: date, now: datetime) -> datetime:
    """When the bucket of a quota day that was refused opens again.

    Right after midnight the refusal may be of the day before, by YouTube's clock: then it is asked again soon.
    """
    midnight = quota_reset(now) if quota_day(now) == day else now
    if now - quota_start(now) < _CLOCKS_MAY_DIFFER:
        return min(midnight, now + _CLOCKS_MAY_DIFFER)
    return midnight
