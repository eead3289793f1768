"""Hostile files in the archive: each is named, takes little memory, and the rest is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import orjson
import pytest
import zstandard

from atlas.vault import layout
from atlas.vault.archive import Archive, Damage, Stored
from atlas.vault.compaction import SMALL_PART
from atlas.vault.layout import decode_part, encode_part, part_path
from atlas.vault.providers.local import LocalProvider
from atlas.vault.reader import load
from atlas.vault.records import MAX_RECORD, EncodingError, Record, encode

from ..support.archives import DAY, MemoryProvider, put_bytes, put_files, put_part, record
from ..support.memory_limit import run_measured

MIB = 2**20
PART = part_path(DAY, datetime(2026, 11, 20, tzinfo=UTC), "ff")
FILE = f"metadata/{DAY}/hostile.json"


def packed(texts: Iterable[bytes], **options: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, write_checksum=True, **options)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return b"".join([*map(packer.compress, texts), packer.flush()])


BOMB = packed(repeat(bytes(MIB), 3072))


def line(record: str, **more: object) -> bytes:
    return orjson.dumps({"video_id": "hostile", "date": str(DAY), "record": record, **more}) + b"\n"


def good(*ids: str) -> bytes:
    return b"".join(line(record(id_).body.decode(), video_id=id_) for id_ in ids)


PARTS: dict[str, tuple[Callable[[], bytes], str, list[str]]] = {
    "one line of 3 GiB": (lambda: BOMB, r"its [\d,]+ bytes unpack to more than 268,435,456", []),
    "many frames of 32 MiB": (lambda: packed(repeat(bytes(MIB), 32)) * 20, "unpack to more than 268,435,456", []),
    "good lines, and then 1 GiB": (
        lambda: packed([good("a"), *repeat(b" " * MIB, 1024)]), "unpack to more than 268,435,456", [],
    ),
    "millions of lines": (lambda: packed(repeat(b"\n" * MIB, 200)), "more than 1,000,000 lines", []),
    "thousands of lines that are no records": (
        lambda: packed([good("a"), b"[]\n" * 2000, good("b")]), "1,000 lines are no records; the rest is not", ["a"],
    ),
    "a line of 100 MiB between good ones": (
        lambda: packed([good("a"), b'{"record":"', *repeat(b"x" * MIB, 100), b'"}\n', good("b")]),
        "line 2: it has more than 67,108,864 bytes", ["a", "b"],
    ),
    "a last line of 100 MiB": (
        lambda: packed([good("a"), *repeat(b"[" * MIB, 100)]), "line 2: it has more than 67,108,864 bytes", ["a"],
    ),
    "a record of 17 MiB": (
        lambda: packed([line('{"id":"hostile","x":"%s"}' % ("x" * 17 * MIB)), good("b")]),
        "line 1: the record has 17,825,[0-9]+ bytes; 16,777,216 are possible", ["b"],
    ),
    "a window of 64 MiB": (lambda: packed([good("a"), *repeat(bytes(MIB), 70)], window_log=26), "too much memory", []),
    "a short one": (lambda: packed([good("a")])[:-5], "its end is missing", []),
    "an empty one": (lambda: b"", "its end is missing", []),
    "an altered one": (lambda: packed([good("a")])[:-1] + b"\0", "checksum", []),
    "deep nesting in a line": (
        lambda: packed([b"[" * 100_000 + b"\n", good("b")]), "line 1: .*", ["b"],
    ),
    "deep nesting in a record": (lambda: packed([line("[" * 100_000), good("b")]), "nested too deeply", ["b"]),
    "an integer of 100,000 digits": (
        lambda: packed([line('{"id":%s}' % ("9" * 100_000)), good("b")]), "the record of hostile", ["b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason", "ids"), PARTS.values(), ids=PARTS.keys())
def test_a_hostile_part_is_named_and_the_rest_is_read(body: Callable[[], bytes], reason: str, ids: list[str]) -> None:
    place = MemoryProvider()
    put_files(place, record("file"))
    put_part(place, record("part"))
    place.files[PART] = body()

    found = list(Archive(place).records(DAY))

    assert [each.record.video_id for each in found if isinstance(each, Stored)] == ["file", *ids, "part"]
    damages = [each for each in found if isinstance(each, Damage)]
    assert {each.path for each in damages} == {PART}
    assert not any(each.unread for each in damages)
    assert all(len(str(each)) < 300 for each in damages)
    assert re.search(reason, damages[-1].reason)


FILES: dict[str, tuple[bytes, str]] = {
    "16 MiB and a byte": (b"{}".ljust(MAX_RECORD + 1), "it has 16,777,217 bytes; no more than 16,777,216 are read"),
    "deep nesting": (b"[" * 100_000, "nested too deeply"),
    "an integer of 100,000 digits": (b'{"id":%s}' % (b"9" * 100_000), "the record of hostile"),
    "empty": (b"", "is no JSON"),
    "cut": (b'{"id":"host', "is no JSON"),
}


@pytest.mark.parametrize(("body", "reason"), FILES.values(), ids=FILES.keys())
def test_a_hostile_file_is_named_and_the_rest_is_read(body: bytes, reason: str) -> None:
    place = MemoryProvider()
    put_files(place, record("file"))
    place.files[FILE] = body

    good, bad = Archive(place).records(DAY)

    assert isinstance(good, Stored)
    assert isinstance(bad, Damage)
    assert (bad.path, bad.video_id, bad.unread) == (FILE, "hostile", False)
    assert reason in bad.reason


def test_ten_files_that_are_too_large_do_not_end_the_reading() -> None:
    place = MemoryProvider()
    for number in range(30):
        place.files[f"metadata/{DAY}/a{number:02}.json"] = bytes(MAX_RECORD + 1)
    put_files(place, record("good"))

    found = list(Archive(place).records(DAY))

    assert [type(each) for each in found] == [*repeat(Damage, 30), Stored]


def test_one_file_that_is_asked_for_is_not_read_where_it_is_too_large(tmp_path: Path) -> None:
    place = LocalProvider(tmp_path)
    put_bytes(place, FILE, b"")
    os.truncate(tmp_path / FILE, 8 * 2**30)

    with pytest.raises(OSError, match=rf"{FILE}: it has 8,589,934,592 bytes; no more than 268,435,456 are read"):
        load(place, "hostile", DAY)


def test_no_record_is_written_that_could_not_be_read() -> None:
    encode({"id": "a", "text": "x" * (MAX_RECORD - 30)})
    with pytest.raises(EncodingError, match=r"it has 16,777,2[0-9]+ bytes; 16,777,216 are possible"):
        encode({"id": "a", "text": "x" * MAX_RECORD})


def test_the_largest_record_can_be_packed_and_read_again() -> None:
    largest = Record("a", DAY, b'{"id":"a","snippet":{"title":"%s"}}\n' % (b'\\"' * ((MAX_RECORD - 34) // 2)))
    assert MAX_RECORD - 4 < len(largest.body) <= MAX_RECORD
    assert list(decode_part(encode_part([largest]))) == [largest]


def test_parts_that_were_joined_are_read_whatever_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "RATIO_APPLIES_ABOVE", MIB)
    one = encode_part([record("a", title=os.urandom(50_000).hex())])
    assert sum(1 for _ in decode_part(one * 100)) == 100  # 10 MB of text


WORK = """
    from datetime import date
    from pathlib import Path
    import orjson, tempfile, zstandard
    from atlas.vault.archive import Archive, Damage
    from atlas.vault.compaction import compact
    from atlas.vault.erasure import Selection, erase as erase_selected
    from atlas.vault.providers.local import LocalProvider
    from atlas.vault.reader import load
    archive, day = Archive(LocalProvider(Path(sys.argv[1]))), date.fromisoformat(sys.argv[2])
    def read():
        return sum(1 for each in archive.records(day) if not isinstance(each, Damage))
    def pack():
        done = compact(archive, day)
        return done.records, len(done.damaged), not done.failed
    def erase():
        done = erase_selected(archive, Selection(frozenset({"v000001"}), frozenset()))
        return done.records, len(done.unsearched), not done.failed
    def one():
        try:
            return load(archive.provider, "v000001", day).video_id
        except ValueError as error:
            return error
    for line in measured(lambda: [globals()[work]() for work in sys.argv[3:]]):
        print(line)
