"""Taking things out of the archive for good, and whole days that are too old.

Deleting alone is not enough where a place keeps its history: whatever deletes also leaves a note, in the same commit,
that the history is still to be erased. The note goes when that is done, so that a run that was killed in between is
finished by the next one.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas.errors import ArchiveRefused, ArchiveUnavailable
from atlas.redaction import one_line
from atlas.vault.providers.base import LINK, SPECIAL, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from atlas.vault.archive import Archive

__all__ = ["COMMIT_SECONDS", "NOTE", "ExpireReport", "commit_erasing", "delete_for_good", "expire", "finish_erasing"]

logger = logging.getLogger(__name__)

NOTE = "history-to-erase.txt"
"""The note's path."""

_NOTE = b"Files were deleted from this archive for good. Its history is erased next, and this note goes with it.\n"
_NEXT = "The database is not the cause. Look at the archive's settings and its store, then run this again: it goes on."
COMMIT_SECONDS = 600.0
_DELETED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class ExpireReport:
    """What became of the archive's old days.

    Attributes:
        days: those that are gone, or would go.
        files: records that lay in a file each.
        parts: packed parts.
        left: old days of which something is still there: the next run goes on with them.
        history_erased: whether earlier states of the archive were erased too.
        error: one line, without any secret, or None.
    """

    days: tuple[date, ...] = ()
    files: int = 0
    parts: int = 0
    left: tuple[date, ...] = ()
    history_erased: bool = False
    error: str | None = None


def expire(archive: Archive, before: date, *, dry_run: bool = False, deadline: float = float("inf")) -> ExpireReport:
    """Deletes every record and part of the days before a date, a day at a time, and erases the history.

    Args:
        archive: the archive.
        before: the first day that is kept.
        dry_run: deletes nothing, and says what would go.
        deadline: in ``time.monotonic()`` seconds; no day is begun after it.

    Raises:
        ArchiveUnavailable: the place cannot be reached, or could not erase its history.
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
        # a link, and what is no file, is none of the archive's; what cannot be read may be
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


def finish_erasing(archive: Archive, *, deleted: bool) -> bool:
    """Erases the history if that is still to be done; returns whether it was.

    Args:
        archive: the archive.
        deleted: whether the caller has deleted something: another process that was at it before may have taken the
            note along, which says so of this one too.

    Raises:
        ArchiveUnavailable: it could not be done; the note stays, and the next call tries again.
    """
    pending = False
    try:
        with contextlib.suppress(FileNotFoundError):  # the whole place is missing
            pending = archive.provider.read(NOTE) is not None
        if not (pending or deleted):
            return False
        archive.provider.erase_history()
        if pending:
            _checked(archive, {}, (NOTE,), "The history is erased")
    except OSError as error:
        raise _unavailable(archive, "its history could not be erased", error) from None
    return True


def delete_for_good(archive: Archive, paths: Collection[str], what: str) -> dict[str, str]:
    """Deletes files, so many at once; what could not be deleted, with the reason."""
    failed: dict[str, str] = {}
    listed = list(paths)
    for start in range(0, len(listed), _DELETED_AT_ONCE):
        some = listed[start : start + _DELETED_AT_ONCE]
        failed.update(commit_erasing(archive, {}, some, f"Delete {len(some)} files of {what}"))
    return failed


def commit_erasing(
    archive: Archive, add: Mapping[str, bytes], delete: Collection[str], message: str
) -> Mapping[str, str]:
    """A commit that takes something out: with the note."""
    return _checked(archive, {**add, NOTE: _NOTE}, delete, message)


def _checked(archive: Archive, add: Mapping[str, bytes], delete: Collection[str], message: str) -> Mapping[str, str]:
    try:
        return archive.provider.commit(add, delete, message=message, deadline=time.monotonic() + COMMIT_SECONDS)
    except Exception as error:  # noqa: BLE001  whatever a foreign library raises: nothing was done
        raise _unavailable(archive, "it did not take a change", error) from None


def _unavailable(archive: Archive, what: str, error: Exception) -> ArchiveUnavailable:
    text = f"the archive ({archive.provider.name}): {what}: {one_line(error).removesuffix('.')}. {_NEXT}"
    return ArchiveRefused(text) if isinstance(error, Refused) else ArchiveUnavailable(text)
