"""ForgetDAO: everything that the database holds of videos and channels, taken out and looked for again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

from atlas.database import Database, database
from atlas.db.errors import map_driver_errors
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.snapshots import views

__all__ = ["AGGREGATES", "ForgetDAO"]

AGGREGATES = ("video_stats_hourly", "video_stats_daily")
"""The views that may keep rows of their own."""

_VIDEOS_AT_ONCE = 200  # in one transaction: a month of hourly snapshots of each makes some 150,000 rows
_EVENTS_AT_ONCE = 5_000


class ForgetDAO:
    """Deletes for good. Constructing it does no I/O.

    A claim holds a row's lease, no lock: its row is deleted all the same, and what the shard writes of it later finds
    no row.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def videos_of(self, channels: Collection[str]) -> set[str]:
        """The videos of channels."""
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

    async def forget(
        self,
        videos: Collection[str],
        channels: Collection[str],
        progress: Callable[[str, int, int], None] | None = None,
    ) -> dict[str, int]:
        """Deletes what each table holds of them, in bounded transactions. Returns rows by table, and ``held``.

        ``held``: how many of the videos a shard had claimed.
        """
        removed = dict.fromkeys(("videos", "video_stats_log", "channels", "events", "notifications", "runs", "held"), 0)
        ids = sorted(videos)
        for start in range(0, len(ids), _VIDEOS_AT_ONCE):
            if progress:
                progress("deleting videos", start, len(ids))
            for name, number in (await self._videos(ids[start : start + _VIDEOS_AT_ONCE])).items():
                removed[name] += number
        if ids:
            removed["aggregates"] = await self._aggregates(ids)
        if channels:
            (row,) = await self._db.fetch(sql("erasure/erase_channels"), sorted(channels))
            removed["channels"] += row["number"]
        named = [*ids, *channels]
        async for numbers in self._events(named):
            await self._db.fetch(sql("erasure/erase_in_events"), numbers, named)
            removed["events"] += len(numbers)
        told, runs = await self._notes(named)
        if told:
            await self._db.fetch(
                sql("erasure/erase_notifications"), [t for t, _ in told], [subject for _, subject in told]
            )
        if runs:
            await self._db.fetch(sql("erasure/erase_errors"), runs)
        return removed | {"notifications": len(told), "runs": len(runs)}

    async def left(self, videos: Collection[str], channels: Collection[str]) -> dict[str, int]:
        """What each table still holds of them; nothing is changed."""
        ids = sorted(videos)
        (row,) = await self._db.fetch(sql("erasure/count_remaining"), ids, sorted(channels), seconds=WHOLE_TABLE)
        found = dict(row)
        shown = [
            await self._db.fetch(sql("erasure/count_in_view", view="video_stats_hourly"), ids),
            await self._db.fetch(sql("erasure/count_in_view", view="video_stats_daily"), ids),
        ]
        found["aggregates"] = sum(rows[0]["number"] for rows in shown)
        named = [*ids, *channels]
        found["events"] = 0
        async for numbers in self._events(named):
            found["events"] += len(numbers)
        told, runs = await self._notes(named)
        return found | {"notifications": len(told), "runs": len(runs)}

    async def _videos(self, ids: Sequence[str]) -> dict[str, int]:
        async def write() -> dict[str, int]:
            async with self._db.transaction():
                await self._db.fetch(sql("snapshots/common/lift_decompression_limit"))
                await self._db.fetch(sql("hunter/lock_videos"), ids)  # whoever wrote snapshots of them has committed
                (snapshots,) = await self._db.fetch(sql("erasure/erase_snapshots"), ids)
                (rows,) = await self._db.fetch(sql("erasure/erase_videos"), ids)
            return {"video_stats_log": snapshots["number"], "videos": rows["number"], "held": rows["held"]}

        return await self._db.patiently(write)

    async def _aggregates(self, ids: Sequence[str]) -> int:
        """A connection of its own: an aggregate's rows go in transactions of their own."""
        connection = await self._db.connect()
        try:
            with map_driver_errors():
                steps = range(0, len(ids), _VIDEOS_AT_ONCE)
                return sum([await views.erase(connection, ids[n : n + _VIDEOS_AT_ONCE]) for n in steps])
        finally:
            await connection.close()

    async def _events(self, ids: Sequence[str]) -> AsyncIterator[list[int]]:
        """Numbers of the events that name one of the ids, so many at once."""
        last = 0
        while rows := await self._db.fetch(sql("erasure/find_in_events"), last, _EVENTS_AT_ONCE, ids):
            last = rows[0]["last"]
            if rows[0]["named"]:
                yield rows[0]["named"]

    async def _notes(self, ids: Sequence[str]) -> tuple[list[tuple[str, str]], list[Any]]:
        """What people were told of them (type and subject), and runs whose error names one."""
        rows = await self._db.fetch(sql("erasure/find_in_notifications"), ids)
        told = [(row["type"], row["subject"]) for row in rows if row["run"] is None]
        return told, [row["run"] for row in rows if row["run"] is not None]
