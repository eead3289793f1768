"""Queries as people write them: on a command line, in a file, on standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas.search_terms import query_term, spelling
from maia.utf8 import decode

MOST_SHOWN = 20  # bad lines that are listed one by one

_LINE_ENDS = re.compile(r"\r\n|\r|\n")  # those that an editor counts; str.splitlines() knows more


@dataclass(frozen=True)
class BadLine:
    """A line of a file that is no query: its number from 1, what is wrong with it as a predicate, and its beginning."""

    number: int
    reason: str
    text: str

    def __str__(self) -> str:
        return f"line {self.number} {self.reason}: {self.text}"


@dataclass(frozen=True)
class Queries:
    """What was read: each query once, as it was spelled, in its order, and the lines that are no queries."""

    wanted: Sequence[str] = ()
    bad: Sequence[BadLine] = ()

    def problems(self) -> list[str]:
        """Return one line for each bad line, at most ``MOST_SHOWN``, and one for the rest."""
        rest = len(self.bad) - MOST_SHOWN
        return [*map(str, self.bad[:MOST_SHOWN]), *([f"{rest:,} more lines are no queries"] if rest > 0 else [])]


def read_queries(queries: Iterable[str] | None, file: Path | None) -> Queries:
    """Return the queries, each once whatever its spelling, with single spaces and without control characters.

    A file (``-``: standard input) has one query a line, in UTF-8; empty lines and comments (``#``) are left out. Raises
    ValueError where it cannot be read, or one of ``queries`` is no query.
    """
    wanted: dict[str, str] = {}
    for query in queries or ():
        if spelled := spelling(query):
            try:
                wanted.setdefault(query_term(query), spelled)
            except ValueError as error:
                raise ValueError(f"a query {error}: {_shown(query)}") from None
    bad: list[BadLine] = []
    for number, line in enumerate(_lines(file) if file is not None else [], 1):
        spelled = spelling(line)
        if not spelled or spelled.startswith("#"):
            continue
        try:
            wanted.setdefault(query_term(line), spelled)
        except ValueError as error:
            bad.append(BadLine(number, str(error), _shown(spelled)))
    return Queries(list(wanted.values()), bad)


def _lines(file: Path) -> list[str]:
    name = "standard input" if str(file) == "-" else str(file)
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except (OSError, ValueError) as error:  # a name with NUL, too
        raise ValueError(f"{name} cannot be read: {error}") from None
    return _LINE_ENDS.split(decode(content, name))


def _shown(text: str) -> str:
    """Its beginning, as far as it can be printed."""
    begin = text[:60] if text[:60].isprintable() else ascii(text[:60])[1:-1][:60]
    return begin + ("…" if len(text) > 60 else "")
