"""KeepingDAO: what is kept no longer goes, a batch at a time.

Each batch is a transaction of its own, so that no lock is held for long and a run that ends early has lost nothing.
Rows that somebody else has locked or holds by a lease are left out and go the next time: the Janitor waits for no
shard, and several of them do each other no harm.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from atlas import policy
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database, database
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.errors import StatementFailed
from atlas.quota.buckets import quota_day
from atlas.snapshots.maintenance import Maintenance, maintain

__all__ = ["Batch", "KeepingDAO", "Limits"]

_REFUSED_IN_A_ROW = 3  # batches: then it is not about single rows
_CHANNELS_AT_ONCE = 5_000  # each batch reads all videos once more
_FOUND_AT_ONCE = 50_000  # rows that a reading of a whole table finds: it is read once for so many
_CALL_DAYS = 2  # the quota day and the one before: a key's allowance is reckoned from them

Rows = Sequence[Any]
_Act = Callable[[Rows], Awaitable[Mapping[str, int]]]
_Lock = Callable[[Rows], Awaitable[Rows]]


@dataclass(frozen=True)
class Limits:
    """What is older goes. Times of the schedule clock (UTC), but for those of ``runs`` and ``notifications``.

    Attributes:
        snapshots: snapshots observed before it.
        metadata: metadata read, and tags found or searched, before it.
        retired: videos retired before it.
        events: events of before it, and suspensions that ended before it.
        runs: processes that began before it (real time).
        told: messages sent before it (real time).
        calls: call counts of Pacific days before it.
        records: records archived on days (UTC) before it: no day is left of which any record may be too old.
        keeps_counts: snapshots are kept longer than metadata, so that a video outlives its title.
    """

    snapshots: datetime
    metadata: datetime
    retired: datetime
    events: datetime
    runs: datetime
    told: datetime
    calls: date
    records: date
    keeps_counts: bool

    @classmethod
    def now(cls) -> Limits:
        """Return the limits of the RETENTION settings at this moment."""
        now, real = clock.now(), clock.real()
        events = timedelta(days=settings.retention_events_days)
        metadata = now - timedelta(days=settings.retention_metadata_days)
        return cls(
            snapshots=now - timedelta(days=settings.retention_statistics_days),
            metadata=metadata,
            retired=now - timedelta(days=settings.retention_retired_days),
            events=now - events,
            runs=real - events,
            # one that is deleted is told again at once
            told=real - max(events, timedelta(minutes=settings.notify_interval_minutes)),
            calls=quota_day(now) - timedelta(days=max(settings.retention_events_days, _CALL_DAYS)),
            records=metadata.date() + timedelta(days=1),
            keeps_counts=settings.retention_statistics_days > settings.retention_metadata_days,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did.

    Attributes:
        counts: by what it was, such as ``videos_deleted``.
        error: why it was rolled back; None: it was not.
    """

    counts: Mapping[str, int]
    error: StatementFailed | None = None


