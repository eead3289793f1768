"""Delete days of the archive that are too old, and look first at how much that would be."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas.vault.erasure import delete_for_good, finish_erasing
from atlas.vault.layout import read_lines
from atlas.vault.providers.base import LINK, SPECIAL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from atlas.vault.archive import Archive

__all__ = ["ArchiveOutlook", "ExpireReport", "expire", "look"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchiveOutlook:
    """The days that ``expire`` would delete, and all days.

    Attributes:
        many: the old days are more than their share of all days, and hold more records than were to be counted.
    """

    old: int = 0
    total: int = 0
    many: bool = False


@dataclass(frozen=True, slots=True)
class ExpireReport:
    """The days that were deleted, or would be, with their single files and parts.

    Attributes:
        left: old days of which something is still there, for the next run.
        error: one line, without any secret, or None.
    """

    days: tuple[date, ...] = ()
    files: int = 0
    parts: int = 0
    left: tuple[date, ...] = ()
    history_erased: bool = False
    error: str | None = None


def look(archive: Archive, before: date, *, share: float, counted: int) -> ArchiveOutlook:
    """List all days and, where the old ones are more than a share of them, count their records. Blocks.

    Args:
        before: the first day that stays.
        counted: count no more records than this.

    Raises:
        ArchiveUnavailable: the archive cannot be reached.
    """
    days = archive.days()
    old = [day for day in days if day < before]
    many = len(old) > share * len(days) and _hold_more_than(archive, old, counted)
    return ArchiveOutlook(len(old), len(days), many=many)


def _hold_more_than(archive: Archive, days: Iterable[date], most: int) -> bool:
    number = 0
    for day in days:
        contents = archive.contents(day)
        number += len(contents.files)
        if number > most:
            return True
        for _, body in archive.read(contents.parts):  # a part does not say how many records it holds
            if isinstance(body, OSError):
                return True  # what cannot be read may hold any number
            try:
                for _ in read_lines(body) if body is not None else ():
                    number += 1
                    if number > most:
                        return True
            except ValueError:
                return True
    return False


def expire(archive: Archive, before: date, *, dry_run: bool = False, deadline: float = float("inf")) -> ExpireReport:
    """Delete every record and part of the days before a date, a day at a time, and erase the history.

    Args:
        before: the first day that stays.
        dry_run: only report.
        deadline: in ``time.monotonic()`` seconds; start no day after it.

    Raises:
        ArchiveUnavailable: the archive cannot be reached, or could not erase its history.
    """
    gone: list[date] = []
    left: list[date] = []
    files = parts = 0
    reasons: dict[str, str] = {}
    for day in archive.days():
        if day >= before:
            break
        if time.monotonic() > deadline:
            left.append(day)
            continue
        contents = archive.contents(day)
        paths = [entry.path for entry in (*contents.files, *contents.parts)]
        skipped = archive.skipped(day)
        failed = {} if dry_run else delete_for_good(archive, paths, str(day))
        # links and special files do not belong to the archive; what cannot be read may
        failed |= {each.path: each.reason for each in skipped if each.reason not in {LINK, SPECIAL}}
        if skipped and not paths and not failed:
            continue
        files += sum(entry.path not in failed for entry in contents.files)
        parts += sum(entry.path not in failed for entry in contents.parts)
        (left if failed else gone).append(day)
        reasons.update(failed)
    erased = not dry_run and finish_erasing(archive, deleted=bool(files or parts))
    if archive.missing:
        logger.warning("the archive (%s) cannot be seen, or nothing was archived yet", archive.provider.name)
    error = None
    if reasons:
        path, reason = next(iter(reasons.items()))
        error = f"{len(reasons)} files could not be deleted, such as {path}: {reason}"
    elif left:
        error = f"the time was up with {len(left)} days left"
    return ExpireReport(tuple(gone), files, parts, tuple(left), erased, error)
