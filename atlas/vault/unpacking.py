"""Unpack a part in small pieces and within bounds, so that no part can take more memory than a record needs.

192 KiB of Zstandard can unpack to gigabytes. The whole part is unpacked once to check it, and once more to read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_LINE", "MAX_LINES", "MAX_RATIO", "MAX_TEXT", "RATIO_APPLIES_ABOVE", "checked_lines"]

MAX_TEXT = 4 * 2**30
"""Bytes that a part may unpack to."""

RATIO_APPLIES_ABOVE = 256 * 2**20
"""A part that unpacks to no more than this many bytes may have any ratio: what Maia writes is smaller."""

MAX_RATIO = 100
"""How many bytes each byte of a part may unpack to; records shrink to about an eighth."""

MAX_LINE = 64 * 2**20
"""Bytes of a line: a record of the largest size, escaped, and its columns."""

MAX_LINES = 1_000_000
"""Records that a part may hold."""

_MAX_WINDOW = 8 * 2**20  # bytes that a frame may refer back to; all levels of zstd up to 19 need no more
_INPUT = 512  # bytes unpacked at once; a block takes 4 bytes or more and gives up to 128 KiB, so up to 16 MiB


def checked_lines(body: bytes, name: str) -> Iterator[bytes | ValueError]:
    """Yield the lines of a part; in place of a line that is too long, an error.

    Args:
        body: the part; several parts may be joined, as `cat` does.
        name: its path, for the errors.

    Raises:
        ValueError: it is short, altered, no part, or unpacks to too much; before any line.
    """
    most = min(MAX_TEXT, max(RATIO_APPLIES_ABOVE, MAX_RATIO * len(body)))
    size = lines = 0
    for piece in _pieces(body, name):
        size += len(piece)
        lines += piece.count(b"\n")
        if lines > MAX_LINES:
            raise ValueError(f"{name} is damaged: it has more than {MAX_LINES:,} lines")
        if size > most:
            raise ValueError(f"{name} is damaged: its {len(body):,} bytes unpack to more than {most:,}")
    return _lines(body, name)


def _lines(body: bytes, name: str) -> Iterator[bytes | ValueError]:
    rest, too_long = bytearray(), False
    for piece in _pieces(body, name):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            yield _too_long() if too_long or len(rest) + end - start > MAX_LINE else bytes(rest) + piece[start:end]
            rest.clear()
            too_long, start = False, end + 1
        too_long = too_long or len(rest) + len(piece) - start > MAX_LINE
        if too_long:
            rest.clear()
        else:
            rest += memoryview(piece)[start:]
    if too_long or rest:
        yield _too_long() if too_long else bytes(rest)


def _too_long() -> ValueError:
    return ValueError(f"it has more than {MAX_LINE:,} bytes")


def _pieces(body: bytes, name: str) -> Iterator[bytes]:
    """Yield the text of all frames."""
    import zstandard  # noqa: PLC0415  only who unpacks pays for it

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
