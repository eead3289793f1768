"""`atlas vault verify`: the archive and the database, compared record by record.

Both are walked once, each in the order that it has, and what was seen is written to files on this machine, a 64th of
all ids to each. Then one of these shares at a time is compared. So memory holds a 64th of the ids, however many videos
there are, and the database is asked for nothing but pages of its key.
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

__all__ = ["EXAMPLES", "Verification", "verify"]

EXAMPLES = 20
"""How many ids of each kind a report names."""

_SHARES = 64
_UNREAD, _NEVER = "?", "-"
# the day that is as old as records are kept goes as a whole, and its last records were marked after its midnight
_MARGIN = timedelta(days=2)

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Verification:
    """What was found.

    Attributes:
        days: of the archive.
        records: that can be read and are their videos'.
        damaged: files, parts and records in them that are no good.
        unread: parts that the place did not hand over: nobody knows whose records are in them.
        videos: rows.
        missing: videos that the database says are archived, of which no record can be read.
        without_row: videos that have a record and no row, and so lately that the Janitor cannot have deleted the row.
        deleted: likewise, but older: the Janitor deletes rows, their records go with their day.
        expired: videos whose records went with their day, while the row still says that they are archived.
        unmarked: videos that have a record, and a row that does not say so.
        repaired: rows that were changed.
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


@dataclass(slots=True)
class _Repairs:
    """What the comparison of one share leaves to do.

    Attributes:
        unmark: videos that are to be archived again.
        mark: videos that are archived, and since when.
    """

    unmark: list[str] = field(default_factory=list)
    mark: dict[str, datetime] = field(default_factory=dict)


async def verify(
    archive: Archive,
    dao: ArchiveDAO,
    *,
    repair: bool = False,
    even_if_empty: bool = False,
    damaged: Callable[[Damage], None] = lambda _: None,
    progress: Progress = lambda *_: None,
) -> Verification:
    """Compares every record with the database, and every row with the archive.

    Shards may be at work meanwhile: rows that they write after this has begun are not judged.

    Args:
        archive: the archive.
        dao: the database.
        repair: lets a later run archive again what is missing, and marks what is archived. Nothing is changed where a
            part could not be read (its records would count as missing), or where the archive is empty.
        even_if_empty: repairs there too.
        damaged: called with each that is found.
        progress: called with what is done, how much of it is done, and how much there is (0: not known).

    Raises:
        ArchiveUnavailable: the place cannot be reached.
        DatabaseUnavailable, ConfigError.
    """
    began = clock.now()
    report = Verification()
    with (
        tempfile.TemporaryDirectory(prefix="atlas-verify-") as folder,
        closing(_Shares(Path(folder) / "records")) as records,
        closing(_Shares(Path(folder) / "rows")) as rows,
    ):
        await call_in_background(
            lambda: _walk(archive, records, report, damaged, progress), seconds=float("inf"), name="vault-verify"
        )
        async for page in dao.archived():
            for id_, at in page:
                if at is None or at < began:
                    rows.add(id_, _NEVER if at is None else _text(at))
                else:
                    rows.add(id_, _UNREAD)
            report.videos += len(page)
            progress("reading the database", report.videos, 0)
        repair = repair and not report.unread and (even_if_empty or report.records > 0)
        for share in range(_SHARES):
            progress("comparing", share + 1, _SHARES)
            repairs = _compare(dict(rows.read(share)), records.read(share), began.date(), report)
            if repair and repairs.unmark:
                report.repaired += await dao.unmark(repairs.unmark, began)
            if repair and repairs.mark:
                report.repaired += await dao.mark(repairs.mark)
    return report


def _walk(
    archive: Archive, records: _Shares, report: Verification, damaged: Callable[[Damage], None], progress: Progress
) -> None:
    days = archive.days()
    report.days = len(days)
    for number, day in enumerate(days, 1):
        progress(f"reading {day}", number, len(days))
        for found in archive.records(day):
            if isinstance(found, Damage):
                report.damaged += 1
                damaged(found)
                if found.unread and found.video_id is None:
                    report.unread += 1
                elif found.unread and found.video_id is not None:
                    records.add(found.video_id, _UNREAD)
                continue
            report.records += 1
            records.add(found.record.video_id, _text(found.at))


def _compare(rows: dict[str, str], records: Iterator[tuple[str, str]], today: date, report: Verification) -> _Repairs:
    """One share: the rows, and the records in the order in which they were read."""
    newest: dict[str, str] = {}
    for id_, at in records:
        newest[id_] = max(newest.get(id_, ""), at)  # "?" is greater than any time: what it holds is not known
    repairs = _Repairs()
    kept_from = _text(_midnight(today - timedelta(days=settings.retention_metadata_days)) + _MARGIN)
    for id_, marked in rows.items():
        if marked == _NEVER:
            if newest.get(id_, _UNREAD) != _UNREAD:
                report.unmarked += 1
                repairs.mark[id_] = datetime.fromisoformat(newest[id_])
        elif marked != _UNREAD and id_ not in newest:
            repairs.unmark.append(id_)
            if marked < kept_from:
                report.expired += 1
            else:
                report.missing += 1
                report.example("missing", id_)
    soonest = min(settings.retention_retired_days, settings.retention_metadata_days)
    purged = _text(_midnight(today - timedelta(days=soonest)))
    for id_, at in newest.items():
        if id_ in rows:
            continue
        if at < purged:
            report.deleted += 1
        else:
            report.without_row += 1
            report.example("without_row", id_)
    return repairs


class _Shares:
    """Ids with a word each, in files, by a share of all ids: an id's lines are all in one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._files = [(folder / f"{share:02}").open("w+", encoding="utf-8") for share in range(_SHARES)]

    def add(self, id_: str, word: str) -> None:
        self._files[zlib.crc32(id_.encode()) % _SHARES].write(f"{id_} {word}\n")

    def read(self, share: int) -> Iterator[tuple[str, str]]:
        """What was added of a share, in that order."""
        file = self._files[share]
        file.flush()
        file.seek(0)
        for line in file:
            id_, _, word = line.rstrip("\n").rpartition(" ")
            yield id_, word

    def close(self) -> None:
        for file in self._files:
            file.close()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _text(at: datetime) -> str:
    """As text that sorts as the times do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