class KeepingDAO:
    """The Janitor's way to the database. Constructing it does no I/O.

    Its methods give a batch after each transaction; whoever stops asking has stopped the work. A batch that the
    database refuses is passed over, and the next one is tried.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database
        self.limits: Limits | None = None
        """What a run has looked for, so that it deletes nothing else; None: the limits of the moment."""

    def _limits(self) -> Limits:
        return self.limits or Limits.now()

    async def keep_snapshots(self, size: int, *, dry_run: bool = False) -> Maintenance:
        """Partitions for what comes, and none for what is too old. See ``atlas.snapshots.maintenance.maintain``."""
        now, keep_from = clock.now(), self._limits().snapshots
        return await self._db.patiently(lambda: maintain(self._db, now, keep_from, batch=size, dry_run=dry_run))

    async def keep_videos(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Videos that are gone from YouTube or whose metadata was not read again, with their snapshots.

        Where snapshots are kept longer than metadata, a video loses its metadata alone, and goes with its last counts.

        Args:
            size: most rows of one transaction.
            dry_run: counts what would go.
        """
        limits = self._limits()

        async def delete(rows: Rows) -> Mapping[str, int]:
            return await self._delete([row["id"] for row in rows], limits, dry_run=dry_run)

        async def blank(rows: Rows) -> Mapping[str, int]:
            if not dry_run:
                await self._db.fetch(sql("retention/clear_video_metadata"), [row["id"] for row in rows])
            return {"videos_blanked": len(rows)}

        # a video goes with all its snapshots: as many videos as have no more of them than that
        videos = max(1, size // policy.most_snapshots(timedelta(days=settings.retention_statistics_days)))
        counts = limits.snapshots if limits.keeps_counts else None
        retired = limits.retired, limits.metadata, counts
        async for batch in self._batches(sql("retention/lock_retired_videos"), retired, videos, 2, delete):
            yield batch
        async for batch in self._batches(
            sql("retention/lock_unread_videos"), (limits.metadata, counts), videos, 2, delete
        ):
            yield batch
        act, number = (blank, size) if limits.keeps_counts else (delete, videos)
        limited = limits.metadata, limits.retired

        async def lock(rows: Rows) -> Rows:
            return await self._db.fetch(sql("retention/lock_stale_videos"), [row["id"] for row in rows], *limited)

        async for batch in self._found(sql("retention/find_stale_videos"), limited, number, 2, lock, act):
            yield batch

    async def _delete(self, ids: Sequence[str], limits: Limits, *, dry_run: bool) -> Mapping[str, int]:
        if dry_run:
            # those that are too old go before the videos do
            (found,) = await self._db.fetch(sql("retention/count_snapshots"), ids, limits.snapshots)
            return {"videos_deleted": len(ids), "snapshots_deleted": found["number"]}
        await self._db.fetch(sql("snapshots/common/lift_decompression_limit"))
        # after the rows are locked, by a statement of its own: it sees what was written until then
        (snapshots,) = await self._db.fetch(sql("erasure/erase_snapshots"), ids)
        (videos,) = await self._db.fetch(sql("erasure/erase_videos"), ids)
        return {"videos_deleted": videos["number"], "snapshots_deleted": snapshots["number"]}

    async def keep_channels(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Channels without any video; ``_CHANNELS_AT_ONCE`` in a transaction, if ``size`` is not more."""

        async def lock(rows: Rows) -> Rows:
            return await self._db.fetch(sql("retention/lock_channels"), [row["id"] for row in rows])

        async def delete(rows: Rows) -> Mapping[str, int]:
            if dry_run:
                return {"channels_deleted": len(rows)}
            # after the rows are locked, by a statement of its own: it sees what was stored until then
            ids = [row["id"] for row in rows]
            (gone,) = await self._db.fetch(sql("retention/delete_empty_channels"), ids, seconds=WHOLE_TABLE)
            return {"channels_deleted": gone["number"]}

        number = max(size, _CHANNELS_AT_ONCE)
        async for batch in self._found(sql("retention/find_empty_channels"), (), number, 1, lock, delete):
            yield batch

    async def keep_queries(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Tags of the queue that were neither found nor searched for as long as metadata is kept."""
        arguments = self._limits().metadata, not dry_run
        async for batch in self._batches(
            sql("retention/expire_queries"), arguments, size, 1, _count("queries_deleted")
        ):
            yield batch

    async def keep_notes(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Events, runs, call counts, suspensions and freezes that ended, old keys, and what people were told."""
        limits = self._limits()
        for statement, limit, name in (
            (sql("retention/expire_events"), limits.events, "events_deleted"),
            (sql("retention/expire_runs"), limits.runs, "runs_deleted"),
            (sql("retention/expire_calls"), limits.calls, "calls_deleted"),
            (sql("retention/expire_suspensions"), limits.events, "suspensions_deleted"),
            (sql("retention/expire_keys"), limits.events, "keys_deleted"),
            (sql("retention/expire_freezes"), limits.snapshots, "freezes_deleted"),
            (sql("retention/expire_notifications"), limits.told, "notifications_deleted"),
        ):
            async for batch in self._batches(statement, (limit, not dry_run), size, 2, _count(name)):
                yield batch

    async def _batches(
        self, statement: str, arguments: Sequence[Any], size: int, width: int, act: _Act
    ) -> AsyncGenerator[Batch]:
        """One transaction after the other, until one finds fewer rows than it may take.

        Args:
            statement: finds rows, in an order, and gives its first columns as the position from which the next batch
                goes on. So no batch walks over what others have left behind.
            arguments: its parameters, before how many and the position.
            size: most rows of a batch.
            width: how many columns a position has.
            act: what is done with the rows, in the same transaction.
        """
        position: tuple[Any, ...] = (None,) * width
        refused = 0
        while refused < _REFUSED_IN_A_ROW:
            found: list[Any] = []

            async def take(position: tuple[Any, ...] = position, found: list[Any] = found) -> Rows:
                found.clear()  # a second try, after a lost connection
                found += await self._db.fetch(statement, *arguments, size, *position)
                return found

            batch = await self._batch(take, act)
            refused = refused + 1 if batch.error is not None else 0
            if found or batch.error is not None:
                yield batch
            if len(found) < size:
                return
            position = tuple(found[-1])[:width]

    async def _found(
        self, statement: str, arguments: Sequence[Any], size: int, width: int, lock: _Lock, act: _Act
    ) -> AsyncGenerator[Batch]:
        """The same where a whole table has to be read to find rows: it is read outside of the transactions, and rarely.

        Args:
            statement, arguments, size, width, act: see ``_batches``; the statement locks nothing.
            lock: locks those of the rows that are still what was found.
        """
        position: tuple[Any, ...] = (None,) * width
        refused = 0
        while True:
            try:
                found = await self._db.fetch(statement, *arguments, _FOUND_AT_ONCE, *position, seconds=WHOLE_TABLE)
            except StatementFailed as error:
                yield Batch({}, error)
                return
            for start in range(0, len(found), size):
                batch = await self._batch(partial(lock, found[start : start + size]), act)
                refused = refused + 1 if batch.error is not None else 0
                yield batch
                if refused == _REFUSED_IN_A_ROW:
                    return
            if len(found) < _FOUND_AT_ONCE:
                return
            position = tuple(found[-1])[:width]

    async def _batch(self, take: Callable[[], Awaitable[Rows]], act: _Act) -> Batch:
        """One transaction, done again where the connection was lost: takes rows, and acts on them if there are any."""

        async def work() -> Mapping[str, int]:
            async with self._db.transaction():
                rows = await take()
                return await act(rows) if rows else {}

        try:
            return Batch(await self._db.patiently(work))
        except StatementFailed as error:
            return Batch({}, error)


def _count(name: str) -> _Act:
    async def act(rows: Rows) -> Mapping[str, int]:
        return {name: len(rows)}

    return act
