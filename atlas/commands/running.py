"""How a command of ``atlas`` runs: one event loop, and an exit code and one line for what Atlas raises."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError, scrub
from atlas.plain import harmless

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run"]

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], *, interrupted: str = "interrupted") -> T:
    """What the coroutine returns; the process's database is closed after it.

    Ends the command for an AtlasError with its exit code, and for SIGINT and SIGTERM with 130 and 143.

    Args:
        work: the command's.
        interrupted: what is said after such a signal.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")

    async def main() -> T:
        task = asyncio.current_task()
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # in the main thread of an Unix alone
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel if task else int)
        try:
            return await work
        finally:
            await database.close()

    for line in settings.notices:
        typer.echo(f"atlas: {harmless(line)}", err=True)
    try:
        return asyncio.run(main())
    except AtlasError as error:
        typer.echo(f"atlas: {harmless(scrub(str(error)))}", err=True)
        raise typer.Exit(error.exit_code) from None
    except (KeyboardInterrupt, asyncio.CancelledError) as stopped:
        typer.echo(f"atlas: {interrupted}", err=True)
        raise typer.Exit(130 if isinstance(stopped, KeyboardInterrupt) else 143) from None
