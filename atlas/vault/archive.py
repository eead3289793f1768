"""The archive as a whole: its days, and every record of a day in either layout.

Memory use is bounded: the names of one day's files, and a few parts. What cannot be read is reported and skipped; files
that are neither records nor parts are ignored.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from atlas.errors import ArchiveRefused, ArchiveUnavailable
from atlas.redaction import one_line
from atlas.vault.layout import FILES, PACKED, day_of, files_folder, is_part, parts_folder, read_lines, video_of
from atlas.vault.providers.base import MAX_FILE, Refused, TooLarge
from atlas.vault.records import MAX_RECORD, Record, decode, observed_at

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
    from datetime import date

    from atlas.vault.providers.base import ArchiveFile, Provider

_READERS = 8  # files that are read at once from a remote place
_AHEAD = 4  # files for each reader; of parts, which are larger, two at all
COMMIT_SECONDS = 600.0
_NEXT = "The database is not the cause. Check the archive's settings and its store, then run this again: it continues."
_MOST_FAILURES = 10  # failed reads in a row, after which the whole archive counts as unavailable


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that can be read and belongs to its video.

    Attributes:
        path: of the file or part.
        at: when it was observed (UTC); the start of its day if it contains no time, as in the first releases.
    """

    record: Record
    path: str
    at: datetime
    channel_id: str | None


@dataclass(frozen=True, slots=True)
class Damage:
    """A file, a part or a record in it that cannot be used.

    Attributes:
        reason: one line, without the path.
        video_id: of the record, if known.
        unread: it could not be read at all; its content is unknown and may be good.
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

    files: tuple[ArchiveFile, ...]
    parts: tuple[ArchiveFile, ...]


class Archive:
    """Read and change the files of a provider, in both layouts. Its methods block, and raise ArchiveUnavailable.

    Args:
        readers: files that are read at once; by default 8, and 1 of a folder on this machine.

    Attributes:
        missing: the whole archive was missing when it was listed, or is hidden from these credentials.
    """

    def __init__(self, provider: Provider, *, readers: int | None = None) -> None:
        self.provider = provider
        self.missing = False
        self._readers = readers or (1 if provider.name == "local" else _READERS)

    def days(self) -> list[date]:
        """Return the days that have records, in order. Lists the names of all files."""
        found = {day_of(entry.path) for folder in (FILES, PACKED) for entry in self._list(folder)}
        found.update(day_of(path, folders=True) for path in self.provider.skipped)
        return sorted(day for day in found if day is not None)

    def contents(self, day: date) -> Contents:
        files = tuple(entry for entry in self._list(files_folder(day)) if video_of(entry.path) is not None)
        parts = tuple(entry for entry in self._list(parts_folder(day)) if is_part(entry.path))
        return Contents(files, parts)

    def skipped(self, day: date) -> list[Damage]:
        """Return which of a day's files were skipped when they were listed, such as symbolic links."""
        return [
            Damage(path, reason, video_of(path), unread=True)
            for path, reason in self.provider.skipped.items()
            if day_of(path, folders=True) == day
        ]

    def records(self, day: date) -> Iterator[Stored | Damage]:
        """Yield every record of a day: files first, then parts, each in the order of their names.

        A video may have several; see ``atlas.vault.layout.newest``. What a compaction moves meanwhile is read from its
        new place, so that each record is seen at least once.
        """
        contents = self.contents(day)
        yield from self.skipped(day)
        known: set[str] = set()
        moved = True
        while moved:
            entries = [entry for entry in (*contents.files, *contents.parts) if entry.path not in known]
            moved = False
            for entry, body in self.read(entries):
                if body is None:
                    moved = not known  # look for them once
                else:
                    yield from records_in(entry.path, body)
            if moved:
                known = {entry.path for entry in entries}
                contents = self.contents(day)

    def read(self, entries: Iterable[ArchiveFile]) -> Iterator[tuple[ArchiveFile, bytes | OSError | None]]:
        """Yield the contents of files, in their order; None for a deleted one, an error for one that is unreadable."""
        failed = 0
        with contextlib.closing(self._read(entries)) as bodies:
            for entry, body in bodies:
                failed = failed + 1 if isinstance(body, OSError) and not isinstance(body, TooLarge) else 0
                if isinstance(body, OSError) and failed == _MOST_FAILURES:
                    raise self._unavailable(body) from None
                yield entry, body

    def _read(self, entries: Iterable[ArchiveFile]) -> Generator[tuple[ArchiveFile, bytes | OSError | None]]:
        if self._readers == 1:
            yield from ((entry, self._read_one(entry)) for entry in entries)
            return
        # Not an executor, whose threads the interpreter joins at its end: a place that hangs must not delay Ctrl-C.
        tasks: SimpleQueue[tuple[ArchiveFile, Future[bytes | OSError | None]] | None] = SimpleQueue()
        for _ in range(self._readers):
            Thread(target=self._work, args=(tasks,), name="vault-read", daemon=True).start()
        ahead: deque[tuple[ArchiveFile, Future[bytes | OSError | None]]] = deque()
        try:
            for entry in entries:
                ahead.append((entry, Future()))
                tasks.put(ahead[-1])
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
                tasks.put(None)

    def _work(self, tasks: SimpleQueue[tuple[ArchiveFile, Future[bytes | OSError | None]] | None]) -> None:
        while task := tasks.get():
            entry, answer = task
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(self._read_one(entry))
            except Exception as error:  # noqa: BLE001  raised where it is waited for
                answer.set_exception(error)

    def commit(self, add: Mapping[str, bytes], delete: Collection[str], message: str) -> Mapping[str, str]:
        """Add and delete files within ten minutes. Return path → why it was not done."""
        try:
            return self.provider.commit(add, delete, message=message, deadline=time.monotonic() + COMMIT_SECONDS)
        except Exception as error:  # noqa: BLE001  foreign libraries raise anything: nothing was done
            raise self.unchanged("it did not take a change", error) from None

    def unchanged(self, what: str, error: Exception) -> ArchiveUnavailable:
        """Return the error of a change that failed, with what to do."""
        text = f"the archive ({self.provider.name}): {what}: {one_line(error).removesuffix('.')}. {_NEXT}"
        return _explained(error, text)

    def _read_one(self, entry: ArchiveFile) -> bytes | OSError | None:
        most = MAX_FILE if is_part(entry.path) else MAX_RECORD
        if entry.size > most:
            return TooLarge(f"it has {entry.size:,} bytes; no more than {most:,} are read")
        try:
            return self.provider.read(entry.path)
        except OSError as error:
            return error

    def _list(self, folder: str) -> Iterator[ArchiveFile]:
        try:
            yield from self.provider.list(folder)
        except FileNotFoundError:
            self.missing = True  # the whole place: it is made when something is stored
        except OSError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: OSError) -> ArchiveUnavailable:
        return _explained(error, f"the archive cannot be read ({self.provider.name}): {one_line(error)}")


