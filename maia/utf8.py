"""Text files of users: decode UTF-8, or say what a file is and how to convert it. The action uses it too."""

from __future__ import annotations

import codecs
import shlex

_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""The longer marks first: the mark of UTF-32 starts with that of UTF-16."""


def decode(content: bytes, name: str) -> str:
    """Return the text of a file in UTF-8, without the byte order mark of some editors.

    Raise ValueError with its probable encoding and the command that converts it.
    """
    if (encoding := _wide(content)) is None:
        content = content.removeprefix(codecs.BOM_UTF8)
        try:
            return content.decode()
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
    """Return UTF-16 or UTF-32, by its mark or, without one, by the zero bytes of line feeds and Latin letters."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return encoding
    if b"\0" not in content:
        return None
    pairs = {content[at : at + 2] for at in range(0, len(content), 2)}
    little, big = b"\n\0" in pairs, b"\0\n" in pairs
    if little == big:  # no line feed decides
        little = content[1::2].count(0) >= content[::2].count(0)
    return "UTF-16LE" if little else "UTF-16BE"
