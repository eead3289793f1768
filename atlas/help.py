"""Format the texts of `--help`, and name the program in what it prints."""

from __future__ import annotations

import contextlib
import contextvars
import re
from collections.abc import Iterator

__all__ = ["called", "in_program", "program", "verbatim"]

_program = contextvars.ContextVar("program", default="atlas")
_NAMED = re.compile(r"\batlas (?=[a-z])")


def verbatim(text: str) -> str:
    """Return the text so that click keeps its lines: lists, tables, addresses."""
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in text.strip("\n").split("\n\n"))


def program() -> str:
    """Return the name under which the commands of `atlas` run."""
    return _program.get()


@contextlib.contextmanager
def called(name: str) -> Iterator[None]:
    """Let the commands of `atlas` run under another name, such as ``maia db``."""
    token = _program.set(name)
    try:
        yield
    finally:
        _program.reset(token)


def in_program(text: str, name: str | None = None) -> str:
    """Return a text that names commands of `atlas` with the name under which they run."""
    return _NAMED.sub(f"{name or program()} ", text)
