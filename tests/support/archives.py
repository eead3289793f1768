"""Archives for tests: a place in memory that can fail and be killed, and records to put into any place."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from atlas.vault.layout import decode_part, encode_part, is_part, part_path, video_of
from atlas.vault.providers.base import ArchiveFile, Provider
from atlas.vault.records import Record, encode, mark

__all__ = [
    "DAY", "Killed", "MemoryProvider", "all_records", "contents", "ids", "put_bytes", "put_files", "put_part", "record",
    "resource",
]  # fmt: skip

DAY = date(2026, 11, 20)


class Killed(BaseException):
    """The process ended here."""


class MemoryProvider:
    """Keeps files in memory, one operation after the other, as a folder does.

    Attributes:
        history: every content that ever was, until it is erased.
        kill_after: so many more files are added or deleted; then the process is killed.
        refused: paths that cannot be added or deleted.
        gone: nothing at all works.
        on_read: called with each path before it is read.
    """

    name = "memory"
    enabled = True
    folder_limit = None

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.history: list[bytes] = []
        self.commits = 0
        self.kill_after: int | None = None
        self.refused: set[str] = set()
        self.unreadable: set[str] = set()
        self.skipped: dict[str, str] = {}
        self.gone = False
        self.on_read: Callable[[str], None] = lambda _: None

    def check_writable(self) -> None: ...

    def check(self) -> None: ...

    def read(self, path: str) -> bytes | None:
        self._reached()
        self.on_read(path)
        if path in self.unreadable:
            raise PermissionError(13, "Permission denied")
        return self.files.get(path)

    def list(self, folder: str) -> Iterator[ArchiveFile]:
        self._reached()
        below = f"{folder}/" if folder else ""
        found = [ArchiveFile(path, len(body)) for path, body in self.files.items() if path.startswith(below)]
        return iter(sorted(found))

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        self._reached()
        assert message
        assert deadline > time.monotonic()
        assert not set(add) & set(delete)
        self.commits += 1
        failed = {path: "refused" for path in add if path in self.refused}
        for path, body in add.items():
            if path not in failed:
                self._operation()
                self.files[path] = body
                self.history.append(body)
        if failed:
            return failed | dict.fromkeys(delete, "not everything could be added")
        for path in delete:
            if path in self.refused:
                failed[path] = "refused"
            else:
                self._operation()
                self.files.pop(path, None)
        return failed

    def erase_history(self) -> None:
        self._reached()
        self._operation()
        self.history = list(self.files.values())

    def _operation(self) -> None:
        if self.kill_after is not None:
            if self.kill_after == 0:
                raise Killed
            self.kill_after -= 1

    def _reached(self) -> None:
        if self.gone:
            raise ConnectionError("the place is gone")


def resource(video_id: str, *, channel: str = "UCchannel", title: str = "A title", views: int = 10) -> dict[str, Any]:
    """What videos.list answers about a video."""
    return {
        "kind": "youtube#video",
        "id": video_id,
        "snippet": {
            "publishedAt": "2026-11-19T10:00:00Z",
            "channelId": channel,
            "channelTitle": f"The channel {channel}",
            "title": title,
            "description": "…",
            "tags": ["one", "Two"],
            "categoryId": "28",
        },
        "contentDetails": {"duration": "PT4M13S"},
        "statistics": {"viewCount": str(views), "likeCount": "3", "commentCount": "1"},
    }


def record(video_id: str, day: date = DAY, *, hour: float | None = 8, **of: Any) -> Record:
    """A record of a day; without an hour it does not say when it was observed, as in the first releases."""
    answer = resource(video_id, **of)
    if hour is not None:
        answer = mark(answer, datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour))
    return Record(video_id, day, encode(answer))


def put(provider: Provider, add: Mapping[str, bytes]) -> None:
    assert not provider.commit(add, (), message="test", deadline=time.monotonic() + 60)


def put_bytes(provider: Provider, path: str, body: bytes) -> None:
    """Puts anything anywhere."""
    put(provider, {path: body})


def put_files(provider: Provider, *records: Record) -> list[str]:
    """Stores them in the layout `files`."""
    put(provider, add := {each.path: each.body for each in records})
    return list(add)


def put_part(provider: Provider, *records: Record, at: datetime | None = None, token: str = "0badcafe") -> str:
    """Stores them as one part of the first one's day."""
    day = records[0].day
    path = part_path(day, at or datetime(day.year, day.month, day.day, 23, tzinfo=UTC), token)
    put(provider, {path: encode_part(records)})
    return path


def contents(provider: Provider) -> dict[str, bytes]:
    """Every file, whatever it is."""
    found = {entry.path: provider.read(entry.path) for entry in provider.list("")}
    return {path: body for path, body in found.items() if body is not None}


def all_records(provider: Provider) -> list[tuple[str, str]]:
    """Every record of every layout: id and title, sorted; one that is there twice stands twice."""
    found: list[Record] = []
    for path, body in contents(provider).items():
        if is_part(path):
            found.extend(decode_part(body, path))
        elif video_of(path):
            found.append(Record(path.rpartition("/")[2].removesuffix(".json"), DAY, body))
    return sorted((each.video_id, str(orjson.loads(each.body)["snippet"]["title"])) for each in found)


def ids(number: int, prefix: str = "video") -> Iterable[str]:
    """So many ids, in order."""
    return [f"{prefix}{n:06d}" for n in range(number)]
