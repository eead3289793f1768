"""Run a command that is no agent: an error is one line on stderr and its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import typer

from atlas.config import settings
from atlas.errors import AtlasError
from atlas.sanitize import sanitize_line
from maia.runtime.result_file import describe

T = TypeVar("T")


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the work to its end; an error of ours becomes one line on stderr and its exit code."""
    for line in settings.notices:
        typer.echo(f"maia: {sanitize_line(line)}", err=True)
    try:
        return asyncio.run(work())
    except AtlasError as error:
        leave(error)


def leave(error: AtlasError) -> NoReturn:
    """Print the error and end the process with its code."""
    typer.echo(f"maia: {describe(error)}", err=True)
    raise SystemExit(error.exit_code)
