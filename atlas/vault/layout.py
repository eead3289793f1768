"""The layouts of the archive: ``files`` and ``packed``.

::

    metadata/2026-11-22/dQw4w9WgXcQ.json                            files: one record
    packed/2026-11-22/20261122T080000123456Z-1f2e3d4c.jsonl.zst     packed: the records of one flush and day

An archive may contain both, whatever VAULT_LAYOUT is now. Of several records of one video and day the one that was
observed last counts; see ``newest``.

A part is JSON Lines, compressed with Zstandard. A line has flat columns, always the same ones and of the same types,
which the Hub's viewer and any tool can show, and ``record``: the record's own JSON as text, without its last newline.

192 KiB of Zstandard can unpack to gigabytes. So a part is unpacked in small pieces and within bounds, once to check it
and once more to read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson

from atlas.times import iso
from atlas.vault.records import MAX_RECORD, Record, check_video_id, decode, observed_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILES, PACKED = "metadata", "packed"
"""The folder of each layout."""

COLUMNS = ("video_id", "date", "channel_id", "title", "published_at", "record")
"""Columns of a part: strings, two of them times, and null where YouTube gave nothing."""

MAX_TEXT = 4 * 2**30
"""Maximum bytes of an unpacked part."""
RATIO_APPLIES_ABOVE = 256 * 2**20
"""Up to this many unpacked bytes any ratio is accepted; Maia writes smaller parts."""
MAX_RATIO = 100
"""Maximum ratio of unpacked to packed bytes; that of records is about 8."""
MAX_LINE = 64 * 2**20
"""Maximum bytes of a line: the largest record, escaped, and its columns."""
MAX_LINES = 1_000_000
"""Maximum number of records in a part."""

_MAX_BAD_LINES = 1_000  # per part: each is reported, and a part could contain hundreds of millions
_MAX_WINDOW = 8 * 2**20  # bytes that a frame may refer back to; all levels of zstd up to 19 need no more
_INPUT = 512  # bytes unpacked at once; a block takes 4 bytes or more and gives up to 128 KiB, so up to 16 MiB
_LEVEL = 9  # of Zstandard: 40 MB/s on one core, within a few per cent of what the slow levels reach on such texts

_DAY = r"(\d{4}-\d\d-\d\d)"
_FOLDER = re.compile(rf"(?:{FILES}|{PACKED})/{_DAY}", re.ASCII)
_FILE = re.compile(rf"{FILES}/{_DAY}/([A-Za-z0-9_-]{{1,64}})\.json", re.ASCII)
_PART = re.compile(rf"{PACKED}/{_DAY}/\d{{8}}T\d{{12}}Z-[0-9a-z]+\.jsonl\.zst", re.ASCII)
_TOKEN = re.compile(r"[0-9a-z]+", re.ASCII)
_FIRST = datetime.min.replace(tzinfo=UTC)


def files_folder(day: date) -> str:
    """Return the folder of the day's single records."""
    return f"{FILES}/{day.isoformat()}"


def parts_folder(day: date) -> str:
    """Return the folder of the day's parts."""
    return f"{PACKED}/{day.isoformat()}"


def part_path(day: date, at: datetime, token: str) -> str:
    """Return the path of a part of a day's records (UTC), by when it is written and a token of eight hex digits."""
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"a part's token has digits and small letters only: {token!r}")
    return f"{parts_folder(day)}/{at.astimezone(UTC):%Y%m%dT%H%M%S%fZ}-{token}.jsonl.zst"


def day_of(path: str, *, folders: bool = False) -> date | None:
    """Return the day of a record or a part, with ``folders`` also of a day's folder; None for every other path."""
    match = _FILE.fullmatch(path) or _PART.fullmatch(path) or (_FOLDER.fullmatch(path) if folders else None)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:  # the 30th of February
        return None


def video_of(path: str) -> str | None:
    """Return the video's id of a record that is a file; None for every other path."""
    match = _FILE.fullmatch(path)
    return match[2] if match and day_of(path) else None


def is_part(path: str) -> bool:
    return bool(_PART.fullmatch(path)) and day_of(path) is not None


