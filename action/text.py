"""Make foreign text safe to print, also in Markdown: titles, tags, errors, the output of an engine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST_LINE = 1000
"""Characters of a line in a message; the result file's own limit."""
LONGEST_BLOCK = 4000
"""Maximum number of characters of foreign text in one block."""

# Unicode categories: Cc control characters such as ESC and CR, Cf invisible characters and those that change the text's
# direction; the others break lines or encoders
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_HELP = re.compile(r"(See|Run) 'docker ")


def sanitize(text: str) -> str:
    """Return `text` with each control character except line feeds replaced by a space."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in _UNPRINTABLE else " " for c in text)


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return `text` on one line of at most `longest` characters."""
    # cut first: foreign text has any length
    line = " ".join(sanitize(text[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def last_line(output: bytes) -> str:
    """Return the last line that is not blank, or ""; skip docker's hint to read its help."""
    lines = [one_line(line) for line in output.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line and not _HELP.match(line)), "")


def escape_workflow_commands(line: str) -> str:
    """Return `line` with workflow commands disabled.

    `::` is a command at the start of a line, `##[` anywhere in it (runner: ActionCommand).
    """
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def span(text: str) -> str:
    """Return `text` on one line as code: no link, HTML, emphasis or mention. Not for a table's cell."""
    # only a backtick could end the span, and a span cannot be empty
    inner = one_line(text).replace("`", "'") or " "
    return f"`{inner}`"


def cell(text: str, longest: int = 80) -> str:
    """Return `text` as code for a table's cell, of at most `longest` characters; "" stays empty."""
    # neither a backtick nor a pipe can be escaped in code in a cell, behind any number of backslashes
    inner = one_line(text, longest).replace("`", "'").replace("|", "\N{BROKEN BAR}")
    return f"`{inner}`" if inner else ""


def fenced(text: str) -> str:
    """Return `text` in a code block whose fence is longer than any run of backticks in it."""
    body = sanitize(text[:LONGEST_BLOCK]).strip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"{fence}text\n{body}\n{fence}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 1) -> str:
    """Return a table whose last `numbers` columns are aligned right. The cells must be sanitized already."""
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))
