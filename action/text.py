"""Make foreign text safe to print: titles, tags, errors, what an engine printed; and Markdown that it cannot break."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["LONGEST_LINE", "escape_workflow_commands", "fenced", "last_line", "one_line", "sanitize", "span", "table"]

LONGEST_LINE = 1000
"""Characters of a line in a message; the result file's own limit."""
LONGEST_BLOCK = 4000
"""Characters of foreign text that are shown in one block."""

# Cc: controls, with ESC and CR among them; Cf: what turns the direction of text or is not seen; the rest breaks lines
# or encoders
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_HELP = re.compile(r"(See|Run) 'docker ")


def sanitize(text: str) -> str:
    """Return `text` with a space for each control character but line feeds."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in _UNPRINTABLE else " " for c in text)


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return `text` on one line of at most `longest` characters."""
    # cut first: foreign text may be of any length
    line = " ".join(sanitize(text[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def last_line(output: bytes) -> str:
    """Return the last line with anything in it, or nothing; docker's advice to read its help does not count."""
    lines = [one_line(line) for line in output.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line and not _HELP.match(line)), "")


def escape_workflow_commands(line: str) -> str:
    """Return `line` such that the runner sees no command in it.

    A command of the new form begins a line with `::`; one of the old form is found anywhere (runner: ActionCommand).
    """
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def span(text: str) -> str:
    """Return `text` on one line as code: no link, HTML, emphasis or mention. Not for a table's cell."""
    # a backtick is all that could end it, and there is no empty one
    inner = one_line(text).replace("`", "'") or " "
    return f"`{inner}`"


def fenced(text: str) -> str:
    """Return `text` in a code block whose fence is longer than any run of backticks in it."""
    body = sanitize(text[:LONGEST_BLOCK]).strip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"{fence}text\n{body}\n{fence}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 1) -> str:
    """Return a table whose last `numbers` columns are aligned right. The cells must be harmless already."""
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))