"""


def test_hostile_files_take_little_memory(tmp_path: Path) -> None:
    place = LocalProvider(tmp_path)
    put_part(place, record("v000001"), record("v000002"))
    put_part(place, record("v000003"), token="1")
    put_bytes(place, PART, BOMB)
    put_bytes(place, FILE, b"")
    os.truncate(tmp_path / FILE, 8 * 2**30)

    taken, printed = run_measured(WORK, tmp_path, str(DAY), "read", "one", "pack", "erase")

    reason = f"{PART} is damaged: its {len(BOMB):,} bytes unpack to more than 268,435,456"
    assert printed.splitlines() == ["3", reason, "(3, 2, True)", "(1, 1, True)"]
    assert taken < 100 * MIB


@pytest.mark.parametrize(
    ("works", "results", "most"),
    [(["read", "one", "erase"], ["501", "v000001", "(500, 0, True)"], 100), (["pack"], ["(0, 0, True)"], 180)],
    ids=["read", "pack"],
)
def test_the_largest_part_that_is_read_takes_little_memory(
    tmp_path: Path, works: list[str], results: list[str], most: int
) -> None:
    """200 MB of good records that compress very well, of which one video is looked for or taken out."""
    place = LocalProvider(tmp_path)
    put_bytes(place, PART, encode_part(repeat(record("v000001", title="x" * 200_000), 500)))
    assert (tmp_path / PART).stat().st_size < SMALL_PART
    put_part(place, record("v000002"))

    taken, printed = run_measured(WORK, tmp_path, str(DAY), *works)

    assert printed.splitlines() == results
    assert taken < most * MIB
