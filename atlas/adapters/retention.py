"""RetentionDAO: delete what is older than the RETENTION settings allow, in batches.

Each batch is one transaction, so locks are short and a run that ends early loses nothing. Rows that another process
has locked or leased are left to the next run: several Janitors and shards may work at the same time.
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
from atlas.db.queries import bind, sql
from atlas.errors import StatementFailed
from atlas.quota.buckets import quota_day
from atlas.snapshots.maintenance import Maintenance, maintain

ALWAYS_ALLOWED = 1_000
"""Rows of a table, or records of the archive, that a run may always delete: a share of few rows means little."""

_MISSED_DAYS = 1.5  # a late run may delete 1.5 times the rows that expire in the days without a run
_COUNTED = 100_000  # rows of a table that are counted; beyond them the server's statistics are used
_SAMPLE = 5
# The longest gap without any run (real time) that raises the bound: the database cannot tell a long gap from a clock
# that is ahead, by which every row would have expired.
_LONGEST_GAP = timedelta(days=15)

_REFUSED_IN_A_ROW = 3  # refused batches, after which the cause is not a single row
_CHANNELS_AT_ONCE = 5_000  # each batch reads all videos once more
_FOUND_AT_ONCE = 50_000  # maximum rows found by one scan of a whole table
_CALL_DAYS = 2  # the quota day and the one before: a key's allowance is computed from them

Rows = Sequence[Any]
_Act = Callable[[Rows], Awaitable[Mapping[str, int]]]
_Lock = Callable[[Rows], Awaitable[Rows]]


@dataclass(frozen=True)
class RetentionLimits:
    """Delete what is older. Times are of the schedule clock (UTC), but real time for ``runs`` and ``notifications``.

    Attributes:
        metadata: for videos by when their metadata was read, and for tags.
        retired: for videos that are gone from YouTube.
        events: also for suspensions and keys.
        calls: Pacific days.
        records: the first day (UTC) of the archive that stays; all records of earlier days have expired.
        counts_outlive_metadata: snapshots have a longer retention than metadata, so a video outlives its title.
    """

    snapshots: datetime
    metadata: datetime
    retired: datetime
    events: datetime
    runs: datetime
    notifications: datetime
    calls: date
    records: date
    counts_outlive_metadata: bool

    @classmethod
    def now(cls) -> RetentionLimits:
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
            # one that is deleted earlier would be sent again at once
            notifications=real - max(events, timedelta(minutes=settings.notify_interval_minutes)),
            calls=quota_day(now) - timedelta(days=max(settings.retention_events_days, _CALL_DAYS)),
            records=metadata.date() + timedelta(days=1),
            counts_outlive_metadata=settings.retention_statistics_days > settings.retention_metadata_days,
        )

    @property
    def counts(self) -> datetime | None:
        """The age of a video's last counts at which it is deleted; None: whatever their age."""
        return self.snapshots if self.counts_outlive_metadata else None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did, by names such as ``videos_deleted``, or why it was rolled back."""

    counts: Mapping[str, int]
    error: StatementFailed | None = None


@dataclass(frozen=True)
class Example:
    """An expired row."""

    id: str
    title: str | None


@dataclass(frozen=True)
class Expired:
    """Number of expired rows of a table for one reason, and the first few (none of snapshots)."""

    table: str
    reason: str
    rows: int
    sample: Sequence[Example] = ()


@dataclass(frozen=True)
class Outlook:
    """What a run would delete.

    Attributes:
        totals: rows by table.
        days: from the last complete run until the first refused one after it, or until now; at most 15 for a time
            without any process; None where there was no run, or its row has expired.
    """

    expired: Sequence[Expired]
    totals: Mapping[str, int]
    days: float | None
    limits: RetentionLimits

    def share(self, max_share: float, table: str) -> float:
        """Return the share of a table, or of the days of the ``archive``, that a run may delete."""
        return max(max_share, _MISSED_DAYS * (self.days or 0) / _retention_days(table))

    def beyond(self, max_share: float) -> list[str]:
        """Return one line for each table of which a run would delete more than its bound."""
        found: dict[str, int] = {}
        for part in self.expired:
            found[part.table] = found.get(part.table, 0) + part.rows
        lines = []
        for table, rows in found.items():
            share = self.share(max_share, table)
            total = max(self.totals[table], rows)
            if rows > ALWAYS_ALLOWED and rows > share * total:
                lines.append(f"{rows:,} of {total:,} rows of {table} ({rows / total:.0%}, bound {share:.0%})")
        return lines


class RetentionDAO:
    """The Janitor's statements. Constructing it does no I/O.

    Its generators yield a Batch after each transaction; a caller that stops iterating stops the work. A batch that the
    database refuses is skipped.

    Args:
        store: another database than the process's own, for tests.

    Attributes:
        limits: what a run has looked for, so that it deletes nothing else; None: the limits of the moment.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database
        self.limits: RetentionLimits | None = None

    def _limits(self) -> RetentionLimits:
        return self.limits or RetentionLimits.now()

    async def outlook(self) -> Outlook:
        """Look at every table. Leased rows count too; snapshots that are deleted with a younger video do not."""
        limits = RetentionLimits.now()
        statement = bind(
            "retention/expired_rows",
            metadata=limits.metadata,
            retired=limits.retired,
            counts=limits.counts,
            events=limits.events,
            runs=limits.runs,
            notifications=limits.notifications,
            calls=limits.calls,
            sample=_SAMPLE,
            snapshots=limits.snapshots,
        )
        rows = await self._db.fetch(*statement, seconds=WHOLE_TABLE)
        samples: dict[tuple[str, str, int], list[Example]] = {}
        for row in rows:
            key = row["table_name"], row["reason"], row["rows"]
            samples.setdefault(key, []).append(Example(row["id"], row["title"]))
        (older,) = await self._db.fetch(sql("snapshots/maintenance/count_older"), limits.snapshots, seconds=WHOLE_TABLE)
        expired = [Expired("video_stats_log", "statistics", older["count"])] if older["count"] else []
        expired += [Expired(*key, sample) for key, sample in samples.items()]
        (run,) = await self._db.fetch(sql("retention/last_good_run"), "janitor", _LONGEST_GAP / clock.speed)
        days = None if run["days"] is None else run["days"] * clock.speed
        return Outlook(expired, await self._totals({part.table for part in expired}), days, limits)

    async def _totals(self, tables: set[str]) -> dict[str, int]:
        counted = {row["name"]: row for row in await self._db.fetch(sql("report/report_tables"), _COUNTED)}
        totals = {}
        for table in tables:
            if table not in counted:
                (row,) = await self._db.fetch(sql("snapshots/common/count_rows", table=table), seconds=WHOLE_TABLE)
                totals[table] = row["count"]
            else:
                exact, estimated = counted[table]["counted"], counted[table]["estimated"]
                totals[table] = exact if exact < _COUNTED else max(_COUNTED, estimated)
        return totals

    async def expire_snapshots(self, size: int, *, dry_run: bool = False) -> Maintenance:
        """Make partitions for new snapshots and remove old ones. See ``atlas.snapshots.maintenance.maintain``."""
        now, before = clock.now(), self._limits().snapshots
        return await self._db.retry(lambda: maintain(self._db, now, before, batch=size, dry_run=dry_run))

    async def expire_videos(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Delete videos that are gone from YouTube or whose metadata was not refreshed, with their snapshots.

        Where snapshots are kept longer than metadata, clear the metadata, and delete the video with its last counts.

        Args:
            size: most rows of one transaction.
        """
        limits = self._limits()

        async def delete(rows: Rows) -> Mapping[str, int]:
            ids = [row["id"] for row in rows]
            if dry_run:
                # older snapshots are deleted before the videos are
                (found,) = await self._db.fetch(sql("retention/count_snapshots"), ids, limits.snapshots)
                return {"videos_deleted": len(ids), "snapshots_deleted": found["number"]}
            await self._db.fetch(sql("snapshots/common/lift_decompression_limit"))
            # statements of their own, after the rows are locked: they see what was written until then
            (snapshots,) = await self._db.fetch(sql("erasure/erase_snapshots"), ids)
            (videos,) = await self._db.fetch(sql("erasure/erase_videos"), ids)
            return {"videos_deleted": videos["number"], "snapshots_deleted": snapshots["number"]}

        async def clear(rows: Rows) -> Mapping[str, int]:
            if not dry_run:
                await self._db.fetch(sql("retention/clear_video_metadata"), [row["id"] for row in rows])
            return {"videos_blanked": len(rows)}

        # a video is deleted with all its snapshots, so the batch is limited by their number
        videos = max(1, size // policy.most_snapshots(timedelta(days=settings.retention_statistics_days)))
        for statement, arguments in (
            (sql("retention/lock_retired_videos"), (limits.retired, limits.metadata, limits.counts)),
            (sql("retention/lock_unread_videos"), (limits.metadata, limits.counts)),
        ):
            async for batch in self._batches(statement, arguments, videos, 2, delete):
                yield batch
        act, number = (clear, size) if limits.counts_outlive_metadata else (delete, videos)
        stale = limits.metadata, limits.retired

        async def lock(rows: Rows) -> Rows:
            return await self._db.fetch(sql("retention/lock_stale_videos"), [row["id"] for row in rows], *stale)

        async for batch in self._scanned(sql("retention/find_stale_videos"), stale, number, 2, lock, act):
            yield batch

    async def expire_channels(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Delete channels without any video, at least 5,000 in a transaction."""

        async def lock(rows: Rows) -> Rows:
            return await self._db.fetch(sql("retention/lock_channels"), [row["id"] for row in rows])

        async def delete(rows: Rows) -> Mapping[str, int]:
            if dry_run:
                return {"channels_deleted": len(rows)}
            # a statement of its own, after the rows are locked: it sees what was stored until then
            ids = [row["id"] for row in rows]
            (deleted,) = await self._db.fetch(sql("retention/delete_empty_channels"), ids, seconds=WHOLE_TABLE)
            return {"channels_deleted": deleted["number"]}

        number = max(size, _CHANNELS_AT_ONCE)
        async for batch in self._scanned(sql("retention/find_empty_channels"), (), number, 1, lock, delete):
            yield batch

    async def expire_queries(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Delete tags of the queue that were neither found nor searched for as long as metadata is kept."""
        arguments = self._limits().metadata, not dry_run
        async for batch in self._batches(
            sql("retention/expire_queries"), arguments, size, 1, _counter("queries_deleted")
        ):
            yield batch

    async def expire_history(self, size: int, *, dry_run: bool = False) -> AsyncGenerator[Batch]:
        """Delete old events, runs, call counts, ended suspensions and freezes, unused keys, notifications, and what was
        computed of growth."""
        limits = self._limits()
        for statement, limit, name in (
            (sql("retention/expire_before", table="events", time="at"), limits.events, "events"),
            (sql("retention/expire_before", table="runs", time="started_at"), limits.runs, "runs"),
            (sql("retention/expire_calls"), limits.calls, "calls"),
            (
                sql("retention/expire_before", table="key_suspensions", time="suspended_until"),
                limits.events, "suspensions",
            ),
            (sql("retention/expire_keys"), limits.events, "keys"),
            (sql("retention/expire_freezes"), limits.snapshots, "freezes"),
            (
                sql("retention/expire_before", table="breakouts", time="detected_at"),
                limits.snapshots, "breakouts",
            ),
            (sql("retention/expire_before", table="video_growth", time="observed_at"), limits.snapshots, "growth"),
            (sql("retention/expire_before", table="growth_bands", time="learnt_at"), limits.snapshots, "bands"),
            (sql("retention/expire_before", table="growth_levels", time="learnt_at"), limits.snapshots, "levels"),
            (
                sql("retention/expire_before", table="notifications", time="notified_at"),
                limits.notifications, "notifications",
            ),
        ):  # fmt: skip
            act = _counter(f"{name}_deleted")
            async for batch in self._batches(statement, (limit, not dry_run), size, 2, act):
                yield batch

    async def _batches(
        self, statement: str, arguments: Sequence[Any], size: int, width: int, act: _Act
    ) -> AsyncGenerator[Batch]:
        """Run one transaction after the other, until one finds fewer rows than ``size``.

        Args:
            statement: locks rows in an order; their first ``width`` columns are the position where the next batch
                starts, so that no batch scans the rows that others have skipped.
            arguments: its parameters before the size and the position.
        """
        position: tuple[Any, ...] = (None,) * width
        refused = 0
        while refused < _REFUSED_IN_A_ROW:
            found: list[Any] = []

            async def take(position: tuple[Any, ...] = position, found: list[Any] = found) -> Rows:
                found.clear()  # a retry after a lost connection
                found += await self._db.fetch(statement, *arguments, size, *position)
                return found

            batch = await self._batch(take, act)
            refused = refused + 1 if batch.error is not None else 0
            if found or batch.error is not None:
                yield batch
            if len(found) < size:
                return
            position = tuple(found[-1])[:width]

    async def _scanned(
        self, statement: str, arguments: Sequence[Any], size: int, width: int, lock: _Lock, act: _Act
    ) -> AsyncGenerator[Batch]:
        """Do the same if finding rows scans a whole table: rarely, outside of the transactions, without locks.

        Args:
            lock: locks those of the rows that are still too old; other parameters as of ``_batches``.
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
        async def work() -> Mapping[str, int]:
            async with self._db.transaction():
                rows = await take()
                return await act(rows) if rows else {}

        try:
            return Batch(await self._db.retry(work))
        except StatementFailed as error:
            return Batch({}, error)


def _counter(name: str) -> _Act:
    async def act(rows: Rows) -> Mapping[str, int]:
        return {name: len(rows)}

    return act


def _retention_days(table: str) -> int:
    if table in {"video_stats_log", "count_freezes", "breakouts", "video_growth", "growth_bands", "growth_levels"}:
        return settings.retention_statistics_days
    if table in {"videos", "channels", "search_queue", "archive"}:
        return settings.retention_metadata_days
    return settings.retention_events_days
