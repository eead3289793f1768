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
from atlas.times import time_as_json

__all__ = ["BROKEN_PIPE", "echo_json", "quietly"]


def echo_json(value: Any, *, indent: bool = False) -> None:
    """Print the value as JSON: in UTF-8, or in ASCII with escapes where standard output is not UTF-8.

    Args:
        value: what JSON can hold, and times.
        indent: on several lines, for people too; else on one.
    """
    layout = orjson.OPT_INDENT_2 if indent else 0
    text = orjson.dumps(value, default=time_as_json, option=orjson.OPT_PASSTHROUGH_DATETIME | layout)
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        text = json.dumps(json.loads(text), indent=2 if indent else None).encode("ascii")
    typer.echo(text)


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
