"""Archived records: one per video and day, and how they are encoded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from atlas.times import iso

MARK = "_maia"
"""The only top-level key of a record that is the vault's own."""

MAX_RECORD = 16 * 2**20
"""Maximum bytes of a record, as of an API answer. Most records have a few thousand; decoded, they take up to 30 times
as much memory."""

# Longer than today's ids (11 characters), but safe as a file name: no path, no hidden file.
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class EncodingError(ValueError):
    """A record cannot be written as JSON."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a video and a UTC date, encoded: JSON in UTF-8 with a newline at its end."""

    video_id: str
    day: date
    body: bytes

    @property
    def path(self) -> str:
        """Its path in the layout ``files``, which identifies it in any layout."""
        return record_path(self.video_id, self.day)


def check_video_id(video_id: str) -> None:
    """Raise ValueError unless the id is safe as a file name: 1 to 64 letters, digits, dashes and underscores."""
    if not isinstance(video_id, str) or not _VIDEO_ID.fullmatch(video_id):
        raise ValueError(f"not a video id: {str(video_id)[:80]!r}; it has 1 to 64 of A-Z a-z 0-9 _ and -")


def record_path(video_id: str, day: date) -> str:
    """Return ``metadata/{YYYY-MM-DD}/{video_id}.json``. Raises ValueError: the id cannot be a file name."""
    check_video_id(video_id)
    if isinstance(day, datetime):
        day = day.date()
    return f"metadata/{day.isoformat()}/{video_id}.json"


def mark(response: Mapping[str, Any], observed: datetime, refetched: datetime | None = None) -> dict[str, Any]:
    """Return the answer with the vault's own data under its last key. Raises EncodingError: it is no mapping.

    ``"_maia": {"observed_at": "2026-11-22T08:00:00.123456Z", "refetched_at": "2026-11-22T08:00:00Z"}``

    Args:
        observed: when YouTube answered, by the schedule clock; a rebuilt database dates the record's counts by it.
        refetched: when it was read again, because the answer at discovery was not archived.
    """
    if not isinstance(response, Mapping):
        raise EncodingError(f"a record is a mapping, not {type(response).__name__}")
    known = response.get(MARK)
    ours = dict(known) if isinstance(known, Mapping) else {}
    ours["observed_at"] = iso(observed, "microseconds")
    if refetched is not None:
        ours["refetched_at"] = iso(refetched)
    return {**{key: value for key, value in response.items() if key != MARK}, MARK: ours}


def observed_at(record: Mapping[str, Any]) -> datetime | None:
    """Return when a decoded record was observed (UTC), or None if it contains no time."""
    ours = record.get(MARK)
    text = ours.get("observed_at") if isinstance(ours, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # in UTC the year may be out of range
        return None


def encode(response: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8 with the keys in their order and a newline at the end. Raises EncodingError."""
    body = _encode(response)
    if len(body) > MAX_RECORD:
        raise EncodingError(f"it has {len(body):,} bytes; {MAX_RECORD:,} are possible")
    return body


def _encode(response: Mapping[str, Any]) -> bytes:
    if not isinstance(response, Mapping):
        raise EncodingError(f"a record is a mapping, not {type(response).__name__}")
    try:
        body = orjson.dumps(response, default=_to_dict, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # Lone surrogates (half an emoji, as in texts that were cut) and integers beyond 64 bits: the standard library
        # writes both without loss, surrogates as ASCII escapes.
        try:
            return (
                json.dumps(response, default=_to_dict, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodingError(str(error) or type(error).__name__) from None
    # A number that no double can hold (1e400) was read as infinite, and orjson silently writes that as null.
    if b"null" in body and not _all_finite(response):
        raise EncodingError("a number in it is too large")
    return body


def decode(body: bytes) -> dict[str, Any]:
    """Return a stored record. Raises ValueError: it is no JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(body)  # escapes of lone surrogates, see encode
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"a record is a JSON object, not {type(value).__name__}")  # noqa: TRY004  it is about the file
    return value


def _all_finite(response: object) -> bool:
    waiting = [response]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, float) and not math.isfinite(value):
            return False
    return True


def _to_dict(value: object) -> object:
    # mappings that are no dict, such as read-only views
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
