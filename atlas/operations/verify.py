"""Compare the archive and the database record by record (`atlas vault verify`).

Both are read once, each in its own order, into 64 temporary files by the hash of the id. Then one file of each is
compared at a time: memory use is a 64th of the ids, and the database only reads pages of its key.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.background import call_in_background
from atlas.clock import clock
from atlas.config import settings
from atlas.vault.archive import Damage

if TYPE_CHECKING:
    from atlas.adapters.archive import ArchiveDAO
    from atlas.vault.archive import Archive

EXAMPLES = 20
"""How many ids of each kind a report names."""

_SHARES = 64
_UNKNOWN, _NEVER = "?", "-"
# the oldest day is deleted as a whole, and its last records were marked after its midnight
_MARGIN = timedelta(days=2)

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Verification:
    """The result.

    Attributes:
        records: that can be read and belong to their videos.
        damaged: files, parts and records in them that cannot be used.
        unread: parts that could not be read, so that their records are unknown.
        missing: videos that count as archived and have no record that can be read.
        without_row: videos with a record and no row, too recent for the Janitor to have deleted the row.
        deleted: likewise, but older: the Janitor deletes rows at once, and records with their day.
        expired: videos that count as archived, and whose records were deleted with their day.
        unmarked: videos that have a record and do not count as archived.
        examples: ids of some that are missing, and of some without a row.
    """

    days: int = 0
    records: int = 0
    damaged: int = 0
    unread: int = 0
    videos: int = 0
    missing: int = 0
    without_row: int = 0
    deleted: int = 0
    expired: int = 0
    unmarked: int = 0
    repaired: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: {"missing": [], "without_row": []})

    @property
    def empty(self) -> bool:
        """Whether there is no archive at all, though there should be one."""
        return not self.records and not self.damaged and self.missing + self.expired > 0

    def example(self, kind: str, video_id: str) -> None:
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(video_id)


async def verify(
    archive: Archive,
    dao: ArchiveDAO,
    *,
    repair: bool = False,
    even_if_empty: bool = False,
    damaged: Callable[[Damage], None] = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Verification:
    """Compare every record with the database, and every row with the archive.

    Shards may work meanwhile: rows that they write after the start are not judged.

    Args:
        repair: let a later run archive again what is missing, and mark what is archived. Nothing is changed where a
            part could not be read (its records would count as missing), or where the archive is empty.
        even_if_empty: repair an empty archive too.
        progress: called with the step, how much of it is done, and how much there is (0: unknown).

    Raises ArchiveUnavailable, DatabaseUnavailable, ConfigError.
    """
    began = clock.now()
    report = Verification()
    with (
        tempfile.TemporaryDirectory(prefix="atlas-verify-") as folder,
        closing(_Shares(Path(folder) / "records")) as records,
        closing(_Shares(Path(folder) / "rows")) as rows,
    ):
        await call_in_background(
            lambda: _read_archive(archive, records, report, damaged, progress),
            seconds=float("inf"),
            name="vault-verify",
        )
        async for page in dao.archived():
            for id_, at in page:
                rows.add(id_, _NEVER if at is None else _sortable(at) if at < began else _UNKNOWN)
            report.videos += len(page)
            progress("reading the database", report.videos, 0)
        repair = repair and not report.unread and (even_if_empty or report.records > 0)
        for share in range(_SHARES):
            progress("comparing", share + 1, _SHARES)
            unmark, mark = _compare(dict(rows.read(share)), records.read(share), began.date(), report)
            if repair and unmark:
                report.repaired += await dao.unmark(unmark, began)
            if repair and mark:
                report.repaired += await dao.mark(mark)
    return report


def _read_archive(
    archive: Archive, records: _Shares, report: Verification, damaged: Callable[[Damage], None], progress: Progress
) -> None:
    days = archive.days()
    report.days = len(days)
    for number, day in enumerate(days, 1):
        progress(f"reading {day}", number, len(days))
        for found in archive.records(day):
            if not isinstance(found, Damage):
                report.records += 1
                records.add(found.record.video_id, _sortable(found.at))
                continue
            report.damaged += 1
            damaged(found)
            if found.unread and found.video_id is None:
                report.unread += 1
            elif found.unread and found.video_id is not None:
                records.add(found.video_id, _UNKNOWN)


def _compare(
    rows: dict[str, str], records: Iterator[tuple[str, str]], today: date, report: Verification
) -> tuple[list[str], dict[str, datetime]]:
    """Return the videos of one share to archive again, and those to mark as archived since a time."""
    newest: dict[str, str] = {}
    for id_, at in records:
        newest[id_] = max(newest.get(id_, ""), at)  # _UNKNOWN is greater than any time
    unmark: list[str] = []
    mark: dict[str, datetime] = {}
    kept_from = _sortable(_days_ago(today, settings.retention_metadata_days) + _MARGIN)
    for id_, marked in rows.items():
        if marked == _NEVER:
            if newest.get(id_, _UNKNOWN) != _UNKNOWN:
                report.unmarked += 1
                mark[id_] = datetime.fromisoformat(newest[id_])
        elif marked != _UNKNOWN and id_ not in newest:
            unmark.append(id_)
            if marked < kept_from:
                report.expired += 1
            else:
                report.missing += 1
                report.example("missing", id_)
    deleted_before = _sortable(_days_ago(today, min(settings.retention_retired_days, settings.retention_metadata_days)))
    for id_, at in newest.items():
        if id_ in rows:
            continue
        if at < deleted_before:
            report.deleted += 1
        else:
            report.without_row += 1
            report.example("without_row", id_)
    return unmark, mark


class _Shares:
    """Ids with a word each, in files: all lines of an id are in the same one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._files = [(folder / f"{share:02}").open("w+", encoding="utf-8") for share in range(_SHARES)]

    def add(self, id_: str, word: str) -> None:
        self._files[zlib.crc32(id_.encode()) % _SHARES].write(f"{id_} {word}\n")

    def read(self, share: int) -> Iterator[tuple[str, str]]:
        file = self._files[share]
        file.flush()
        file.seek(0)
        for line in file:
            id_, _, word = line.rstrip("\n").rpartition(" ")
            yield id_, word

    def close(self) -> None:
        for file in self._files:
            file.close()


def _days_ago(today: date, days: int) -> datetime:
    return datetime.combine(today - timedelta(days=days), time(), UTC)


def _sortable(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
