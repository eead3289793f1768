"""Print JSON on standard output."""

from __future__ import annotations

import json
import sys
from typing import Any

import orjson
import typer

from atlas.times import time_as_json

__all__ = ["echo_json"]


def echo_json(value: Any, *, indent: bool = False) -> None:
    """Print the value, with times, as JSON: in UTF-8, or escaped in ASCII where standard output is not UTF-8."""
    layout = orjson.OPT_INDENT_2 if indent else 0
    text = orjson.dumps(value, default=time_as_json, option=orjson.OPT_PASSTHROUGH_DATETIME | layout)
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        text = json.dumps(json.loads(text), indent=2 if indent else None).encode("ascii")
    typer.echo(text)
