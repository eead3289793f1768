"""Count API calls in the database: reserve them before they are made, settle them when they have ended.

Without kills the count equals the API's own log. With kills it exceeds the log by at most the calls in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from pydantic import SecretStr

from atlas import policy
from atlas.clock import clock
from atlas.database import Database
from atlas.db.queries import bind
from atlas.errors import Contended, DatabaseUnavailable
from atlas.quota.buckets import Bucket

logger = logging.getLogger(__name__)

_COUNTER_SHARDS = 64  # rows that share the count of one key, bucket and day, so that no row is hot


@dataclass(slots=True)
class Reservation:
    """One call that may be made: counted in the database under its key, bucket and Pacific day."""

    key: SecretStr
    fingerprint: str
    bucket: Bucket
    day: date
    counter_shard: int
    """Which of the rows of this key, bucket and day counts the call; the same row settles it."""
    open: bool = True
    """Whether it still has to be settled or released."""


class Calls(NamedTuple):
    """Calls as columns for a statement, sorted by the keys of their rows; `numbers` counts the calls of each row."""

    days: Sequence[date] = ()
    fingerprints: Sequence[str] = ()
    buckets: Sequence[str] = ()
    counter_shards: Sequence[int] = ()
    numbers: Sequence[int] = ()


NO_CALLS = Calls()


def longest_suspension() -> timedelta:
    """Return how long a suspension can last. One that ends later was written by a clock that was ahead."""
    return policy.LONGEST_SUSPENSION + clock.tolerance


class Ledger:
    """The calls of one process. Constructing it does no I/O."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.calls: Counter[str] = Counter()
        """Calls that cost quota, by bucket: reserved, neither released nor refused."""
        self.refused: Counter[str] = Counter()
        """Calls that YouTube refused for quota, rate or key, by bucket: they cost nothing."""
        self._bursts: dict[tuple[str, Bucket, date], list[asyncio.Future[int | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def _count_reserved(self, key: str, bucket: Bucket, now: datetime, day: date, pool: str) -> int | None:
        """Count one call together with all others that start in this turn of the event loop, in one statement.

        Return the counter shard that counts it; None if the key or its bucket is suspended.
        """
        waiters = self._bursts.get((key, bucket, day))
        if waiters is None:
            waiters = self._bursts[key, bucket, day] = []
            # in a context of its own: it commits at once, also for a caller inside a transaction
            burst = self._count_burst(key, bucket, now, day, pool)
            task = asyncio.create_task(burst, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        granted: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        waiters.append(granted)
        return await granted

    async def _count_burst(self, key: str, bucket: Bucket, now: datetime, day: date, pool: str) -> None:
        waiters = self._bursts.pop((key, bucket, day))
        counter_shard = random.randrange(_COUNTER_SHARDS)  # noqa: S311  spreads the writers
        try:
            statement = bind(
                "quota/reserve_calls", day=day, fingerprint=key, bucket=str(bucket),
                counter_shard=counter_shard, calls=len(waiters), now=now, pool=pool,
                longest=longest_suspension(),
            )  # fmt: skip
            rows = await self._db.fetch(*statement)
            cancelled = sum(granted.cancelled() for granted in waiters)  # no call will be made for these
            if rows and cancelled:
                await self._correct(Calls([day], [key], [str(bucket)], [counter_shard], [cancelled]), made=False)
        except BaseException as error:
            for granted in waiters:
                if not granted.done():
                    granted.set_exception(error)
                    granted.exception()  # its waiter raises it; this avoids asyncio's warning if there is none
            if not isinstance(error, Exception):
                raise
        else:
            for granted in waiters:
                if not granted.done():
                    granted.set_result(counter_shard if rows else None)

    async def settle(self, reservations: Iterable[Reservation]) -> None:
        """Count answered calls, in the task's transaction if there is one. Settling twice does nothing.

        If the transaction is rolled back, its reservations are open again.
        """
        with self.settling(reservations) as calls:
            if calls.days:
                await self._adjust(calls, settled=calls.numbers)

    @contextlib.contextmanager
    def settling(self, reservations: Iterable[Reservation]) -> Iterator[Calls]:
        """Yield the calls that are still open, which the caller settles in its own statement.

        If the statement fails, or the transaction around it is rolled back, the reservations are open again and can be
        settled again: a counter shard never counts more settled calls than reserved ones.
        """
        closing = list({id(each): each for each in reservations if each.open}.values())

        def mark(*, is_open: bool) -> None:
            for each in closing:
                each.open = is_open

        mark(is_open=False)
        self._db.on_rollback(lambda: mark(is_open=True))
        try:
            yield _group_calls(closing)
        except BaseException:
            mark(is_open=True)
            raise

    async def refuse(self, reservation: Reservation) -> None:
        """Count a call that was refused for quota, rate or key: it has ended and cost nothing."""
        if reservation.open:
            await self.settle([reservation])
            await self._count_as_refused(reservation)

    async def _count_as_refused(self, reservation: Reservation) -> None:
        if await self._correct(_group_calls([reservation]), made=True):
            self._add(self.calls, reservation.bucket, -1)
            self._add(self.refused, reservation.bucket, 1)

    async def release(self, reservation: Reservation) -> None:
        """Uncount a call that was never made. If the database is lost meanwhile, it stays counted."""
        with self.settling([reservation]) as calls:
            if not calls.days:
                return
            uncounted = await self._correct(calls, made=False)
        if uncounted:
            self._add(self.calls, reservation.bucket, -1)
        else:
            reservation.open = True

    def _add(self, counter: Counter[str], bucket: Bucket, number: int) -> None:
        counter[str(bucket)] += number
        self._db.on_rollback(lambda: counter.update({str(bucket): -number}))

    async def _correct(self, calls: Calls, *, made: bool) -> bool:
        """Uncount calls that cost nothing: never made, or made and refused. Return False if they stay counted.

        Not retried: if only the answer to the first attempt was lost, a second one would uncount other calls.
        """
        try:
            async with self._db.transaction():  # outside of a transaction, a statement is retried
                if made:
                    await self._adjust(calls, refused=calls.numbers)
                else:
                    await self._adjust(calls, reserved=[-number for number in calls.numbers])
        except (DatabaseUnavailable, Contended) as error:
            what = "refused calls" if made else "reserved calls that were not made"
            logger.warning("%d %s stay counted: %s", sum(calls.numbers), what, error)
            return False
        return True

    async def _adjust(self, calls: Calls, **numbers: Sequence[int]) -> None:
        zeros = [0] * len(calls.days)
        changes = {"settled": zeros, "reserved": zeros, "refused": zeros, **numbers}
        rows = {name: column for name, column in calls._asdict().items() if name != "numbers"}
        await self._db.fetch(*bind("quota/settle_calls", **rows, **changes))


def _group_calls(reservations: Sequence[Reservation]) -> Calls:
    if not reservations:
        return NO_CALLS
    counts = sorted(Counter((r.day, r.fingerprint, str(r.bucket), r.counter_shard) for r in reservations).items())
    days, prints, buckets, counter_shards = zip(*(row for row, _ in counts), strict=True)
    return Calls(days, prints, buckets, counter_shards, [number for _, number in counts])
