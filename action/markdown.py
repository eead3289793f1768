"""Writing Markdown that no foreign text can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from action.text import one_line, printable

__all__ = ["fenced", "span", "table"]

LONGEST_BLOCK = 4000
"""Characters of foreign text that are shown in one block."""


def span(text: str) -> str:
    """`text` on one line as code: nothing in it is a link, HTML, emphasis or a mention. Not for the cell of a table."""
    # a backtick is all that could end it, and there is no empty one
    inner = one_line(text).replace("`", "'") or " "
    return f"`{inner}`"


def fenced(text: str) -> str:
    """`text` in a code block whose fence is longer than any run of backticks in it."""
    body = printable(text[:LONGEST_BLOCK]).strip("\n")
    longest = max((len(run) for run in re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 1) -> str:
    """A table; its last `numbers` columns are aligned right. The cells must be harmless already."""
    width = len(header)
    rule = ["---:" if column >= width - numbers else "---" for column in range(width)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))
