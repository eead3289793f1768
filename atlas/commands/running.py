"""How a command of ``atlas`` runs: one event loop, and an exit code and one line for what Atlas raises."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from atlas.database import database
from atlas.errors import AtlasError, scrub

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run"]

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns; the process's database is closed after it. Ends the command for an AtlasError."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")

    async def main() -> T:
        try:
            return await work
        finally:
            await database.close()

    try:
        return asyncio.run(main())
    except AtlasError as error:
        typer.echo(f"atlas: {scrub(str(error))}", err=True)
        raise typer.Exit(error.exit_code) from None
