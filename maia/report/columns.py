"""Code columns of numbers, texts and ids in few bytes. ``maia.report.payload`` describes the whole encoding."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["SLOTS", "Ids", "Numbers", "Sparklines", "Texts", "log_code"]

SLOTS = 24
"""The heights of a sparkline."""
_ID = re.compile(rb"[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]")


def log_code(value: float, scale: int) -> int:
    """Return the code of a number on a logarithmic scale: its sign times ln(1 + |value|) times the scale."""
    code = round(math.log1p(abs(value)) * scale)
    return -code if value < 0 else code


class Numbers:
    """Whole numbers, seven bits to a byte.

    Args:
        signed: n is written as 2n, a negative one as -2n - 1.
        nullable: 0 is None, and others are written one larger.
        delta: each is written as its difference from the one before it; the first from 0.
        minus: the name of a column from whose number each is the difference; the caller subtracts.
        log: the scale of logarithmic codes; None: the numbers themselves.
        scale: what a number is divided by, to be read; 10: tenths.
        unit: for people.
    """

    def __init__(
        self, *, unit: str, signed: bool = False, nullable: bool = False, delta: bool = False,
        minus: str | None = None, log: int | None = None, scale: int = 1,
    ) -> None:  # fmt: skip
        self.data = bytearray()
        self.count = 0
        self._signed, self._nullable, self._delta = signed, nullable, delta
        self._options = {"minus": minus, "log": log, "scale": scale if scale != 1 else None}
        self._unit = unit
        self._last = 0

    def extend(self, values: Iterable[int | None]) -> None:
        """Append numbers. One loop, since a page has millions."""
        signed, nullable, delta, last = self._signed, self._nullable, self._delta, self._last
        append = self.data.append
        for value in values:
            self.count += 1
            if value is None:
                if not nullable:
                    raise ValueError("None in a column that has a number in each row")
                append(0)
                continue
            if delta:
                value, last = value - last, value  # noqa: PLW2901
            if signed:
                value = 2 * value if value >= 0 else -2 * value - 1  # noqa: PLW2901
            if value < 0:
                raise ValueError("a negative number in a column without a sign")
            value += nullable  # noqa: PLW2901
            while value > 127:
                append(value & 127 | 128)
                value >>= 7  # noqa: PLW2901
            append(value)
        self._last = last

    def about(self) -> dict[str, Any]:
        """Return what a reader needs to know."""
        flags = {"signed": self._signed, "nullable": self._nullable, "delta": self._delta}
        options = {name: value for name, value in (flags | self._options).items() if value}
        return {"coding": "numbers", "unit": self._unit, **options}


class Texts:
    """Texts in UTF-8, with a line feed after each."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.count = 0

    def add(self, text: str) -> None:
        """Append a text, which holds no line feed."""
        self.count += 1
        self.data += text.encode("utf-8", "replace")
        self.data += b"\n"

    def about(self) -> dict[str, Any]:
        """Return what a reader needs to know."""
        return {"coding": "texts"}


class Ids:
    """Ids of videos in eight bytes each or, if one of them is not like YouTube's, as texts."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.count = 0
        self._packed = True

    def add(self, video_id: str) -> None:
        """Append an id."""
        self.count += 1
        raw = video_id.encode("utf-8", "replace")
        if self._packed and not _ID.fullmatch(raw):
            self._unpack()
        if self._packed:
            self.data += binascii.a2b_base64(raw.translate(_STANDARD) + b"=")
        else:
            self.data += raw.replace(b"\n", b" ") + b"\n"

    def _unpack(self) -> None:
        packed, self.data, self._packed = bytes(self.data), bytearray(), False
        for start in range(0, len(packed), 8):
            self.data += base64.urlsafe_b64encode(packed[start : start + 8]).rstrip(b"=") + b"\n"

    def about(self) -> dict[str, Any]:
        """Return what a reader needs to know."""
        return {"coding": "ids" if self._packed else "texts"}


_STANDARD = bytes.maketrans(b"-_", b"+/")


class Sparklines:
    """Rows of 24 heights from 0 to 7, in twelve bytes: four bits each, the higher ones of a byte first."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.count = 0

    def add(self, heights: Sequence[int] | None) -> None:
        """Append the heights of a video; None: it has none."""
        self.count += 1
        self.data += bytes.fromhex(bytes(heights or SLOTS).hex()[1::2])

    def about(self) -> dict[str, Any]:
        """Return what a reader needs to know."""
        return {"coding": "sparklines"}
