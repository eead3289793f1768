"""What a run would delete from the archive: looked at before anything goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas.vault.layout import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from atlas.vault.archive import Archive

__all__ = ["ArchiveOutlook", "look"]


@dataclass(frozen=True, slots=True)
class ArchiveOutlook:
    """The days of the archive.

    Attributes:
        old: days that are too old.
        total: all days.
        many: the old ones are more than their share of all, and hold more records than were to be counted.
    """

    old: int = 0
    total: int = 0
    many: bool = False


def look(archive: Archive, before: date, *, share: float, counted: int) -> ArchiveOutlook:
    """Look at the names of all days and, where the old ones are more than a share of them, count their records. Blocks.

    Args:
        archive: the archive.
        before: the first day that is kept.
        share: of the days.
        counted: how many records are counted at most.

    Raises:
        ArchiveUnavailable: the place cannot be reached.
    """
    days = archive.days()
    old = [day for day in days if day < before]
    many = len(old) > share * len(days) and _more_than(archive, old, counted)
    return ArchiveOutlook(len(old), len(days), many=many)


def _more_than(archive: Archive, days: Iterable[date], most: int) -> bool:
    """Whether these days hold more records; a part that cannot be read may hold any number."""
    number = 0
    for day in days:
        contents = archive.contents(day)
        number += len(contents.files)
        if number > most:
            return True
        for _, body in archive.read(contents.parts):  # a part does not say how many records it holds
            if body is None:
                continue  # it has moved meanwhile
            try:
                if isinstance(body, OSError):
                    return True
                for _ in read_lines(body):
                    number += 1
                    if number > most:
                        return True
            except ValueError:
                return True
    return False
