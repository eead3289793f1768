"""The command line of ``maia``, ``maia-hunter`` and ``maia-tracker``; it begins in ``maia.__main__``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from atlas.errors import AtlasError
from maia import __version__
from maia.commands import agents, janitor, keys, plan, queue
from maia.commands.running import leave
from maia.sandbox import command as sandbox

__all__ = ["app", "main"]

app = typer.Typer(
    name="maia",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables
    rich_markup_mode=None,
    help="Discover YouTube videos and measure how fast they go viral, on one PostgreSQL.\n\n"
    "\b\nFirst steps:\n"
    '  maia queue add "your query"     what to search for\n'
    "  maia hunter                     discover videos\n"
    "  maia tracker                    read their counts again\n"
    "  maia janitor                    delete what is too old\n"
    "  maia keys                       what the keys have spent\n\n"
    "Settings come from the environment or .env: DATABASE_URL (unset: an embedded PostgreSQL), "
    "YOUTUBE_API_KEY_POOL_JSON and others, see docs/configuration.md. Without a key, `maia sandbox` is a local API.",
)
app.command(epilog=agents.EPILOG)(agents.hunter)
app.command(epilog=agents.EPILOG)(agents.tracker)
app.command(epilog=agents.EPILOG)(janitor.janitor)
app.command(epilog=agents.EPILOG)(plan.plan)
app.command(epilog=agents.EPILOG)(plan.verdict)
app.add_typer(queue.app, name="queue")
app.add_typer(keys.app, name="keys")
app.command(epilog=sandbox.EPILOG)(sandbox.sandbox)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"maia {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *, version: Annotated[bool, typer.Option("--version", callback=lambda wanted: _version(wanted=wanted))] = False
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and ends the process with its code."""
    try:
        app(arguments if arguments is not None else sys.argv[1:], prog_name="maia")
    except AtlasError as error:
        _end(error)


def _end(error: AtlasError) -> None:
    try:
        leave(error)
    except typer.Exit as exit_:
        sys.exit(exit_.exit_code)
