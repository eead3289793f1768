"""The command line of ``maia``, ``maia-hunter`` and ``maia-tracker``; it starts in ``maia.__main__``.

A shard of the Hunter or Tracker runs for seconds and starts thousands of times, so it gets only the agents' commands
and does not import the others. ``app()`` has all commands.
"""

from __future__ import annotations

import functools
import sys
from typing import Annotated

import typer

from atlas.docs_pages import page
from atlas.errors import AtlasError
from atlas.help import verbatim
from atlas.streams import usable_streams
from maia import __version__
from maia.commands import agents
from maia.commands.running import leave

__all__ = ["app", "main"]

_HELP = (
    "Discover YouTube videos and measure how fast they go viral, on one PostgreSQL.\n\n"
    "\b\nFirst steps:\n"
    '  maia queue add "your query"     what to search for\n'
    "  maia hunter                     discover videos\n"
    "  maia tracker                    read their counts again\n"
    "  maia janitor                    delete what is too old\n"
    "  maia keys                       what the keys have spent\n\n"
    "Settings come from the environment or .env: DATABASE_URL (unset: an embedded PostgreSQL), "
    "YOUTUBE_API_KEY_POOL_JSON and others. Without a key, `maia sandbox` is a local API."
)
_SHARDS = {"hunter": agents.hunter, "tracker": agents.tracker}


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"maia {__version__}")
        raise typer.Exit


def _options(
    *, version: Annotated[bool, typer.Option("--version", callback=lambda wanted: _version(wanted=wanted))] = False
) -> None:
    pass


def _shards(epilog: str | None = None) -> typer.Typer:
    """``maia`` with the commands of shards alone."""
    found = typer.Typer(
        name="maia",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # they show local variables
        rich_markup_mode=None,
        help=_HELP,
        epilog=epilog,
    )
    found.callback()(_options)
    for name, command in _SHARDS.items():
        found.command(name, epilog=agents.EPILOG)(command)
    return found


@functools.cache
def app() -> typer.Typer:
    """``maia`` with every command."""
    from maia.commands import janitor, keys, plan, queue, sandbox, verdict  # noqa: PLC0415  a shard does not pay for these

    found = _shards(verbatim(f"All settings:\n  {page('configuration.md')}"))
    kept = verbatim(f"What is kept for how long:\n  {page('retention.md#what-is-kept-for-how-long')}")
    found.command(epilog=f"{kept}\n\n{agents.EPILOG}")(janitor.janitor)
    found.command(epilog=agents.EPILOG)(plan.plan)
    found.command(epilog=agents.EPILOG)(verdict.verdict)
    found.add_typer(queue.app, name="queue")
    found.add_typer(keys.app, name="keys")
    found.command(epilog=sandbox.EPILOG)(sandbox.sandbox)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and ends the process with its code."""
    words = arguments if arguments is not None else sys.argv[1:]
    with usable_streams():
        try:
            (_shards() if words[:1] and words[0] in _SHARDS else app())(words, prog_name="maia")
        except AtlasError as error:
            _end(error)


def _end(error: AtlasError) -> None:
    try:
        leave(error)
    except typer.Exit as exit_:
        sys.exit(exit_.exit_code)
