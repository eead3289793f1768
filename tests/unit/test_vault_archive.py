"""The archive as a whole: its days and records in both layouts, and what is damaged in it."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
import zstandard

from atlas.errors import ArchiveUnavailable
from atlas.vault.archive import Archive, Damage, Stored, records_in
from atlas.vault.layout import encode_part

from ..support.archives import DAY, MemoryProvider, put_files, put_part, record

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def place() -> MemoryProvider:
    return MemoryProvider()


@pytest.fixture(params=[1, 8], ids=["one reader", "many readers"])
def archive(place: MemoryProvider, request: pytest.FixtureRequest) -> Archive:
    return Archive(place, readers=request.param)


def stored(archive: Archive, day: date = DAY) -> list[tuple[str, str]]:
    """Id and path of the good ones, in their order."""
    return [(each.record.video_id, each.path) for each in archive.records(day) if isinstance(each, Stored)]


def damaged(archive: Archive, day: date = DAY) -> list[Damage]:
    return [each for each in archive.records(day) if isinstance(each, Damage)]


def test_days_come_from_both_layouts_and_from_nothing_else(archive: Archive, place: MemoryProvider) -> None:
    assert (archive.days(), list(archive.records(DAY))) == ([], [])
    put_files(place, record("a", NEXT))
    put_part(place, record("b"))
    place.files |= {
        "README.md": b"a card",
        "metadata/2026-02-30/a.json": b"{}",
        "metadata/notes.txt": b"",
        "metadata/2026-01-01/a.json.bak": b"",
        "packed/2026-01-02/part.parquet": b"",
        "metadata/2026-01-03/deeper/a.json": b"{}",
    }
    assert archive.days() == [DAY, NEXT]


def test_records_of_both_layouts_come_in_the_order_of_their_files(archive: Archive, place: MemoryProvider) -> None:
    part = put_part(place, record("zz"), record("aa"))
    put_files(place, *(record(f"v{n:03}") for n in range(100)))
    place.files["metadata/2026-11-20/.v.json.123.tmp"] = b"half"
    files = [(f"v{n:03}", f"metadata/2026-11-20/v{n:03}.json") for n in range(100)]
    assert stored(archive) == [*files, ("zz", part), ("aa", part)]
    assert damaged(archive) == []


def test_a_record_tells_when_it_was_observed_and_whose_channels_it_is(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a", hour=8.5), record("b", hour=None, channel="UCother"))
    first, second = (each for each in archive.records(DAY) if isinstance(each, Stored))
    assert first.at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert second.at == datetime(2026, 11, 20, tzinfo=UTC)
    assert (first.channel_id, second.channel_id) == ("UCchannel", "UCother")


def test_damage_is_named_and_stops_nothing(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("z"))
    good = put_part(place, record("p"), token="1")
    short = put_part(place, record("q"), token="2")
    place.files[short] = place.files[short][:-3]
    stray = put_part(place, record("r"), token="3")
    place.files[stray] = encode_part([record("r"), record("s", NEXT)])
    place.files |= {
        "metadata/2026-11-20/b.json": b"{",
        "metadata/2026-11-20/c.json": record("a").body,
        "metadata/2026-11-20/d.json": b"[]",
        "metadata/2026-11-20/e.json": record("e").body,
    }
    place.unreadable = {"metadata/2026-11-20/e.json"}
    assert stored(archive) == [
        ("a", "metadata/2026-11-20/a.json"), ("z", "metadata/2026-11-20/z.json"), ("p", good), ("r", stray)
    ]  # fmt: skip
    named = damaged(archive)
    assert [(damage.path, damage.video_id, damage.unread) for damage in named] == [
        ("metadata/2026-11-20/b.json", "b", False),
        ("metadata/2026-11-20/c.json", "c", False),
        ("metadata/2026-11-20/d.json", "d", False),
        ("metadata/2026-11-20/e.json", "e", True),
        (short, None, False),
        (stray, "s", False),
    ]
    assert "about another video, 'a'" in str(named[1])
    assert str(named[3]) == "metadata/2026-11-20/e.json: it cannot be read: [Errno 13] Permission denied"
    assert str(named[4]) == f"{short}: its end is missing"


def test_a_record_in_a_part_that_is_no_json_is_named(archive: Archive, place: MemoryProvider) -> None:
    part = put_part(place, record("a"), record("bb"), record("c"))
    text = zstandard.ZstdDecompressor().decompressobj().decompress(place.files[part])
    place.files[part] = zstandard.compress(text.replace(b'\\"id\\":\\"bb\\"', b'\\"id\\":\\"bb'))
    assert [id_ for id_, _ in stored(archive)] == ["a", "c"]
    (damage,) = damaged(archive)
    assert (damage.path, damage.video_id) == (part, "bb")
    assert "no JSON" in damage.reason


def test_what_is_packed_while_it_is_read_is_still_seen(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, *(record(f"v{n}") for n in range(5)))

    def pack(path: str) -> None:
        if path.endswith("v2.json"):
            place.on_read = lambda _: None
            put_part(place, *(record(f"v{n}") for n in range(5)))
            for n in range(5):
                del place.files[f"metadata/2026-11-20/v{n}.json"]

    place.on_read = pack
    assert {id_ for id_, _ in stored(archive)} == {f"v{n}" for n in range(5)}


def test_what_is_deleted_while_it_is_read_is_no_damage(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("b"))
    place.on_read = lambda path: place.files.pop("metadata/2026-11-20/b.json", None) and None
    assert [id_ for id_, _ in stored(archive)] == ["a"]


def test_a_place_that_cannot_be_reached_is_not_an_empty_one(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"))
    place.gone = True
    with pytest.raises(ArchiveUnavailable, match=r"the archive cannot be read \(memory\): the place is gone"):
        archive.days()
    with pytest.raises(ArchiveUnavailable):
        list(archive.records(DAY))


def test_single_files_that_cannot_be_read_end_nothing_but_many_in_a_row_do(
    archive: Archive, place: MemoryProvider
) -> None:
    put_files(place, *(record(f"v{n:03}") for n in range(100)))
    place.unreadable = {f"metadata/{DAY}/v{n:03}.json" for n in range(0, 100, 2)}
    assert len(stored(archive)) == len(damaged(archive)) == 50
    place.unreadable = {f"metadata/{DAY}/v{n:03}.json" for n in range(50, 100)}
    with pytest.raises(ArchiveUnavailable):
        list(archive.records(DAY))


def test_a_dead_reader_leaves_no_thread_behind(place: MemoryProvider) -> None:
    put_files(place, *(record(f"v{n:03}") for n in range(100)))
    records = Archive(place, readers=8).records(DAY)
    next(records)
    records.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "vault-read":
            thread.join(60)
            assert not thread.is_alive()


def test_a_path_of_another_kind_is_no_record(place: MemoryProvider) -> None:
    with pytest.raises(ValueError, match=r"neither a record nor a part: README\.md"):
        list(records_in("README.md", b""))
