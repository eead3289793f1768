"""Text files of users: UTF-8, or a message that says what a file is and how to convert it. The action uses it too."""

from __future__ import annotations

import codecs
import shlex

__all__ = ["decode"]

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""The longer marks first: that of UTF-32 begins with that of UTF-16."""

_SAMPLE = 10_000  # bytes


def decode(content: bytes, name: str) -> str:
    """Return the text of a file in UTF-8, without the mark that some editors begin it with.

    Raises:
        ValueError: it is not UTF-8; the message names the file, its probable encoding and the command that converts it.
    """
    if (encoding := _wide(content)) is None:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            where = f"byte 0x{content[error.start]:02X} in line {line}"
            # Windows-1252 has letters and quotes where Latin-1 has control characters
            encoding = "WINDOWS-1252" if any(0x80 <= byte < 0xA0 for byte in content) else "ISO-8859-1"
            what = f"it is not UTF-8 ({where}), and is probably Latin-1 or Windows-1252"
    else:
        what = f"it is {encoding[:6]}, not UTF-8"
    source = shlex.quote(name) if name != "standard input" else "queries.txt"
    raise ValueError(
        f"{name} cannot be read: {what}. Convert it: iconv -f {encoding} -t UTF-8 {source} > queries-utf8.txt"
    )


def _wide(content: bytes) -> str | None:
    """UTF-16 or UTF-32, by its mark or, without one, by the zero bytes that Latin letters have in it."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    even, odd = content[:_SAMPLE:2], content[1:_SAMPLE:2]
    if odd and odd.count(0) > len(odd) * 0.4 and not even.count(0):
        return "UTF-16LE"
    if odd and even.count(0) > len(even) * 0.4 and not odd.count(0):
        return "UTF-16BE"
    return None
