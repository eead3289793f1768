"""Which layout a flush is stored in, with a provider that counts what it is asked."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from atlas.vault.layout import decode_part, files_folder, is_part
from atlas.vault.providers.base import Entry, Refused
from atlas.vault.records import Record
from atlas.vault.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

DAY, NEXT = date(2026, 11, 22), date(2026, 11, 23)
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


class Shelf:
    """Keeps files in memory and takes at most so many in a folder."""

    name = "shelf"
    enabled = True

    def __init__(self, limit: int | None = 100) -> None:
        self.folder_limit = limit
        self.skipped: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.listed: list[str] = []
        self.commits = 0
        self.failing: dict[str, str] = {}
        self.missing = False
        self.broken: Exception | None = None

    def check_writable(self) -> None:
        pass

    def check(self) -> None:
        pass

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def list(self, folder: str) -> Iterator[Entry]:
        self.listed.append(folder)
        if self.missing:
            raise FileNotFoundError
        return iter([Entry(path, len(body)) for path, body in self.files.items() if path.startswith(f"{folder}/")])

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        self.commits += 1
        if self.broken:
            raise self.broken
        files = self.files | {path: body for path, body in add.items() if path not in self.failing}
        held = Counter(path.rpartition("/")[0] for path in files)
        if self.folder_limit is not None and max(held.values()) > self.folder_limit:
            raise Refused("too many files per directory")
        self.files = files
        return {path: reason for path, reason in self.failing.items() if path in add}

    def erase_history(self) -> None:
        pass

    def fill(self, number: int, day: date = DAY) -> None:
        self.files.update({f"{files_folder(day)}/other{n}.json": b"{}\n" for n in range(number)})

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


def test_files_stay_files_where_there_is_no_limit_and_nothing_is_counted() -> None:
    shelf = Shelf(None)
    assert not store(Writer(shelf), records(500))
    assert shelf.kept() == (ids(500), set())
    assert shelf.listed == []


def test_a_packed_flush_is_never_counted() -> None:
    shelf = Shelf()
    assert not store(Writer(shelf, "packed"), records(500) + records(3, NEXT, 500))
    assert shelf.kept() == (set(), ids(503))
    assert (shelf.listed, shelf.commits, len(shelf.files)) == ([], 1, 2)


def test_a_folder_is_counted_once_and_goes_over_at_nine_tenths() -> None:
    shelf = Shelf(100)
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
    shelf = Shelf(100)
    writer = Writer(shelf)
    assert not store(writer, records(91))
    assert not store(writer, records(1, start=91))
    assert shelf.kept() == ({"v91"}, ids(91))


def test_each_day_has_its_own_folder() -> None:
    shelf = Shelf(100)
    shelf.fill(90)
    writer = Writer(shelf)
    assert not store(writer, records(5) + records(5, NEXT, 5))
    assert shelf.kept() == (ids(5, 5), ids(5))
    assert shelf.commits == 1
    assert shelf.listed == ["metadata/2026-11-22", "metadata/2026-11-23"]


def test_a_place_that_is_not_made_yet_is_empty() -> None:
    shelf = Shelf(100)
    shelf.missing = True
    assert not store(Writer(shelf), records(5))
    assert shelf.kept() == (ids(5), set())


def test_what_other_shards_added_meanwhile_shows_by_a_refusal_and_is_counted_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf(100)
    writer = Writer(shelf)
    assert not store(writer, records(5))
    shelf.fill(93)
    assert not store(writer, records(5, start=5))
    assert shelf.kept() == (ids(5), ids(5, 5))
    assert "too many files per directory" in caplog.text
    assert not store(writer, records(1, start=10))  # there would be room for one, but the folder is nearly full
    assert shelf.kept() == (ids(5), ids(6, 5))
    assert len(shelf.listed) == 2


def test_a_refusal_that_packing_does_not_solve_is_raised() -> None:
    for layout, tries in (("files", 2), ("packed", 1)):
        shelf = Shelf(100)
        shelf.broken = Refused("quota")
        with pytest.raises(Refused, match="quota"):
            store(Writer(shelf, layout), records(5))  # type: ignore[arg-type]
        assert shelf.commits == tries


def test_other_failures_are_not_tried_in_another_layout() -> None:
    shelf = Shelf(100)
    shelf.broken = OSError("no route")
    with pytest.raises(OSError, match="no route"):
        store(Writer(shelf), records(5))
    assert shelf.commits == 1


def test_what_was_not_stored_is_said_by_the_records_path_and_not_counted() -> None:
    shelf = Shelf(10)
    writer = Writer(shelf)
    shelf.failing = {f"metadata/2026-11-22/v{n}.json": "disk full" for n in range(5)}
    assert store(writer, records(9)) == shelf.failing
    shelf.failing = {}
    assert not store(writer, records(5))
    assert shelf.kept() == (ids(9), set())


def test_of_a_part_that_was_not_stored_each_record_is_said() -> None:
    shelf = Shelf()

    def refuse(add: Mapping[str, bytes], delete: object, *, message: str, deadline: float) -> Mapping[str, str]:
        return dict.fromkeys(add, "disk full")

    shelf.commit = refuse  # type: ignore[method-assign]
    assert store(Writer(shelf, "packed"), records(2)) == {
        "metadata/2026-11-22/v0.json": "disk full",
        "metadata/2026-11-22/v1.json": "disk full",
    }
