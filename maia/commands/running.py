"""Run a command that is no agent: an error is one line on stderr and its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import typer

from atlas.config import settings
from atlas.errors import AtlasError
from atlas.sanitize import sanitize_line
from maia.runtime.result_file import describe

__all__ = ["leave", "run"]

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run the work to its end; an error of ours becomes one line on stderr and its exit code."""

    async def main() -> T:
        return await work()

    for line in settings.notices:
        typer.echo(f"maia: {sanitize_line(line)}", err=True)
    try:
        return asyncio.run(main())
    except AtlasError as error:
        leave(error)


def leave(error: AtlasError) -> NoReturn:
    """Print the error and end the command with its code."""
    typer.echo(f"maia: {describe(error)}", err=True)
    raise typer.Exit(error.exit_code)
