"""ArchiveDAO: compare ``archived_at`` with the archive, and restore videos from its records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from atlas.adapters.maia import MaiaDAO
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.models.youtube import Video

_PAGE = 10_000  # rows of one statement: some milliseconds, and a megabyte


class Restored(NamedTuple):
    """The number of new rows, and of refreshed ones."""

    created: int
    refreshed: int


class ArchiveDAO:
    """The statements of `atlas rebuild` and `atlas vault verify`. Constructing it does no I/O."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database
        self._maia = MaiaDAO(store=store)

    async def any_video(self) -> bool:
        return bool(await self._db.fetch(sql("snapshots/common/table_has_rows", table="videos")))

    async def archived(self) -> AsyncIterator[list[tuple[str, datetime | None]]]:
        """Yield every video's id and ``archived_at``, in pages, each read by its own statement."""
        last = ""
        while rows := await self._db.fetch(sql("archive/page_of_archived"), last, _PAGE):
            yield [(row["id"], row["archived_at"]) for row in rows]
            last = rows[-1]["id"]

    async def unmark(self, ids: Iterable[str], before: datetime) -> int:
        """Let a later run archive these videos again, unless archived at ``before`` or later. Return how many."""
        return len(await self._db.fetch(sql("archive/unmark_archived"), list(ids), before))

    async def mark(self, times: Mapping[str, datetime]) -> int:
        """Set the ``archived_at`` of videos. Return how many have a row."""
        return len(await self._maia.mark_archived(times))

    async def restore(self, records: Sequence[tuple[datetime, Mapping[str, Any]]]) -> Restored:
        """Store archived records, in one transaction.

        A record without a row creates one, with its first snapshot at the time of the record. A row that is older than
        the record, or was never enriched, is refreshed. Any other row stays as it is.

        Args:
            records: when each was observed (UTC), and the video resource; no video twice.

        Raises ValueError: a resource has no usable id.
        """
        videos = {video.id: (at, video) for at, video in ((at, Video.from_resource(raw)) for at, raw in records)}

        async def write() -> Restored:
            async with self._maia.transaction():
                known = {row["id"]: row for row in await self._db.fetch(sql("archive/lock_known"), list(videos))}
                wanted = {id_: found for id_, found in videos.items() if _is_newer(found[0], known.get(id_))}
                times = {id_: at for id_, (at, _) in wanted.items()}
                stored = await self._maia.ingest_video_metadata([v for _, v in wanted.values()], observed_at=times)
                await self._maia.mark_archived(times)
            return Restored(len(stored.created), len(wanted) - len(stored.created))

        return await self._maia.retry(write)


def _is_newer(at: datetime, row: Mapping[str, Any] | None) -> bool:
    if row is None or row["enriched_at"] is None:
        return True
    return bool(row["enriched_at"] < at and (row["retired_at"] is None or row["retired_at"] < at))
