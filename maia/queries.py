"""Queries as people write them: on a command line, in a file, on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from maia.snowball import LONGEST

__all__ = ["read_queries"]

# they are no part of what is searched for, and would steer the terminal of whoever lists the queue
_NO_CONTROLS = dict.fromkeys([*range(1, 0x20), *range(0x7F, 0xA0)], " ") | {0: None}


def read_queries(queries: Iterable[str] | None, file: Path | None) -> list[str]:
    """The queries, each once, with single spaces and without control characters; empty ones are left out.

    Args:
        queries: as given one by one.
        file: one query a line, in UTF-8; a line that begins with ``#`` is a comment. ``-`` is standard input.

    Raises:
        ValueError: the file cannot be read, or a query is too long or no text; the message says which.
    """
    lines: list[str] = list(queries or ())
    if file is not None:
        name = "standard input" if str(file) == "-" else str(file)
        try:
            content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
            # some editors begin a file with a mark that would become part of the first query
            text = content.decode("utf-8-sig")
        except (OSError, ValueError) as error:  # a name with NUL, too, or bytes that are no UTF-8
            raise ValueError(f"{name} cannot be read: {error}") from None
        lines += [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    wanted = [" ".join(line.translate(_NO_CONTROLS).split()) for line in lines]
    wanted = list(dict.fromkeys(query for query in wanted if query))
    for query in wanted:
        if any("\ud800" <= char <= "\udfff" for char in query):  # bytes of the command line that are no UTF-8
            raise ValueError(f"a query is no text in UTF-8: {ascii(query)[:60]}")
        if len(query) > LONGEST:
            raise ValueError(f"a query has more than {LONGEST} characters: {query[:60]}…")
    return wanted
