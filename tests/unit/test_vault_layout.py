"""How records lie in the archive."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import zstandard

from atlas.vault.layout import (
    COLUMNS,
    day_of,
    decode_part,
    encode_part,
    is_part,
    newest,
    part_path,
    video_of,
)
from atlas.vault.records import Record, encode, mark

DAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, 8, 0, 0, 123_456, tzinfo=UTC)
PART = "packed/2026-11-22/20261122T080000123456Z-0a1b2c3d.jsonl.zst"
FILE = "metadata/2026-11-22/-_aaaaaaaaa.json"


def record(video_id: str = "aaaaaaaaaaa", at: datetime | None = AT, day: date = DAY, **answer: Any) -> Record:
    return Record(video_id, day, encode(mark(answer, at) if at else answer))


def lines(part: bytes) -> list[dict[str, Any]]:
    with zstandard.ZstdDecompressor().stream_reader(part) as text:
        return [json.loads(line) for line in text.read().splitlines()]


def test_a_part_is_named_for_its_day_its_time_and_its_writer() -> None:
    assert part_path(DAY, AT, "0a1b2c3d") == PART
    assert part_path(DAY, AT.astimezone(timezone(timedelta(hours=-5))), "0a1b2c3d") == PART
    for token in ("", "../x", "A"):
        with pytest.raises(ValueError, match="token has digits"):
            part_path(DAY, AT, token)


@pytest.mark.parametrize("path", [PART, FILE])
def test_the_day_is_read_from_the_path(path: str) -> None:
    assert day_of(path) == DAY
    assert is_part(path) == (path == PART)
    assert video_of(path) == (None if path == PART else "-_aaaaaaaaa")


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        ".gitattributes",
        "metadata/2026-11-22",
        "metadata/2026-02-30/aaaaaaaaaaa.json",
        "metadata/2026-11-22/.aaaaaaaaaaa.0123456789ab.tmp",
        "metadata/2026-11-22/deeper/aaaaaaaaaaa.json",
        "metadata/2026-11-22/aaaaaaaaaaa.json.gz",
        "packed/2026-02-30/20261122T080000123456Z-0a1b2c3d.jsonl.zst",
        "packed/2026-11-22/notes.jsonl.zst",
        f"old/{PART}",
        FILE + "\n",
    ],
)
def test_what_is_neither_has_no_day(path: str) -> None:
    assert (day_of(path), video_of(path), is_part(path)) == (None, None, False)
    assert day_of("packed/2026-11-22", folders=True) == DAY
    assert day_of("metadata/2026-02-30", folders=True) is None


def test_records_come_back_from_a_part_byte_for_byte_and_in_order() -> None:
    records = [
        record("ccccccccccc", snippet={"title": "half an emoji \ud83d, a whole one 😀"}),
        record("aaaaaaaaaaa", big=2**70),
        record("bbbbbbbbbbb", at=None),
        Record("ddddddddddd", DAY, b'{ "written" :\t"by hand" }\n'),
        record("aaaaaaaaaaa", day=date(2026, 11, 23)),
    ]
    part = encode_part(records)
    assert list(decode_part(part, PART)) == records
    assert part == encode_part(records)
    assert list(decode_part(encode_part([]))) == []


def test_a_line_has_the_same_flat_columns_whatever_youtube_said() -> None:
    answers: list[dict[str, Any]] = [
        {"snippet": {"channelId": "UC1", "title": "T\ud83d", "publishedAt": "2026-11-21T00:00:00Z", "tags": ["x"]}},
        {"snippet": {"title": 7, "channelId": ["x"], "publishedAt": 0}},
        {"snippet": {"publishedAt": "2026-11-21T05:30:00.25+05:30"}},
        {"snippet": {"publishedAt": "2026-11-21"}},
        {"snippet": {"publishedAt": "lately"}},
        {"snippet": "none"},
        {},
    ]
    found = lines(encode_part([record(f"video{n}", **answer) for n, answer in enumerate(answers)]))
    assert [tuple(line) for line in found] == [COLUMNS] * len(answers)
    assert [line["video_id"] for line in found] == [f"video{n}" for n in range(len(answers))]
    assert {line["date"] for line in found} == {"2026-11-22"}
    assert [(line["channel_id"], line["title"], line["published_at"]) for line in found] == [
        ("UC1", "T?", "2026-11-21T00:00:00Z"),
        (None, None, None),
        (None, None, "2026-11-21T00:00:00Z"),
        *[(None, None, None)] * 4,
    ]
    assert {json.loads(line["record"])["_maia"]["observed_at"] for line in found} == {"2026-11-22T08:00:00.123456Z"}


@pytest.mark.parametrize("body", [b"[]\n", b"{", b"\xff{}\n"])
def test_what_is_no_record_is_not_packed(body: bytes) -> None:
    with pytest.raises(ValueError):
        encode_part([record(), Record("bbbbbbbbbbb", DAY, body)])


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: part[:-1],
        lambda part: part[: len(part) // 2],
        lambda part: part[:3],
        lambda part: b"",
        lambda part: part[:-4] + bytes(4),
        lambda part: part + b"\0",
        lambda part: b"<html>",
    ],
)
def test_a_damaged_part_is_named_and_yields_nothing(damage: Any) -> None:
    records = decode_part(damage(encode_part([record()])), PART)
    with pytest.raises(ValueError, match=f"^{PART} is damaged: "):
        next(records)


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{",
        b'{"video_id":"aaaaaaaaaaa","date":"2026-11-22"}',
        b'{"video_id":"../x","date":"2026-11-22","record":"{}"}',
        b'{"date":"2026-11-22","record":"{}"}',
        b'{"video_id":"aaaaaaaaaaa","date":"2026-02-30","record":"{}"}',
        b'{"video_id":"aaaaaaaaaaa","date":null,"record":"{}"}',
    ],
)
def test_a_line_that_is_no_record_is_named_by_its_number(line: bytes) -> None:
    good = b'{"video_id":"aaaaaaaaaaa","date":"2026-11-22","record":"{}"}\n'
    records = decode_part(zstandard.compress(good + line + b"\n"), PART)
    assert next(records) == Record("aaaaaaaaaaa", DAY, b"{}\n")
    with pytest.raises(ValueError, match=f"^{PART} is damaged: line 2: "):
        next(records)


def test_parts_may_be_joined_and_written_by_other_tools() -> None:
    foreign = zstandard.ZstdCompressor(write_content_size=False).compress(
        b'{"record":"{}","video_id":"bbbbbbbbbbb","date":"2026-11-22","more":1}'
    )
    joined = encode_part([record()]) + foreign
    assert [found.video_id for found in decode_part(joined)] == ["aaaaaaaaaaa", "bbbbbbbbbbb"]


def test_the_record_that_was_observed_last_counts_and_of_equals_the_last_one() -> None:
    early, late = record(at=AT), record(at=AT + timedelta(microseconds=1))
    silent, broken = record(at=None), Record("aaaaaaaaaaa", DAY, b"{")
    assert newest([late, early]) is late
    assert newest([early, silent, late, broken]) is late
    assert newest([early, silent]) is early
    assert newest([broken]) is broken
    assert newest([]) is None
    for at in (AT, None):
        one, other = record(at=at, n=1), record(at=at, n=2)
        assert newest([one, other]) is other


def test_a_part_is_small() -> None:
    snippet = {"title": "a title", "channelId": "UC" + "x" * 22, "tags": ["one", "two"], "description": "d" * 2_000}
    records = [record(f"video{n:06d}", snippet=snippet | {"title": f"video {n}"}) for n in range(1_000)]
    assert len(encode_part(records)) < sum(len(one.body) for one in records) / 10
