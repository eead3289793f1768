"""Finding secrets in what others may read: as they are, encoded, escaped, and broken over lines."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

__all__ = ["SHORTEST", "find_leaks", "process_list"]

SHORTEST = 12
"""Characters that a secret must have at least: anything shorter is found where nothing leaked."""

_COLOURS = re.compile(rb"\x1b\[[0-9;:?]*[A-Za-z]")
_BLANKS = b" \t\r\n\v\f"
# what tables of the terminal draw at the end of a cell, and what a line that goes on ends with
_FRAMES = re.compile(rb"\xe2[\x94\x95][\x80-\xbf]|[|\\]")


def find_leaks(data: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Which of the secrets occur in some bytes, and how: one line for each secret and form, without the secret.

    Looked for are the secret itself, base64 of text in which it stands anywhere (both alphabets), hexadecimal,
    percent-encoding, JSON (once and twice), HTML, Python's and the shell's quoting, and UTF-16; each as it is, and
    where colours, line ends, blanks and a table's frames have got in between. What is compressed or encrypted is for
    the caller to open first.

    Args:
        data: the output of a process, a file, a dump.
        secrets: what is looked for, by the names that the lines show. Raises ValueError for one that is too short to
            be distinguished from other text.
    """
    pressed = _pressed(data)
    found: list[str] = []
    for name, value in secrets.items():
        whole = {}
        for form, needle in _forms(value):
            at = data.find(needle)
            if at >= 0:
                whole[form] = f"{name}: {form}, at byte {at:,} of {len(data):,}"
        if whole:
            found.extend(whole.values())
            continue
        broken = next((form for form, needle in _forms(value) if _pressed(needle) in pressed), None)
        if broken is not None:
            found.append(f"{name}: {broken}, broken over lines or cells")
    return found


def process_list() -> bytes:
    """The command lines of all processes, which every user of a machine may read; empty where there is no /proc."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" "))
        except OSError:  # it has ended
            continue
    return b"\n".join(lines)


def _pressed(data: bytes) -> bytes:
    """Without what comes between the parts of a word that is broken, and the backslashes of escapes."""
    return _FRAMES.sub(b"", _COLOURS.sub(b"", data)).translate(None, _BLANKS)


@lru_cache(maxsize=256)
def _forms(value: str) -> tuple[tuple[str, bytes], ...]:
    """The names of the forms and the bytes of each, every sequence of bytes once."""
    if len(value) < SHORTEST:
        raise ValueError(f"a secret of fewer than {SHORTEST} characters cannot be looked for")
    seen: dict[bytes, str] = {}
    for form, needle in _encoded(value):
        seen.setdefault(needle, form)
    return tuple((form, needle) for needle, form in seen.items())


def _encoded(value: str) -> Iterator[tuple[str, bytes]]:
    plain = value.encode("utf-8", "surrogateescape")
    yield "in clear", plain
    for offset in range(3):
        inner = _base64_of(plain, offset)
        yield "base64", inner
        yield "base64", inner.translate(bytes.maketrans(b"+/", b"-_"))
    for text in (plain.hex(), plain.hex().upper()):
        yield "hexadecimal", text.encode()
    for quote in (urllib.parse.quote, urllib.parse.quote_plus):
        for safe in ("", "/"):
            quoted = quote(value, safe=safe, errors="surrogateescape")
            yield "percent-encoded", quoted.encode()
            yield "percent-encoded", re.sub("%..", lambda match: match[0].lower(), quoted).encode()
    yield "percent-encoded", "".join(f"%{byte:02X}" for byte in plain).encode()
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield "in JSON", once.encode("utf-8", "surrogateescape")
        yield "in JSON", once.replace("/", "\\/").encode("utf-8", "surrogateescape")
        yield "in JSON within JSON", json.dumps(once, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape")
    yield "in HTML", html.escape(value).encode("utf-8", "surrogateescape")
    yield "in Python's quotes", repr(value)[1:-1].encode("utf-8", "backslashreplace")
    yield "in the shell's quotes", value.replace("'", "'\"'\"'").encode("utf-8", "surrogateescape")
    for codec in ("utf-16-le", "utf-16-be"):
        yield "UTF-16", value.encode(codec, "surrogatepass")


def _base64_of(plain: bytes, offset: int) -> bytes:
    """The characters that these bytes decide, with `offset` bytes before them and any bytes after them."""
    encoded = base64.b64encode(bytes(offset) + plain)
    unsure = -(-offset * 8 // 6)  # characters in which a bit of those before stands
    return encoded[unsure : (offset + len(plain)) * 8 // 6]
