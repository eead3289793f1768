"""ArchiveDAO: what the database says of the archive, and what the archive gives back to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from atlas.adapters.maia import MaiaDAO
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.models.youtube import Video

__all__ = ["ArchiveDAO", "Restored"]

_PAGE = 10_000  # rows of one statement: some milliseconds, and a megabyte


class Restored(NamedTuple):
    """What became of one batch of records.

    Attributes:
        created: videos that had no row.
        refreshed: videos whose row knew less, or something older.
    """

    created: int
    refreshed: int


class ArchiveDAO:
    """Reads and writes ``archived_at``, and fills tables from records. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database
        self._maia = MaiaDAO(store=store)

    async def any_video(self) -> bool:
        """Whether the database holds a video at all."""
        return bool(await self._db.fetch(sql("snapshots/common/table_has_rows", table="videos")))

    async def archived(self) -> AsyncIterator[list[tuple[str, datetime | None]]]:
        """Every video's id and ``archived_at``, in pages, each read on its own: nothing is held open meanwhile."""
        last = ""
        while True:
            rows = await self._db.fetch(sql("archive/page_of_archived"), last, _PAGE)
            if not rows:
                return
            yield [(row["id"], row["archived_at"]) for row in rows]
            last = rows[-1]["id"]

    async def unmark(self, ids: Iterable[str], before: datetime) -> int:
        """Has a later run archive these videos again; returns how many. Those archived at ``before`` or later stay."""
        return len(await self._db.fetch(sql("archive/unmark_archived"), list(ids), before))

    async def mark(self, times: Mapping[str, datetime]) -> int:
        """The archive holds these videos, since then. Returns how many have a row."""
        return len(await self._maia.mark_archived(times))

    async def restore(self, records: Sequence[tuple[datetime, Mapping[str, Any]]]) -> Restored:
        """Stores archived records, in one transaction.

        Where there is no row the record makes one, with its first snapshot at the time that it was observed. A row that
        knows something older, or was never enriched, is refreshed. Any other is left alone: what it says is newer.

        Args:
            records: when each was observed (UTC), and the video resource; no video twice.

        Raises:
            ValueError: a resource has no usable id.
        """
        videos = {video.id: (at, video) for at, video in ((at, Video.from_resource(raw)) for at, raw in records)}

        async def write() -> Restored:
            async with self._maia.transaction():
                known = {row["id"]: row for row in await self._db.fetch(sql("archive/lock_known"), list(videos))}
                wanted = {id_: found for id_, found in videos.items() if _adds(found[0], known.get(id_))}
                times = {id_: at for id_, (at, _) in wanted.items()}
                stored = await self._maia.ingest_video_metadata([v for _, v in wanted.values()], observed_at=times)
                await self._maia.mark_archived(times)
            return Restored(len(stored.created), len(wanted) - len(stored.created))

        return await self._maia.patiently(write)


def _adds(at: datetime, row: Mapping[str, Any] | None) -> bool:
    """Whether a record says more than the row."""
    if row is None or row["enriched_at"] is None:
        return True
    return bool(row["enriched_at"] < at and (row["retired_at"] is None or row["retired_at"] < at))
