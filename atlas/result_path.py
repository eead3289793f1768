"""Where the result file goes, for the moments in which the settings cannot be read yet. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["result_path"]

_OPTION = "--result-file"


def result_path(arguments: Sequence[str]) -> str | None:
    """Return what the option says, or else the environment (`MAIA_RESULT_FILE`; not `.env`); None for neither."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=False):
        if word == _OPTION:
            return after or None
        if word.startswith(f"{_OPTION}="):
            return word.partition("=")[2] or None
    value = os.environ.get("MAIA_RESULT_FILE", "").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":  # docker's --env-file keeps them
        value = value[1:-1].strip()
    return value or None
