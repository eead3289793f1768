"""`maia db`: every command of `atlas`, and psql on the same database."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import signal
from typing import Annotated

import typer

from atlas.cli import app as atlas
from atlas.database import database
from atlas.db.psql import find_psql, run_psql
from atlas.help import called, in_program
from maia.commands.running import run

__all__ = ["NAME", "make_app"]

NAME = "maia db"


def make_app() -> typer.Typer:
    """Return `maia db`: the commands of `atlas` with texts that name them so, and its own."""
    found = _renamed(atlas)
    found.callback()(_options)
    found.command(context_settings={"ignore_unknown_options": True})(psql)
    return found


def _options(context: typer.Context) -> None:
    """Manage Maia's database: DATABASE_URL or, if unset, the embedded PostgreSQL. Every command of `atlas` is here."""
    context.with_resource(called(NAME))


def _renamed(program: typer.Typer) -> typer.Typer:
    """Return a copy of a program whose texts name `maia db`."""
    found = copy.copy(program)
    found.registered_commands = [copy.copy(each) for each in program.registered_commands]
    found.registered_groups = [copy.copy(each) for each in program.registered_groups]
    for command in found.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        command.help = in_program(text, NAME)
        command.epilog = in_program(command.epilog, NAME) if command.epilog else None
    for group in found.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance = _renamed(group.typer_instance)
    return found


def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of psql, behind --.")] = None,
) -> None:
    """Run psql on the database: that of DATABASE_URL, or the embedded one.

    The password is in psql's environment, not among its arguments. Ends with psql's exit code.

    \b
      maia db psql
      maia db psql -- --command "SELECT count(*) FROM videos"
      maia query fastest --sql | maia db psql
    """

    async def work() -> int:
        find_psql()  # before a server is started for it
        try:
            url = await database.dsn()
            with contextlib.suppress(ValueError):  # only in the main thread
                signal.signal(signal.SIGINT, lambda *_: None)  # psql's own: it ends a statement, and not psql
            return await asyncio.to_thread(run_psql, url, arguments or ())
        finally:
            await database.close()

    raise typer.Exit(run(work))
