"""Run a command of `atlas`: one event loop, and an exit code and one line for an error of Atlas."""

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
from atlas.help import in_program, program
from atlas.redaction import scrub
from atlas.sanitize import sanitize_line

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], *, interrupted: str = "interrupted") -> T:
    """Return what the coroutine returns, and close the process's database.

    End the command with the exit code of an AtlasError and, with the line ``interrupted``, 130 or 143 after a signal.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")

    async def main() -> T:
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # only in the main thread, on Unix
            _handle_signals(stopped)
        try:
            return await work
        finally:
            await database.close()

    stopped: list[signal.Signals] = []
    for line in settings.notices:
        typer.echo(f"{program()}: {sanitize_line(line)}", err=True)
    try:
        return asyncio.run(main())
    except (AtlasError, KeyboardInterrupt, asyncio.CancelledError) as error:
        if isinstance(error, AtlasError) and not stopped:
            typer.echo(f"{program()}: {in_program(sanitize_line(scrub(str(error))))}", err=True)
            raise typer.Exit(error.exit_code) from None
        typer.echo(f"{program()}: {in_program(interrupted)}", err=True)
        raise typer.Exit(128 + (stopped[0] if stopped else signal.SIGINT)) from None


def _handle_signals(received: list[signal.Signals]) -> None:
    """Let SIGINT and SIGTERM cancel this task, without a delay by a silent database."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        database.hurry()
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, number)
