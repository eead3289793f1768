"""Rebuild videos, channels, tags and first snapshots from the archive alone (`atlas rebuild`).

Days are read from the oldest to the newest: the first record of a video makes its row and its first snapshot, later
ones refresh the row. A record that is older than its row changes nothing, so a rebuild can be repeated and interrupted,
and run beside shards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas.background import call_in_background
from atlas.errors import AtlasError, StatementFailed
from atlas.vault.archive import Damage, Stored
from atlas.vault.records import decode

if TYPE_CHECKING:
    from atlas.adapters.archive import ArchiveDAO
    from atlas.vault.archive import Archive

BATCH = 1_000
"""Records of one transaction."""

_BATCH_BYTES = 16 * 1024 * 1024

Progress = Callable[[str, int, int], None]


class NotEmpty(AtlasError):
    """The database has videos already. `atlas rebuild --missing` adds what it lacks, and changes nothing else."""

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


@dataclass(slots=True)
class Rebuilt:
    """The result.

    Attributes:
        videos: new rows.
        refreshed: rows that were older than the record or not enriched.
        damaged: files, parts and records that cannot be used, or that the database refused.
    """

    days: int = 0
    records: int = 0
    videos: int = 0
    refreshed: int = 0
    damaged: int = 0


async def rebuild(
    archive: Archive,
    dao: ArchiveDAO,
    *,
    missing: bool = False,
    damaged: Callable[[Damage], None] = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Rebuilt:
    """Fill the database from the archive, a batch of records in each transaction.

    Args:
        missing: add what a database with videos lacks.
        progress: called with the step, the number of the day, and how many there are.

    Raises:
        NotEmpty: the database has videos, and ``missing`` is false.
        ArchiveUnavailable, DatabaseUnavailable, ConfigError.
    """
    if not missing and await dao.any_video():
        raise NotEmpty
    report = Rebuilt()

    def count(damage: Damage) -> None:
        report.damaged += 1
        damaged(damage)

    batches = _batches(archive, report, count, progress)
    while batch := await call_in_background(lambda: next(batches, None), seconds=float("inf"), name="vault-rebuild"):
        report.records += len(batch)
        await _store(dao, batch, report, count)
    return report


def _batches(
    archive: Archive, report: Rebuilt, damaged: Callable[[Damage], None], progress: Progress
) -> Iterator[list[Stored]]:
    """Yield records in the order of their days, no video twice in a batch."""
    days = archive.days()
    report.days = len(days)
    batch: dict[str, Stored] = {}
    size = 0
    for number, day in enumerate(days, 1):
        for found in archive.records(day):
            if isinstance(found, Damage):
                damaged(found)
                continue
            if len(batch) >= BATCH or size >= _BATCH_BYTES or found.record.video_id in batch:
                progress(f"{day}, {report.records:,} records", number, len(days))
                yield list(batch.values())
                batch, size = {}, 0
            batch[found.record.video_id] = found
            size += len(found.record.body)
    if batch:
        yield list(batch.values())


async def _store(dao: ArchiveDAO, batch: Sequence[Stored], report: Rebuilt, damaged: Callable[[Damage], None]) -> None:
    """Store a batch; if it is refused, store each half, so that one bad record does not block a thousand good ones."""
    try:
        stored = await dao.restore([(found.at, decode(found.record.body)) for found in batch])
    except (StatementFailed, ValueError) as error:
        if len(batch) == 1:
            damaged(Damage(batch[0].path, f"the record of {batch[0].record.video_id} cannot be stored: {error}"))
            return
        middle = len(batch) // 2
        await _store(dao, batch[:middle], report, damaged)
        await _store(dao, batch[middle:], report, damaged)
    else:
        report.videos += stored.created
        report.refreshed += stored.refreshed