def newest(records: Iterable[Record]) -> Record | None:
    """Return the record that was observed last; among equals the last one given.

    Records without a time, as the first releases wrote them, and unreadable ones count as the oldest. Give files before
    parts, and parts in the order of their names.
    """
    best, latest = None, _FIRST
    for record in records:
        try:
            at = observed_at(decode(record.body)) or _FIRST
        except ValueError:
            at = _FIRST
        if best is None or at >= latest:
            best, latest = record, at
    return best


def encode_part(records: Iterable[Record]) -> bytes:
    """Return one part; the same records give the same bytes. Raises ValueError: a record is no JSON object in UTF-8."""
    import zstandard  # noqa: PLC0415  imported where parts are used

    # the checksum shows a damaged part, and the frame's end a short one
    packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    packed = [packer.compress(_line(record)) for record in records]
    return b"".join([*packed, packer.flush()])


def decode_part(body: bytes, name: str = "a part") -> Iterator[Record]:
    """Yield the records of a part. Raises ValueError: it is damaged; a short or altered one yields no record first."""
    for record in read_lines(body, name):
        if isinstance(record, ValueError):
            raise record
        yield record


def read_lines(body: bytes, name: str = "a part") -> Iterator[Record | ValueError]:
    """Yield the records of one part or of several joined ones, and an error for each line that is not a record.

    Raises ValueError: it is short, altered, no part, or unpacks to too much.
    """
    most = min(MAX_TEXT, max(RATIO_APPLIES_ABOVE, MAX_RATIO * len(body)))
    size = lines = 0
    for piece in _unpack(body, name):
        size += len(piece)
        lines += piece.count(b"\n")
        if lines > MAX_LINES:
            raise ValueError(f"{name} is damaged: it has more than {MAX_LINES:,} lines")
        if size > most:
            raise ValueError(f"{name} is damaged: its {len(body):,} bytes unpack to more than {most:,}")
    bad = 0
    for number, line in enumerate(_lines(body, name), 1):
        try:
            if line is None:
                raise ValueError(f"it has more than {MAX_LINE:,} bytes")  # noqa: TRY301
            record = _record(orjson.loads(line))
        except ValueError as error:
            bad += 1
            yield ValueError(f"{name} is damaged: line {number}: {error}")
            if bad == _MAX_BAD_LINES:
                raise ValueError(f"{name} is damaged: {bad:,} lines are no records; the rest is not read") from None
        else:
            yield record


def _lines(body: bytes, name: str) -> Iterator[bytes | None]:
    """Yield the lines of a part, None for one that is too long."""
    rest, too_long = bytearray(), False
    for piece in _unpack(body, name):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            yield None if too_long or len(rest) + end - start > MAX_LINE else bytes(rest) + piece[start:end]
            rest.clear()
            too_long, start = False, end + 1
        too_long = too_long or len(rest) + len(piece) - start > MAX_LINE
        if too_long:
            rest.clear()
        else:
            rest += memoryview(piece)[start:]
    if too_long or rest:
        yield None if too_long else bytes(rest)


def _unpack(body: bytes, name: str) -> Iterator[bytes]:
    """Yield the text of all frames, in pieces."""
    import zstandard  # noqa: PLC0415  imported where parts are used

    view, start, frame = memoryview(body), 0, None
    while start < len(view) or frame is None:
        frame = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
        while not frame.eof:
            packed = view[start : start + _INPUT]
            if not packed:
                raise ValueError(f"{name} is damaged: its end is missing")
            start += len(packed)
            try:
                piece = frame.decompress(packed)
            except zstandard.ZstdError as error:
                raise ValueError(f"{name} is damaged: {error}") from None
            if piece:
                yield piece
        start -= len(frame.unused_data)


def _line(record: Record) -> bytes:
    snippet = decode(record.body).get("snippet")
    known: Mapping[str, Any] = snippet if isinstance(snippet, Mapping) else {}
    values = (
        record.video_id,
        record.day.isoformat(),
        _text(known.get("channelId")),
        _text(known.get("title")),
        _time(known.get("publishedAt")),
        record.body.decode().removesuffix("\n"),
    )
    return orjson.dumps(dict(zip(COLUMNS, values, strict=True)), option=orjson.OPT_APPEND_NEWLINE)


def _text(value: object) -> str | None:
    # half an emoji, which only the record keeps, would make the line unreadable to many tools
    return value.encode(errors="replace").decode() if isinstance(value, str) else None


def _time(value: object) -> str | None:
    # to the second, as YouTube writes it: with anything else, tools would not read the column as times
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
