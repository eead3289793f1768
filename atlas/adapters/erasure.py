"""ErasureDAO: find and delete everything that the database holds of videos and channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

from atlas.database import Database, database
from atlas.db.errors import map_driver_errors
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.snapshots import views

_VIDEOS_AT_ONCE = 200  # in one transaction: a month of hourly snapshots of each makes some 150,000 rows
_EVENTS_AT_ONCE = 5_000


class ErasureDAO:
    """The statements of `atlas forget`. Constructing it does no I/O.

    A claim is a lease, no lock: a claimed row is deleted too, and what the shard writes later finds no row.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def videos_of(self, channels: Collection[str]) -> set[str]:
        """Return the ids of the channels' videos."""
        if not channels:
            return set()
        rows = await self._db.fetch(sql("erasure/videos_of_channels"), list(channels), seconds=WHOLE_TABLE)
        return {row["id"] for row in rows}

    async def titles(self, videos: Collection[str], channels: Collection[str]) -> dict[str, str]:
        """Return the titles of those that have a row, by id."""
        rows = [
            *await self._db.fetch(sql("erasure/name_videos"), list(videos)),
            *await self._db.fetch(sql("erasure/name_channels"), list(channels)),
        ]
        return {row["id"]: row["title"] or "" for row in rows}

    async def erase(
        self,
        videos: Collection[str],
        channels: Collection[str],
        progress: Callable[[str, int, int], None] = lambda *_: None,
    ) -> dict[str, int]:
        """Delete them, in bounded transactions. Return rows by table, and ``leased``: videos that shards held."""
        tables = "videos", "video_stats_log", "video_growth", "breakouts", "channels", "events", "notifications", "runs"
        removed = dict.fromkeys((*tables, "leased"), 0)
        ids = sorted(videos)
        for start in range(0, len(ids), _VIDEOS_AT_ONCE):
            progress("deleting videos", start, len(ids))
            for name, number in (await self._erase_videos(ids[start : start + _VIDEOS_AT_ONCE])).items():
                removed[name] += number
        if ids:
            removed["aggregates"] = await self._erase_in_aggregates(ids)
        if channels:
            (row,) = await self._db.fetch(sql("erasure/erase_channels"), sorted(channels))
            removed["channels"] = row["number"]
        named = [*ids, *channels]
        async for numbers in self._events(named):
            await self._db.fetch(sql("erasure/erase_in_events"), numbers, named)
            removed["events"] += len(numbers)
        notifications, runs = await self._notifications_and_runs(named)
        if notifications:
            types, subjects = zip(*notifications, strict=True)
            await self._db.fetch(sql("erasure/erase_notifications"), types, subjects)
        if runs:
            await self._db.fetch(sql("erasure/erase_errors"), runs)
        return removed | {"notifications": len(notifications), "runs": len(runs)}

    async def remaining(self, videos: Collection[str], channels: Collection[str]) -> dict[str, int]:
        """Return the rows that each table still holds of them."""
        ids = sorted(videos)
        (row,) = await self._db.fetch(sql("erasure/count_remaining"), ids, sorted(channels), seconds=WHOLE_TABLE)
        found = dict(row) | {"aggregates": 0, "events": 0}
        for statement in (
            sql("erasure/count_in_view", view="video_stats_hourly"),
            sql("erasure/count_in_view", view="video_stats_daily"),
        ):
            (shown,) = await self._db.fetch(statement, ids)
            found["aggregates"] += shown["number"]
        named = [*ids, *channels]
        async for numbers in self._events(named):
            found["events"] += len(numbers)
        notifications, runs = await self._notifications_and_runs(named)
        return found | {"notifications": len(notifications), "runs": len(runs)}

    async def _erase_videos(self, ids: Sequence[str]) -> dict[str, int]:
        async def write() -> dict[str, int]:
            async with self._db.transaction():
                await self._db.fetch(sql("snapshots/common/lift_decompression_limit"))
                await self._db.fetch(sql("hunter/lock_videos"), ids)  # who wrote snapshots of them has committed
                (snapshots,) = await self._db.fetch(sql("erasure/erase_snapshots"), ids)
                # after the locks on videos, as a batch of the Janitor takes them; judging locks no videos
                await self._db.fetch(sql("erasure/lock_judged"))
                (rows,) = await self._db.fetch(sql("erasure/erase_videos"), ids)
            return {
                "video_stats_log": snapshots["number"], "videos": rows["number"], "leased": rows["leased"],
                "video_growth": rows["growth"], "breakouts": rows["breakouts"],
            }  # fmt: skip

        return await self._db.retry(write)

    async def _erase_in_aggregates(self, ids: Sequence[str]) -> int:
        # a connection of its own: the rows of an aggregate are deleted in transactions of their own
        connection = await self._db.connect()
        try:
            with map_driver_errors():
                steps = range(0, len(ids), _VIDEOS_AT_ONCE)
                return sum([await views.erase(connection, ids[n : n + _VIDEOS_AT_ONCE]) for n in steps])
        finally:
            await connection.close()

    async def _events(self, ids: Sequence[str]) -> AsyncIterator[list[int]]:
        """Yield the numbers of events that name one of the ids, a page at a time."""
        last = 0
        while rows := await self._db.fetch(sql("erasure/find_in_events"), last, _EVENTS_AT_ONCE, ids):
            last = rows[0]["last"]
            if rows[0]["named"]:
                yield rows[0]["named"]

    async def _notifications_and_runs(self, ids: Sequence[str]) -> tuple[list[tuple[str, str]], list[Any]]:
        """Return the notifications that name one of the ids (type and subject), and runs whose error does."""
        rows = await self._db.fetch(sql("erasure/find_in_notifications"), ids)
        notifications = [(row["type"], row["subject"]) for row in rows if row["run"] is None]
        return notifications, [row["run"] for row in rows if row["run"] is not None]
