"""Writing to a standard output that others read from."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import typer

from atlas.streams import BROKEN_PIPE

__all__ = ["BROKEN_PIPE", "echo_json", "quietly"]


def echo_json(value: Any) -> None:
    """Print the value as JSON on one line: in UTF-8, or in ASCII with escapes where standard output is not UTF-8."""
    line = orjson.dumps(value)
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        line = json.dumps(json.loads(line)).encode("ascii")
    typer.echo(line)


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
