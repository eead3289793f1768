"""The archive as a whole: its days, and every record of a day in either layout.

A day at a time, a part at a time: however large the archive is, memory holds the names of one day's files and a few
parts. What cannot be read is named and passed over, and a file that is neither a record nor a part is not looked at.
"""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, time
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from atlas.errors import ArchiveRefused, ArchiveUnavailable
from atlas.redaction import one_line
from atlas.vault.layout import (
    FILES,
    PACKED,
    day_of,
    files_folder,
    folder_day,
    is_part,
    parts_folder,
    read_lines,
    video_of,
)
from atlas.vault.providers.base import MAX_FILE, Refused, TooLarge
from atlas.vault.records import MAX_RECORD, Record, decode, observed_at

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from datetime import date

    from atlas.vault.providers.base import Entry, Provider

__all__ = ["Archive", "Contents", "Damage", "Stored"]

_READERS = 8  # files that are asked for at once, from a place that each takes a round trip to
_AHEAD = 4  # files for each reader; of parts, which are larger, two at all
_GIVE_UP = 10  # reads in a row that fail: not the files are broken then, but the way to them


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that can be read and is its video's.

    Attributes:
        record: what was archived.
        path: the file or part that it lies in.
        at: when it was observed (UTC); one that does not say so, as the first releases wrote them, counts from the
            first moment of its day.
        channel_id: the video's channel, or None where the record names none.
    """

    record: Record
    path: str
    at: datetime
    channel_id: str | None


@dataclass(frozen=True, slots=True)
class Damage:
    """A file, a part or a record in it that is no good.

    Attributes:
        path: of the file or part.
        reason: one line, without the path.
        video_id: whose record it should be, where that is known.
        unread: the place did not hand it over: what is in it is not known, and may well be good.
    """

    path: str
    reason: str
    video_id: str | None = None
    unread: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Contents:
    """A day's records and parts, each in the order of their paths."""

    day: date
    files: tuple[Entry, ...]
    parts: tuple[Entry, ...]


class Archive:
    """Reads what a provider keeps, in both layouts. Its methods block.

    Args:
        provider: where it is.
        readers: how many files are read at once; by default 8, and 1 of a folder on this machine.

    Attributes:
        missing: the whole place was not there when it was looked at, or is not shown to these credentials.

    Every method raises ArchiveUnavailable where the place cannot be reached.
    """

    def __init__(self, provider: Provider, *, readers: int | None = None) -> None:
        self.provider = provider
        self.missing = False
        self._readers = readers or (1 if provider.name == "local" else _READERS)

    def days(self) -> list[date]:
        """The days that there are records of, in order. Walks the names of all files once."""
        found: set[date] = set()
        for folder in (FILES, PACKED):
            for entry in self._list(folder):
                day = day_of(entry.path)
                if day is not None:
                    found.add(day)
        return sorted(found.union(*map(_days_of, self.provider.skipped)))

    def contents(self, day: date) -> Contents:
        """What there is of a day; nothing is an answer too."""
        files = tuple(entry for entry in self._list(files_folder(day)) if video_of(entry.path) is not None)
        parts = tuple(entry for entry in self._list(parts_folder(day)) if is_part(entry.path))
        return Contents(day, files, parts)

    def skipped(self, day: date) -> list[Damage]:
        """Return what of a day's files was skipped when they were listed, such as symbolic links."""
        return [
            Damage(path, reason, video_of(path), unread=True)
            for path, reason in self.provider.skipped.items()
            if day in _days_of(path)
        ]

    def records(self, day: date) -> Iterator[Stored | Damage]:
        """Every record of a day: files first, then parts, each in the order of their names.

        A video may have several; see ``atlas.vault.layout.newest``. What moves while it is walked, as by a compaction,
        is looked for once more, so that it is seen at least once.
        """
        contents = self.contents(day)
        yield from self.skipped(day)
        gone = False
        for entry, body in self.read((*contents.files, *contents.parts)):
            if body is None:
                gone = True
            else:
                yield from found(entry.path, body)
        if gone:
            known = {entry.path for entry in (*contents.files, *contents.parts)}
            again = self.contents(day)
            for entry, body in self.read(e for e in (*again.files, *again.parts) if e.path not in known):
                if body is not None:
                    yield from found(entry.path, body)

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | OSError | None]]:
        """The contents of files, in their order; None for one that is gone, an error for one that cannot be read."""
        failed = 0
        with contextlib.closing(self._read(entries)) as bodies:
            for entry, body in bodies:
                failed = failed + 1 if isinstance(body, OSError) and not isinstance(body, TooLarge) else 0
                if isinstance(body, OSError) and failed == _GIVE_UP:
                    raise self._unavailable(body) from None
                yield entry, body

    def _read(self, entries: Iterable[Entry]) -> Generator[tuple[Entry, bytes | OSError | None]]:
        if self._readers == 1:
            yield from ((entry, self._one(entry)) for entry in entries)
            return
        # Not an executor, whose threads the interpreter joins at its end: a place that hangs must not hold up Ctrl-C.
        asked: SimpleQueue[tuple[Entry, Future[bytes | OSError | None]] | None] = SimpleQueue()
        for _ in range(self._readers):
            Thread(target=self._serve, args=(asked,), name="vault-read", daemon=True).start()
        ahead: deque[tuple[Entry, Future[bytes | OSError | None]]] = deque()
        try:
            for entry in entries:
                ahead.append((entry, Future()))
                asked.put(ahead[-1])
                while len(ahead) > (2 if is_part(entry.path) else self._readers * _AHEAD):
                    first, body = ahead.popleft()
                    yield first, body.result()
            while ahead:
                first, body = ahead.popleft()
                yield first, body.result()
        finally:
            for _, body in ahead:
                body.cancel()
            for _ in range(self._readers):
                asked.put(None)

    def _serve(self, asked: SimpleQueue[tuple[Entry, Future[bytes | OSError | None]] | None]) -> None:
        while task := asked.get():
            entry, answer = task
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(self._one(entry))
            except Exception as error:  # noqa: BLE001  raised where it is waited for
                answer.set_exception(error)

    def _one(self, entry: Entry) -> bytes | OSError | None:
        most = MAX_FILE if is_part(entry.path) else MAX_RECORD
        if entry.size > most:
            return TooLarge(f"it has {entry.size:,} bytes; no more than {most:,} are read")
        try:
            return self.provider.read(entry.path)
        except OSError as error:
            return error

    def _list(self, folder: str) -> Iterator[Entry]:
        try:
            yield from self.provider.list(folder)
        except FileNotFoundError:
            self.missing = True  # the whole place: it is made when something is stored
            return
        except OSError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: OSError) -> ArchiveUnavailable:
        text = f"the archive cannot be read ({self.provider.name}): {one_line(error)}"
        return ArchiveRefused(text) if isinstance(error, Refused) else ArchiveUnavailable(text)


