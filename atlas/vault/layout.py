"""How records lie in the archive: the layouts ``files`` and ``packed``.

::

    metadata/2026-11-22/dQw4w9WgXcQ.json                            files: one record
    packed/2026-11-22/20261122T080000123456Z-1f2e3d4c.jsonl.zst     packed: the records of one flush and day

An archive may hold both, whatever VAULT_LAYOUT says now. Of several records of one video and day the one that was
observed last counts, wherever it lies; see ``newest``.

A part is JSON Lines, compressed with Zstandard. A line has flat columns, the same ones and of the same types for ever,
which the Hub's viewer and any tool can show, and ``record``: the record's own JSON as text, byte for byte but for the
newline at its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson

from atlas.times import iso
from atlas.vault.records import MAX_RECORD, Record, check_video_id, decode, observed_at
from atlas.vault.unpacking import checked_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "COLUMNS",
    "FILES",
    "PACKED",
    "day_of",
    "decode_part",
    "encode_part",
    "files_folder",
    "folder_day",
    "is_part",
    "newest",
    "part_path",
    "parts_folder",
    "read_lines",
    "record_at",
    "video_of",
]

FILES, PACKED = "metadata", "packed"
"""The folder of each layout."""

COLUMNS = ("video_id", "date", "channel_id", "title", "published_at", "record")
"""Of a line of a part; strings, two of them times, and null where YouTube said nothing."""

_FOLDER = re.compile(rf"(?:{FILES}|{PACKED})/(\d{{4}}-\d\d-\d\d)", re.ASCII)
_FILE = re.compile(rf"{FILES}/(\d{{4}}-\d\d-\d\d)/([A-Za-z0-9_-]{{1,64}})\.json", re.ASCII)
_PART = re.compile(rf"{PACKED}/(\d{{4}}-\d\d-\d\d)/\d{{8}}T\d{{12}}Z-[0-9a-z]+\.jsonl\.zst", re.ASCII)
_TOKEN = re.compile(r"[0-9a-z]+", re.ASCII)
_LEVEL = 9  # of Zstandard: 40 MB/s on one core, within a few per cent of what the slow levels reach on such texts
_MAX_BAD_LINES = 1_000  # of a part: each is reported, and a part can hold hundreds of millions
_FIRST = datetime.min.replace(tzinfo=UTC)


def files_folder(day: date) -> str:
    """``metadata/{YYYY-MM-DD}``, where the day's single records lie."""
    return f"{FILES}/{day.isoformat()}"


def parts_folder(day: date) -> str:
    """``packed/{YYYY-MM-DD}``, where the day's parts lie."""
    return f"{PACKED}/{day.isoformat()}"


def part_path(day: date, at: datetime, token: str) -> str:
    """``packed/{YYYY-MM-DD}/{YYYYMMDDTHHMMSSffffff}Z-{token}.jsonl.zst``.

    Args:
        day: of its records (UTC).
        at: when it is written, by the schedule clock.
        token: tells it from what others write at the same moment: eight random hexadecimal digits.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"no token of a part: {token!r}")
    return f"{parts_folder(day)}/{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{token}.jsonl.zst"


def day_of(path: str) -> date | None:
    """The day of a record or a part, or None for what is neither, such as the dataset's card."""
    match = _FILE.fullmatch(path) or _PART.fullmatch(path)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:  # the 30th of February
        return None


def folder_day(path: str) -> date | None:
    """Return the day of a folder of either layout, or None for every other path."""
    match = _FOLDER.fullmatch(path)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def video_of(path: str) -> str | None:
    """The video's id of a record that is a file, or None for everything else."""
    match = _FILE.fullmatch(path)
    return match[2] if match and day_of(path) else None


def is_part(path: str) -> bool:
    """Whether it is a packed part."""
    return bool(_PART.fullmatch(path)) and day_of(path) is not None


