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
from atlas.errors import AtlasError
from atlas.redaction import scrub
from atlas.sanitize import sanitize_line

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
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # in the main thread of an Unix alone
            _heed_signals(stopped)
        try:
            return await work
        finally:
            await database.close()

    stopped: list[signal.Signals] = []
    for line in settings.notices:
        typer.echo(f"atlas: {sanitize_line(line)}", err=True)
    try:
        return asyncio.run(main())
    except (AtlasError, KeyboardInterrupt, asyncio.CancelledError) as error:
        if isinstance(error, AtlasError) and not stopped:
            typer.echo(f"atlas: {sanitize_line(scrub(str(error)))}", err=True)
            raise typer.Exit(error.exit_code) from None
        typer.echo(f"atlas: {interrupted}", err=True)
        raise typer.Exit(128 + (stopped[0] if stopped else signal.SIGINT)) from None


def _heed_signals(came: list[signal.Signals]) -> None:
    """Have SIGINT and SIGTERM cancel this task, and a silent database not delay its end."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end(number: signal.Signals) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        database.hurry()
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, number)
