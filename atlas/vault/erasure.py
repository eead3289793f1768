"""Find all records of videos and channels in the archive, and erase them.

Deleting is not enough if the archive has a history. Each commit that deletes also writes a marker, which means that the
history must still be erased; the marker is deleted after that. So the next run finishes the work of a killed one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from atlas.vault.archive import Damage, damage_of
from atlas.vault.layout import decode_part, encode_part, video_of
from atlas.vault.records import decode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import date

    from atlas.vault.archive import Archive

MARKER = "history-to-erase.txt"
"""The marker's path."""

_MARKER_TEXT = b"Files were deleted from this archive for good. Its history is erased next, and this note with it.\n"
_DELETED_AT_ONCE = 5_000
_REWRITTEN_AT_ONCE = 64 * 1024 * 1024  # bytes of parts

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """The videos to search for, and the channels, with all their videos."""

    videos: frozenset[str]
    channels: frozenset[str] = frozenset()

    def matches(self, video_id: str, body: bytes) -> bool:
        """Whether a record matches, by its path or its content. Raises ValueError: it is not a JSON object."""
        if video_id in self.videos:
            return True
        resource = decode(body)
        snippet = resource.get("snippet")
        channel = snippet.get("channelId") if isinstance(snippet, dict) else None
        # either value may be of any JSON type
        return any(
            isinstance(name, str) and name in known
            for name, known in ((resource.get("id"), self.videos), (channel, self.channels))
        )


@dataclass(slots=True)
class Erased:
    """The records that were found, or erased.

    Attributes:
        files: records in a file each.
        records: records in parts.
        unsearched: files that cannot be read or rewritten, and may contain more records.
        failed: path → why it could not be deleted or rewritten.
    """

    files: int = 0
    records: int = 0
    parts: int = 0
    video_ids: set[str] = field(default_factory=set)
    unsearched: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def count(self, path: str, video_ids: Collection[str]) -> None:
        self.video_ids.update(video_ids)
        if video_of(path) is None:
            self.parts += 1
            self.records += len(video_ids)
        else:
            self.files += 1


def search(
    archive: Archive, selection: Selection, *, since: date | None = None, progress: Progress = lambda *_: None
) -> Erased:
    """Count their records in the archive. Arguments and errors as of ``erase``."""
    found = Erased()
    for day in _days(archive, since, progress):
        for path, video_ids, _ in _matches(archive, day, selection, found.unsearched):
            found.count(path, video_ids)
    return found


def erase(
    archive: Archive, selection: Selection, *, since: date | None = None, progress: Progress = lambda *_: None
) -> Erased:
    """Delete the files of videos, rewrite parts without them, and erase the history.

    Files are found by name, unless channels are selected: then each is read. Every part is read.

    Args:
        since: skip earlier days.
        progress: called for each day with the step, the day's number, and how many there are.

    Raises:
        ArchiveUnavailable: the archive cannot be reached, or could not erase its history.
    """
    found = Erased()
    for day in _days(archive, since, progress):
        rewritten: dict[str, bytes] = {}
        deleted: list[str] = []

        def rewrite(parts: dict[str, bytes] = rewritten, day: date = day) -> None:
            if parts:
                found.failed.update(archive.commit({**parts, MARKER: _MARKER_TEXT}, (), f"Rewrite parts of {day}"))
            parts.clear()

        for path, video_ids, rest in _matches(archive, day, selection, found.unsearched, rewrite=True):
            found.count(path, video_ids)
            if rest is None:
                deleted.append(path)
                continue
            rewritten[path] = rest
            if sum(map(len, rewritten.values())) > _REWRITTEN_AT_ONCE:
                rewrite()
        rewrite()
        found.failed.update(delete_for_good(archive, deleted, str(day)))
    finish_erasing(archive, deleted=bool(found.files or found.parts))
    return found


def _days(archive: Archive, since: date | None, progress: Progress) -> Iterator[date]:
    days = [day for day in archive.days() if since is None or day >= since]
    for number, day in enumerate(days, 1):
        progress(f"searching {day}", number, len(days))
        yield day


def _matches(
    archive: Archive, day: date, selection: Selection, unsearched: list[Damage], *, rewrite: bool = False
) -> Iterator[tuple[str, list[str], bytes | None]]:
    """Yield the path of each file and part with selected records, their ids, and the part without them.

    The last is None if it contains nothing else, or without ``rewrite``.
    """
    contents = archive.contents(day)
    unsearched += (
        each
        for each in archive.skipped(day)
        if each.video_id is None or selection.channels or each.video_id in selection.videos
    )
    others = []
    for entry in contents.files:
        video_id = video_of(entry.path) or ""
        if video_id in selection.videos:
            yield entry.path, [video_id], None
        elif selection.channels:
            others.append(entry)
    for entry, body in archive.read((*others, *contents.parts)):
        if body is None:
            continue  # deleted meanwhile; the caller searches again
        try:
            if isinstance(body, OSError):
                raise body
            video_ids, rest = _split(entry.path, body, selection, rewrite=rewrite)
        except (OSError, ValueError) as error:
            unsearched.append(damage_of(entry.path, error))
            continue
        if video_ids:
            yield entry.path, video_ids, rest


def _split(path: str, body: bytes, selection: Selection, *, rewrite: bool) -> tuple[list[str], bytes | None]:
    if (video_id := video_of(path)) is not None:
        return [video_id] if selection.matches(video_id, body) else [], None
    ids = [record.video_id for record in decode_part(body, path) if selection.matches(record.video_id, record.body)]
    if not ids or not rewrite:
        return ids, None
    kept = (record for record in decode_part(body, path) if not selection.matches(record.video_id, record.body))
    first = next(kept, None)
    return ids, None if first is None else encode_part(chain([first], kept))


def delete_for_good(archive: Archive, paths: Collection[str], what: str) -> dict[str, str]:
    """Delete files in bounded commits, each with the marker. Return path → why it could not be deleted."""
    failed: dict[str, str] = {}
    listed = list(paths)
    for start in range(0, len(listed), _DELETED_AT_ONCE):
        some = listed[start : start + _DELETED_AT_ONCE]
        failed.update(archive.commit({MARKER: _MARKER_TEXT}, some, f"Delete {len(some)} files of {what}"))
    return failed


def finish_erasing(archive: Archive, *, deleted: bool) -> bool:
    """Erase the history if the marker is there or this process has deleted something. Return whether it was done.

    Another process may have deleted the marker of this one's commits along with its own.

    Raises:
        ArchiveUnavailable: it could not be done; the marker stays, and the next call tries again.
    """
    marked = False
    try:
        with contextlib.suppress(FileNotFoundError):  # there is no archive
            marked = archive.provider.read(MARKER) is not None
        if not (marked or deleted):
            return False
        archive.provider.erase_history()
        if marked:
            archive.commit({}, (MARKER,), "The history is erased")
    except OSError as error:
        raise archive.unchanged("its history could not be erased", error) from None
    return True
