"""Packing a day: fewer and larger parts, the same records, whatever happens in between."""

from __future__ import annotations

import pytest

from atlas.errors import ArchiveUnavailable
from atlas.vault import compaction
from atlas.vault.archive import Archive
from atlas.vault.compaction import compact
from atlas.vault.layout import decode_part, encode_part, is_part
from atlas.vault.reader import load

from ..support.archives import DAY, Killed, MemoryProvider, all_records, contents, put_files, put_part, record


@pytest.fixture
def place() -> MemoryProvider:
    return MemoryProvider()


@pytest.fixture
def archive(place: MemoryProvider) -> Archive:
    return Archive(place)


def test_files_and_small_parts_become_one_sorted_part_and_are_read_as_before(
    archive: Archive, place: MemoryProvider
) -> None:
    for video in ("b", "e", "c"):
        put_files(place, record(video))
    put_part(place, record("d"), record("a"), token="1")
    put_part(place, record("f"), token="2")
    before = {video: load(place, video, DAY) for video in "abcdef"}
    done = compact(archive, DAY)
    (path,) = place.files
    assert [each.video_id for each in decode_part(place.files[path])] == list("abcdef")
    assert {video: load(place, video, DAY) for video in "abcdef"} == before
    assert (done.files, done.parts, done.made, done.records) == (3, 2, 1, 6)
    assert (done.damaged, done.failed) == ([], {})
    packed, commits = contents(place), place.commits
    again = compact(archive, DAY)
    assert (contents(place), place.commits) == (packed, commits), "a packed day is left alone"
    assert (again.files, again.parts, again.made, again.records) == (0, 0, 0, 0)


def test_of_several_records_the_last_observed_one_stays(archive: Archive, place: MemoryProvider) -> None:
    put_part(place, record("a", hour=12, title="noon"), record("b", hour=9, title="nine"), token="1")
    put_part(place, record("a", hour=10, title="ten"), record("b", hour=11, title="eleven"), token="2")
    put_files(place, record("a", hour=None, title="unknown"), record("b", hour=10, title="ten"))
    compact(archive, DAY)
    assert all_records(place) == [("a", "noon"), ("b", "eleven")]


def test_a_large_part_is_left_alone_and_files_that_it_holds_already_only_go(
    archive: Archive, place: MemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = put_part(place, record("a", title="packed"), record("b", title="older"))
    monkeypatch.setattr(compaction, "SMALL_PART", len(place.files[large]))
    body = place.files[large]
    put_files(place, record("a", title="packed"), record("b", title="older"))
    done = compact(archive, DAY)
    assert (place.files, done.files, done.made) == ({large: body}, 2, 0)
    put_files(place, record("a", title="packed"), record("b", hour=20, title="newer"), record("c"))
    compact(archive, DAY)
    assert place.files[large] == body
    (made,) = set(place.files) - {large}
    assert [each.video_id for each in decode_part(place.files[made])] == ["b", "c"]
    newest = load(place, "b", DAY)
    assert newest is not None
    assert b"newer" in newest.body


def test_a_part_holds_no_more_than_its_limit(
    archive: Archive, place: MemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = len(record("v00").body)
    monkeypatch.setattr(compaction, "PART_BYTES", each * 4)
    put_files(place, *(record(f"v{n:02}") for n in range(10)))
    done = compact(archive, DAY)
    assert sorted(len(list(decode_part(part))) for part in place.files.values()) == [2, 4, 4]
    assert (done.files, done.made, done.records) == (10, 3, 10)
    assert place.commits == 1 + 3
    # the next run finds that the two full ones cannot be joined with anything, and ends with the same records
    compact(archive, DAY)
    assert all_records(place) == [(f"v{n:02}", "A title") for n in range(10)]


def test_what_is_damaged_and_what_is_unknown_stays_and_is_named(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("b"))
    short = put_part(place, record("q"), token="2")
    stray = put_part(place, record("r"), token="3")
    left = {
        short: place.files[short][:-3],
        stray: encode_part([record("r"), record("s", DAY.replace(day=1))]),
        "metadata/2026-11-20/c.json": b"{",
        "metadata/2026-11-20/d.json": record("e").body,
        "metadata/2026-11-20/notes.txt": b"mine",
        "README.md": b"a card",
    }
    place.files |= left
    done = compact(archive, DAY)
    assert {path: body for path, body in place.files.items() if path in left} == left
    assert {damage.path for damage in done.damaged} == {*left} - {"metadata/2026-11-20/notes.txt", "README.md"}
    (made,) = set(place.files) - set(left)
    assert [each.video_id for each in decode_part(place.files[made])] == ["a", "b"]


@pytest.mark.parametrize("kill_after", range(12))
def test_a_kill_at_any_moment_loses_nothing_and_the_next_run_finishes(
    archive: Archive, place: MemoryProvider, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr(compaction, "PART_BYTES", len(record("v0").body) * 5)
    put_files(place, *(record(f"v{n}") for n in range(4)))
    put_part(place, record("v4"), record("v5"), token="1")
    put_part(place, record("v6"), record("v7"), token="2")
    wanted = [(f"v{n}", "A title") for n in range(8)]
    place.kill_after = kill_after
    try:
        compact(archive, DAY)
    except Killed:
        pass
    else:
        assert kill_after >= 8
    assert sorted(set(all_records(place))) == wanted
    place.kill_after = None
    compact(archive, DAY)
    assert all_records(place) == wanted
    assert all(is_part(path) for path in place.files)


def test_what_changes_while_it_is_read_stays(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("b"))
    newer = record("a", hour=20, title="another and longer title")

    def replace(path: str) -> None:
        if path.endswith("b.json"):
            place.on_read = lambda _: None
            put_files(place, newer)

    place.on_read = replace
    done = compact(archive, DAY)
    assert place.files["metadata/2026-11-20/a.json"] == newer.body
    assert list(done.failed) == ["metadata/2026-11-20/a.json"]
    compact(archive, DAY)
    assert all_records(place) == [("a", "another and longer title"), ("b", "A title")]


def test_what_cannot_be_written_costs_nothing(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("b"))
    place.refused = {f"metadata/{DAY}/a.json"}
    assert compact(archive, DAY).failed == {f"metadata/{DAY}/a.json": "refused"}
    assert sorted(set(all_records(place))) == [("a", "A title"), ("b", "A title")]
    place.refused = set()
    compact(archive, DAY)
    assert len(place.files) == 1


def test_a_place_that_is_lost_is_said_in_a_line(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("b"))

    def lose(path: str) -> None:
        place.on_read = lambda _: None
        place.commit = None  # type: ignore[assignment, method-assign]

    place.on_read = lose
    with pytest.raises(ArchiveUnavailable, match=r"the archive \(memory\): it did not take a change: "):
        compact(archive, DAY)
    assert all_records(place) == [("a", "A title"), ("b", "A title")]