def _explained(error: Exception, text: str) -> ArchiveUnavailable:
    return ArchiveRefused(text) if isinstance(error, Refused) else ArchiveUnavailable(text)


def records_in(path: str, body: bytes | OSError) -> Iterator[Stored | Damage]:
    """Yield the records of one file or part, good and bad. Raises ValueError: the path is that of neither."""
    day, video_id = day_of(path), video_of(path)
    if day is None:
        raise ValueError(f"neither a record nor a part: {path}")
    if isinstance(body, OSError):
        yield damage_of(path, body)
        return
    if video_id is not None:
        yield _examined(Record(video_id, day, body), path)
        return
    try:
        for record in read_lines(body, path):
            if isinstance(record, ValueError):
                yield damage_of(path, record)
            elif record.day == day:
                yield _examined(record, path)
            else:
                yield Damage(path, f"the record of {record.video_id} in it is of {record.day}", record.video_id)
    except ValueError as error:
        yield damage_of(path, error)


def damage_of(path: str, error: OSError | ValueError) -> Damage:
    """Return what an error says about a file or a part."""
    if not isinstance(error, OSError):
        return Damage(path, one_line(error).removeprefix(path).removeprefix(" is damaged: "), video_of(path))
    if isinstance(error, TooLarge):
        return Damage(path, one_line(error), video_of(path))
    return Damage(path, f"it cannot be read: {one_line(error)}", video_of(path), unread=True)


def _examined(record: Record, path: str) -> Stored | Damage:
    try:
        resource = decode(record.body)
    except ValueError as error:
        return Damage(path, f"the record of {record.video_id} is no JSON: {one_line(error)}", record.video_id)
    about = resource.get("id")
    if about != record.video_id:
        other = f"another video, {about[:64]!r}" if isinstance(about, str) else "no video"
        return Damage(path, f"the record of {record.video_id} is about {other}", record.video_id)
    snippet = resource.get("snippet")
    channel = snippet.get("channelId") if isinstance(snippet, dict) else None
    at = observed_at(resource) or datetime(record.day.year, record.day.month, record.day.day, tzinfo=UTC)
    return Stored(record, path, at, channel if isinstance(channel, str) else None)
