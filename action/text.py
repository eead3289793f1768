"""Making text harmless that others wrote: titles, tags, errors, what an engine printed."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["LONGEST_LINE", "defused", "last_line", "one_line", "printable"]

LONGEST_LINE = 1000
"""Characters of a line in a message; the result file's own limit."""

# Cc: controls, with ESC and CR among them; Cf: what turns the direction of text or is not seen; the rest breaks lines
# or encoders
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_HELP = re.compile(r"(See|Run) 'docker ")


def printable(text: str) -> str:
    """`text` without control characters but line feeds; a space stands for each."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in _UNPRINTABLE else " " for c in text)


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` on one line of at most `longest` characters."""
    # cut before it is looked at: what is foreign may be as long as it likes
    line = " ".join(printable(text[: 4 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def last_line(output: bytes) -> str:
    """The last line with anything in it, or nothing; docker's advice to read its help is no such line."""
    lines = [one_line(line) for line in output.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line and not _HELP.match(line)), "")


def defused(line: str) -> str:
    """`line` such that the runner sees no command in it.

    A command of the new form begins a line with `::`; one of the old form is found anywhere (runner: ActionCommand).
    """
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line
