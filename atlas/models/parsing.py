"""Readers of API answers: of JSON, and of single values, which are None where they cannot be read.

Units as in ``atlas.models.youtube``.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

import orjson

MAX_COUNT: Final = 2**63 - 1
"""The largest count that is stored: YouTube's are unsigned, PostgreSQL's bigint is signed."""

_MAX_DIGITS: Final = 20  # of an unsigned integer of 64 bits
_MAX_CATEGORY: Final = 2**31 - 1

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DURATION: Final = re.compile(
    r"P(?=.)(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=.)(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)S)?)?"
)
_SECONDS: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)s")


def read_json(body: bytes) -> object:
    """Decode JSON; raises ValueError. What orjson refuses (half a surrogate pair in a title) the stdlib reads."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode(), parse_constant=_refuse, parse_int=_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _number(digits: str) -> int | float:
    # as orjson has it; Python refuses to make an int of thousands of digits, and would refuse the answer with it
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def usable_id(value: object) -> str | None:
    """Return the id of a video or channel; None for what has not the form of one."""
    return value if isinstance(value, str) and _ID.fullmatch(value) is not None else None


def clean_text(value: object) -> str | None:
    """Return a text without NUL and with U+FFFD for lone surrogates; None for what is no text."""
    if not isinstance(value, str):
        return None
    if "\0" in value:
        value = value.replace("\0", "")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # Two halves of one character that stand side by side are joined, what is left alone is replaced.
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def parse_count(value: object) -> int | None:
    """Return a count, which YouTube writes as a string of digits; None outside of 0 to 2**63 - 1."""
    if isinstance(value, str):
        # The length is looked at first: int() of a very long text is slow, and refused by Python.
        if len(value) > _MAX_DIGITS or not (value.isascii() and value.isdigit()):
            return None
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return None
    return number if 0 <= number <= MAX_COUNT else None


def parse_time(value: object) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime in UTC; None without an offset."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is UTC:
            return time
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_duration(value: object) -> timedelta | None:
    """Return an ISO 8601 duration in weeks, days and smaller ("PT4M13S", "P0D"), or a protobuf one ("253.5s")."""
    if not isinstance(value, str):
        return None
    if (match := _DURATION.fullmatch(value)) is not None:
        weeks, days, hours, minutes, seconds = match.groups(0)
        try:
            return timedelta(
                weeks=int(weeks), days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds)
            )
        except OverflowError:
            return None
    if (match := _SECONDS.fullmatch(value)) is not None:
        return timedelta(seconds=float(match[1]))
    return None


def parse_millis(value: object) -> timedelta | None:
    """Return a duration in milliseconds, written like a count."""
    number = parse_count(value)
    try:
        return None if number is None else timedelta(milliseconds=number)
    except OverflowError:
        return None


def parse_category(value: object) -> int | None:
    """Return a category's number, which YouTube writes as a string; None beyond PostgreSQL's integer."""
    number = parse_count(value)
    return number if number is not None and number <= _MAX_CATEGORY else None


def clean_texts(value: object) -> list[str]:
    """Return the texts of a list, cleaned; what is no text, or empty, is left out."""
    if not isinstance(value, list):
        return []
    return [text for item in value if (text := clean_text(item))]
