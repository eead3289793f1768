"""Writing to a standard output that others read from."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import typer

__all__ = ["BROKEN_PIPE", "quietly"]

BROKEN_PIPE = 141
"""What a shell reports of a command whose reader went away: 128 + SIGPIPE."""


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """A reader that goes away, such as `head`, ends the command without a word."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # what is still buffered must not be tried again at the exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
