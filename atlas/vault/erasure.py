"""Single videos and whole channels: finding everything that the archive holds of them, and taking it out for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from atlas.redaction import one_line
from atlas.vault.archive import Damage
from atlas.vault.deletion import commit_erasing, delete_for_good, finish_erasing
from atlas.vault.layout import decode_part, encode_part, record_at, video_of
from atlas.vault.providers.base import TooLarge
from atlas.vault.records import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from atlas.vault.archive import Archive

__all__ = ["Forgotten", "Wanted", "forget", "search"]

_REWRITTEN_AT_ONCE = 64 * 1024 * 1024  # bytes of parts

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose records are looked for: of videos, and of all videos of channels."""

    videos: frozenset[str]
    channels: frozenset[str] = frozenset()

    def holds(self, video_id: str, body: bytes) -> bool:
        """Whether a record is one of them, by the name that it lies under or by what it says itself.

        Raises:
            ValueError: that cannot be told, since it is no JSON object.
        """
        if video_id in self.videos:
            return True
        resource = decode(body)
        snippet = resource.get("snippet")
        channel = snippet.get("channelId") if isinstance(snippet, dict) else None
        # what stands there may be anything that JSON can say, a list too
        return any(
            isinstance(name, str) and name in known
            for name, known in ((resource.get("id"), self.videos), (channel, self.channels))
        )


@dataclass(slots=True)
class Forgotten:
    """What was found of videos, or taken out.

    Attributes:
        files: records that lay in a file each.
        records: records in packed parts.
        parts: the parts that held them.
        video_ids: of the records.
        unsearched: what may hold more of them, since it cannot be read or written anew.
        failed: what could not be deleted or rewritten, by path, with the reason.
    """

    files: int = 0
    records: int = 0
    parts: int = 0
    video_ids: set[str] = field(default_factory=set)
    unsearched: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Trace:
    """A file or a part that holds something of them, and what is to become of it: None, or the part without them."""

    path: str
    video_ids: list[str]
    rest: bytes | None = None


def search(
    archive: Archive,
    wanted: Wanted,
    *,
    since: date | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Forgotten:
    """What the archive holds of videos; deletes nothing. Arguments and errors as ``forget`` has them."""
    found = Forgotten()
    for _, traces in _days(archive, wanted, found.unsearched, since, progress, rewrite=False):
        for trace in traces:
            _count(found, trace)
    return found


def forget(
    archive: Archive,
    wanted: Wanted,
    *,
    since: date | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Forgotten:
    """Deletes the files of videos, writes parts anew without them, and erases the history.

    A file is known by its name, unless channels are wanted: then each is read. Every part is read.

    Args:
        archive: the archive.
        wanted: which videos.
        since: looks at no day before this one.
        progress: called for each day: what is done, the day's number, how many there are.

    Raises:
        ArchiveUnavailable: the place cannot be reached, or could not erase its history.
    """
    found = Forgotten()
    for day, traces in _days(archive, wanted, found.unsearched, since, progress, rewrite=True):
        add: dict[str, bytes] = {}
        deleted: list[_Trace] = []
        size = 0
        for trace in traces:
            _count(found, trace)
            if trace.rest is None:
                deleted.append(trace)
                continue
            add[trace.path] = trace.rest
            size += len(trace.rest)
            if size > _REWRITTEN_AT_ONCE:
                found.failed.update(commit_erasing(archive, add, (), f"Rewrite parts of {day}"))
                add, size = {}, 0
        if add:
            found.failed.update(commit_erasing(archive, add, (), f"Rewrite parts of {day}"))
        found.failed.update(delete_for_good(archive, [trace.path for trace in deleted], str(day)))
    finish_erasing(archive, deleted=bool(found.files or found.parts))
    return found


def _days(
    archive: Archive,
    wanted: Wanted,
    unsearched: list[Damage],
    since: date | None,
    progress: Progress | None,
    *,
    rewrite: bool,
) -> Iterator[tuple[date, Iterator[_Trace]]]:
    days = [day for day in archive.days() if since is None or day >= since]
    for number, day in enumerate(days, 1):
        if progress:
            progress(f"searching {day}", number, len(days))
        yield day, _traces(archive, day, wanted, unsearched, rewrite=rewrite)


def _traces(
    archive: Archive, day: date, wanted: Wanted, unsearched: list[Damage], *, rewrite: bool
) -> Iterator[_Trace]:
    contents = archive.contents(day)
    unsearched += (
        each
        for each in archive.skipped(day)
        if each.video_id is None or wanted.channels or each.video_id in wanted.videos
    )
    named = [entry for entry in contents.files if video_of(entry.path) in wanted.videos]
    yield from (_Trace(entry.path, [video_of(entry.path) or ""]) for entry in named)
    others = [entry for entry in contents.files if video_of(entry.path) not in wanted.videos] if wanted.channels else []
    for entry, body in archive.read((*others, *contents.parts)):
        if body is None:
            continue  # gone meanwhile; the caller searches again
        try:
            if isinstance(body, OSError):
                raise body
            trace = _trace(entry.path, body, wanted, rewrite=rewrite)
        except (OSError, ValueError) as error:
            reason = one_line(error)
            reason = reason.removeprefix(entry.path).removeprefix(" is damaged: ")
            unread = isinstance(error, OSError) and not isinstance(error, TooLarge)
            unsearched.append(Damage(entry.path, reason, unread=unread))
            continue
        if trace is not None:
            yield trace


def _trace(path: str, body: bytes, wanted: Wanted, *, rewrite: bool) -> _Trace | None:
    """What a file or a part holds of them. Raises ValueError where that cannot be told, or not be taken out."""
    if video_of(path) is not None:
        record = record_at(path, body)
        return _Trace(path, [record.video_id]) if wanted.holds(record.video_id, record.body) else None
    ids = [record.video_id for record in decode_part(body, path) if wanted.holds(record.video_id, record.body)]
    if not ids:
        return None
    rest: bytes | None = None
    if rewrite:
        kept = (record for record in decode_part(body, path) if not wanted.holds(record.video_id, record.body))
        if (first := next(kept, None)) is not None:
            rest = encode_part(chain([first], kept))
    return _Trace(path, ids, rest)


def _count(found: Forgotten, trace: _Trace) -> None:
    found.video_ids.update(trace.video_ids)
    if video_of(trace.path) is None:
        found.parts += 1
        found.records += len(trace.video_ids)
    else:
        found.files += 1
