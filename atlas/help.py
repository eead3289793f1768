"""Format the texts of `--help`."""

from __future__ import annotations

__all__ = ["verbatim"]


def verbatim(text: str) -> str:
    """Return the text so that click keeps its lines: lists, tables, addresses."""
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in text.strip("\n").split("\n\n"))
