"""Which layout a flush is stored in, with a provider that counts what it is asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from atlas.vault.layout import decode_part, files_folder, is_part
from atlas.vault.providers.base import ArchiveFile, Refused
from atlas.vault.records import Record
from atlas.vault.writer import Writer

from ..support.archives import MemoryProvider

DAY, NEXT = date(2026, 11, 22), date(2026, 11, 23)
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


class Shelf(MemoryProvider):
    """Keeps files in memory and takes at most so many in a folder."""

    def __init__(self, limit: int | None = 100) -> None:
        super().__init__()
        self.folder_limit = limit  # type: ignore[assignment]
        self.listed: list[str] = []
        self.missing = False
        self.broken: Exception | None = None

    def list(self, folder: str) -> Iterator[ArchiveFile]:
        self.listed.append(folder)
        if self.missing:
            raise FileNotFoundError
        return super().list(folder)

    def commit(self, add: Mapping[str, bytes], delete: Collection[str], **options: Any) -> Mapping[str, str]:
        held = Counter(path.rpartition("/")[0] for path in {**self.files, **add} if path not in self.refused)
        full = self.folder_limit is not None and max(held.values()) > self.folder_limit
        if self.broken or full:
            self.commits += 1
            raise self.broken or Refused("too many files per directory")
        return super().commit(add, delete, **options)

    def fill(self, number: int) -> None:
        self.files.update({f"{files_folder(DAY)}/other{n}.json": b"{}\n" for n in range(number)})

    def kept(self) -> tuple[set[str], set[str]]:
        """The videos in files and in parts, without those of other shards."""
        files = {path[20:-5] for path in self.files if path.endswith(".json") and "/other" not in path}
        parts = [part for path, part in self.files.items() if is_part(path)]
        return files, {record.video_id for part in parts for record in decode_part(part)}


def records(number: int, day: date = DAY, start: int = 0) -> list[Record]:
    return [Record(f"v{n}", day, b"{}\n") for n in range(start, start + number)]


def ids(number: int, start: int = 0) -> set[str]:
    return {f"v{n}" for n in range(start, start + number)}


def store(writer: Writer, some: list[Record]) -> Mapping[str, str]:
    return writer.store(some, AT, time.monotonic() + 30)


def test_nothing_is_counted_where_there_is_no_limit_and_where_all_is_packed() -> None:
    shelf = Shelf(None)
    assert not store(Writer(shelf), records(500))
    assert (shelf.kept(), shelf.listed) == ((ids(500), set()), [])
    shelf = Shelf()
    assert not store(Writer(shelf, "packed"), records(500) + records(3, NEXT, 500))
    assert (shelf.kept(), shelf.listed) == ((set(), ids(503)), [])
    assert (shelf.commits, len(shelf.files)) == (1, 2)


def test_a_folder_is_counted_once_and_goes_over_at_nine_tenths() -> None:
    shelf = Shelf()
    shelf.fill(50)
    writer = Writer(shelf)
    for start in (0, 20):
        assert not store(writer, records(20, start=start))  # 90 with the last of them
    assert shelf.kept() == (ids(40), set())
    assert not store(writer, records(1, start=40))
    assert not store(writer, records(1, start=41))
    assert shelf.kept() == (ids(40), {"v40", "v41"})
    assert shelf.listed == ["metadata/2026-11-22"]


def test_a_flush_that_alone_is_too_large_is_packed_and_the_next_small_one_is_not() -> None:
    shelf = Shelf()
    writer = Writer(shelf)
    assert not store(writer, records(91))
    assert not store(writer, records(1, start=91))
    assert shelf.kept() == ({"v91"}, ids(91))


def test_each_day_has_its_own_folder() -> None:
    shelf = Shelf()
    shelf.fill(90)
    assert not store(Writer(shelf), records(5) + records(5, NEXT, 5))
    assert shelf.kept() == (ids(5, 5), ids(5))
    assert shelf.commits == 1
    assert shelf.listed == ["metadata/2026-11-22", "metadata/2026-11-23"]


def test_a_place_that_is_not_made_yet_is_empty() -> None:
    shelf = Shelf()
    shelf.missing = True
    assert not store(Writer(shelf), records(5))
    assert shelf.kept() == (ids(5), set())


def test_what_other_shards_added_meanwhile_shows_by_a_refusal_and_is_counted_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf()
    writer = Writer(shelf)
    assert not store(writer, records(5))
    shelf.fill(93)
    assert not store(writer, records(5, start=5))
    assert shelf.kept() == (ids(5), ids(5, 5))
    assert "too many files per directory" in caplog.text
    assert not store(writer, records(1, start=10))  # there would be room for one, but the folder is nearly full
    assert shelf.kept() == (ids(5), ids(6, 5))
    assert len(shelf.listed) == 2


@pytest.mark.parametrize(
    ("layout", "error", "commits"),
    [("files", Refused("quota"), 2), ("packed", Refused("quota"), 1), ("files", OSError("quota"), 1)],
    ids=["refused files", "refused parts", "another failure"],
)
def test_a_failure_that_packing_does_not_solve_is_raised(layout: Any, error: Exception, commits: int) -> None:
    shelf = Shelf()
    shelf.broken = error
    with pytest.raises(type(error), match="quota"):
        store(Writer(shelf, layout), records(5))
    assert shelf.commits == commits


def test_what_was_not_stored_is_said_by_the_records_path_and_not_counted() -> None:
    shelf = Shelf(10)
    writer = Writer(shelf)
    shelf.refused = {f"metadata/2026-11-22/v{n}.json" for n in range(5)}
    assert store(writer, records(9)) == dict.fromkeys(shelf.refused, "refused")
    shelf.refused = set()
    assert not store(writer, records(5))
    assert shelf.kept() == (ids(9), set())


def test_of_a_part_that_was_not_stored_each_record_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    monkeypatch.setattr(shelf, "commit", lambda add, *_, **__: dict.fromkeys(add, "disk full"))
    assert store(Writer(shelf, "packed"), records(2)) == {
        "metadata/2026-11-22/v0.json": "disk full",
        "metadata/2026-11-22/v1.json": "disk full",
    }