def _days_of(path: str) -> set[date]:
    return {day for day in (folder_day(path), day_of(path)) if day}


def found(path: str, body: bytes | OSError) -> Iterator[Stored | Damage]:
    """The records of one file or part, good and bad.

    Args:
        path: of a record or a part.
        body: what was read, or why it could not be.

    Raises:
        ValueError: the path is neither's.
    """
    day, video_id = day_of(path), video_of(path)
    if day is None:
        raise ValueError(f"neither a record nor a part: {path}")
    if isinstance(body, TooLarge):
        yield Damage(path, one_line(body), video_id)
        return
    if isinstance(body, OSError):
        yield Damage(path, f"it cannot be read: {one_line(body)}", video_id, unread=True)
        return
    if video_id is not None:
        yield _examined(Record(video_id, day, body), path)
        return
    try:
        for record in read_lines(body, path):
            if isinstance(record, ValueError):
                yield _damage(path, record)
            elif record.day == day:
                yield _examined(record, path)
            else:
                yield Damage(path, f"the record of {record.video_id} in it is of {record.day}", record.video_id)
    except ValueError as error:
        yield _damage(path, error)


def _damage(path: str, error: ValueError) -> Damage:
    return Damage(path, str(error).removeprefix(path).removeprefix(" is damaged: "))


def _examined(record: Record, path: str) -> Stored | Damage:
    try:
        resource = decode(record.body)
    except ValueError as error:
        return Damage(path, f"the record of {record.video_id} is no JSON: {one_line(error)}", record.video_id)
    if resource.get("id") != record.video_id:
        said = resource.get("id")
        other = f"another video, {said[:64]!r}" if isinstance(said, str) else "no video"
        return Damage(path, f"the record of {record.video_id} is about {other}", record.video_id)
    snippet = resource.get("snippet")
    channel = snippet.get("channelId") if isinstance(snippet, dict) else None
    at = observed_at(resource) or datetime.combine(record.day, time(), UTC)
    return Stored(record, path, at, channel if isinstance(channel, str) else None)
