"""Find the path of the result file before the settings can be read. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

__all__ = ["option_values", "result_path"]


def option_values(arguments: Sequence[str], option: str) -> Iterator[str]:
    """Yield what follows an option on a command line that is not parsed yet, as `OPTION VALUE` or `OPTION=VALUE`."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=False):
        if word == option:
            yield after
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def result_path(arguments: Sequence[str]) -> str | None:
    """Return the path from the option, or from `MAIA_RESULT_FILE` in the environment (not `.env`), or None."""
    for given in option_values(arguments, "--result-file"):
        return given or None
    value = os.environ.get("MAIA_RESULT_FILE", "").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":  # docker's --env-file keeps them
        value = value[1:-1].strip()
    return value or None