def record_at(path: str, body: bytes) -> Record:
    """The record in a file. Raises ValueError where the path is no record's; the body is not looked at."""
    video_id, day = video_of(path), day_of(path)
    if video_id is None or day is None:
        raise ValueError(f"no record: {path}")
    return Record(video_id, day, body)


def newest(records: Iterable[Record]) -> Record | None:
    """Of several records of one video and day the one that was observed last; among equals the last one given.

    One that does not say when it was observed, as the first releases wrote them, or cannot be read, counts as earlier
    than any that does. Give files before parts, and parts in the order of their names.
    """
    best, latest = None, _FIRST
    for record in records:
        at = _observed(record)
        if best is None or at >= latest:
            best, latest = record, at
    return best


def _observed(record: Record) -> datetime:
    try:
        return observed_at(decode(record.body)) or _FIRST
    except ValueError:
        return _FIRST


def encode_part(records: Iterable[Record]) -> bytes:
    """One part. The same records give the same bytes.

    Raises:
        ValueError: a record is no JSON object in UTF-8.
    """
    import zstandard  # noqa: PLC0415  only who packs pays for it

    # the checksum shows a damaged part, and the frame's end a short one
    packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    packed = [packer.compress(_line(record)) for record in records]
    return b"".join([*packed, packer.flush()])


def decode_part(body: bytes, name: str = "a part") -> Iterator[Record]:
    """The records of a part, in its order.

    Args:
        body: the part.
        name: its path, for the error.

    Raises:
        ValueError: it is damaged, short or no part; names it. A short or altered one yields no record before that.
    """
    for record in read_lines(body, name):
        if isinstance(record, ValueError):
            raise record
        yield record


def read_lines(body: bytes, name: str = "a part") -> Iterator[Record | ValueError]:
    """Like ``decode_part``, but a line that is no record is given as what is wrong with it, and the others are read.

    Raises:
        ValueError: it is short, altered, no part, or unpacks to too much; names it.
    """
    bad = 0
    for number, line in enumerate(checked_lines(body, name), 1):
        try:
            if isinstance(line, ValueError):
                raise line
            record = _record(orjson.loads(line))
        except ValueError as error:
            bad += 1
            yield ValueError(f"{name} is damaged: line {number}: {error}")
            if bad == _MAX_BAD_LINES:
                raise ValueError(f"{name} is damaged: {bad:,} lines are no records; the rest is not read") from None
        else:
            yield record


def _line(record: Record) -> bytes:
    snippet = decode(record.body).get("snippet")
    known: Mapping[str, Any] = snippet if isinstance(snippet, Mapping) else {}
    values = (
        record.video_id,
        record.day.isoformat(),
        *(_shown(known.get(key)) for key in ("channelId", "title")),
        _time(known.get("publishedAt")),
        record.body.decode().removesuffix("\n"),
    )
    return orjson.dumps(dict(zip(COLUMNS, values, strict=True)), option=orjson.OPT_APPEND_NEWLINE)


def _shown(value: object) -> str | None:
    """A column's text. Half an emoji, which only the record keeps, would make the line unreadable to many tools."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def _time(value: object) -> str | None:
    """As YouTube writes it, to the second: one that is something else would make the column no column of times."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return iso(at) if at and at.tzinfo else None
    except (ValueError, OverflowError):  # in UTC it may lie outside of all years
        return None


def _record(line: object) -> Record:
    if not isinstance(line, dict) or not isinstance(line.get("record"), str) or not isinstance(line.get("date"), str):
        raise ValueError("no record")  # noqa: TRY004  it is about the file
    check_video_id(line["video_id"] if isinstance(line.get("video_id"), str) else "")
    try:
        day = date.fromisoformat(line["date"])
    except ValueError:
        raise ValueError(f"no day: {line['date'][:20]!r}") from None
    body = line["record"].encode() + b"\n"
    if len(body) > MAX_RECORD:
        raise ValueError(f"the record has {len(body):,} bytes; {MAX_RECORD:,} are possible")
    return Record(line["video_id"], day, body)
