"""Delete expired days of the archive, and estimate before how much that is."""

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

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchiveOutlook:
    """Number of expired days and of all days; ``many``: more than the allowed share, and many records."""

    old: int = 0
    total: int = 0
    many: bool = False


@dataclass(frozen=True, slots=True)
class ExpireReport:
    """The days that were deleted, or would be; ``left``: expired days that are not fully deleted."""

    days: tuple[date, ...] = ()
    files: int = 0
    parts: int = 0
    left: tuple[date, ...] = ()
    history_erased: bool = False
    error: str | None = None


def look(archive: Archive, before: date, *, share: float, counted: int) -> ArchiveOutlook:
    """List all days and, where those before a day are more than a share, count their records up to a number."""
    days = archive.days()
    old = [day for day in days if day < before]
    many = len(old) > share * len(days) and _have_more_than(archive, old, counted)
    return ArchiveOutlook(len(old), len(days), many=many)


def _have_more_than(archive: Archive, days: Iterable[date], most: int) -> bool:
    number = 0
    for day in days:
        contents = archive.contents(day)
        number += len(contents.files)
        if number > most:
            return True
        for _, body in archive.read(contents.parts):  # the number of records in a part is only known by reading it
            if isinstance(body, OSError):
                return True  # an unreadable part may have any number
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
        # links and special files do not belong to the archive; unreadable files may
        failed |= {each.path: each.reason for each in skipped if each.reason not in {LINK, SPECIAL}}
        if skipped and not paths and not failed:
            continue
        files += sum(entry.path not in failed for entry in contents.files)
        parts += sum(entry.path not in failed for entry in contents.parts)
        (left if failed else gone).append(day)
        reasons.update(failed)
    erased = not dry_run and finish_erasing(archive, deleted=bool(files or parts))
    if archive.missing:
        logger.warning("there is no archive (%s) yet, or these credentials cannot see it", archive.provider.name)
    error = None
    if reasons:
        path, reason = next(iter(reasons.items()))
        error = f"{len(reasons)} files could not be deleted, such as {path}: {reason}"
    elif left:
        error = f"out of time: {len(left)} days are left for the next run"
    return ExpireReport(tuple(gone), files, parts, tuple(left), erased, error)
