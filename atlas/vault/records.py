"""What is archived: one record per video and day, where it lies and how it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

__all__ = ["MARK", "EncodingError", "Record", "check_video_id", "decode", "encode", "mark_refetched", "record_path"]

MARK = "_maia"
"""The one top-level key of a record that is not YouTube's: what the vault itself has to say about it."""

# Wider than today's ids (11 characters), but nothing that could leave the folder or hide in it.
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class EncodingError(ValueError):
    """A record cannot be written as JSON."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, ready to be stored.

    Attributes:
        video_id: YouTube's id.
        path: where it is stored, with slashes, relative to the archive's root.
        body: JSON in UTF-8, with a newline at its end.
    """

    video_id: str
    path: str
    body: bytes


def check_video_id(video_id: str) -> None:
    """Raises ValueError unless the id is safe as a file name: 1 to 64 letters, digits, dashes and underscores."""
    if not isinstance(video_id, str) or not _VIDEO_ID.fullmatch(video_id):
        raise ValueError(f"no video id: {str(video_id)[:80]!r}; it has 1 to 64 of A-Z a-z 0-9 _ and -")


def record_path(video_id: str, day: date) -> str:
    """``metadata/{YYYY-MM-DD}/{video_id}.json``. Raises ValueError for an id that is no file name."""
    check_video_id(video_id)
    if isinstance(day, datetime):
        day = day.date()
    return f"metadata/{day.isoformat()}/{video_id}.json"


def mark_refetched(response: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The answer with ``"_maia": {"refetched_at": "2026-11-22T08:00:00Z"}`` as its last key, all else as it was.

    Such a record is not the answer that the video was discovered with: that one could not be archived, and a later run
    asked again.
    """
    known = response.get(MARK)
    mark = {**(known if isinstance(known, Mapping) else {}), "refetched_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    return {**{key: value for key, value in response.items() if key != MARK}, MARK: mark}


def encode(response: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8 with the keys in their order and a newline at the end. Raises EncodingError."""
    if not isinstance(response, Mapping):
        raise EncodingError(f"a record is a mapping, not {type(response).__name__}")
    try:
        return orjson.dumps(response, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # Lone surrogates (half an emoji, as in texts that were cut) and integers beyond 64 bits: the standard library
        # writes both without loss, surrogates as ASCII escapes.
        try:
            return json.dumps(response, default=_plain, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodingError(str(error) or type(error).__name__) from None


def decode(body: bytes) -> dict[str, Any]:
    """A stored record. Raises ValueError when it is no JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = json.loads(body)  # escapes of lone surrogates, see encode
    if not isinstance(value, dict):
        raise ValueError(f"a record is a JSON object, not {type(value).__name__}")  # noqa: TRY004  it is about the file
    return value


def _plain(value: object) -> object:
    """For mappings that are no dict, such as read-only views."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
