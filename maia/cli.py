"""The command line of ``maia``, ``maia-hunter`` and ``maia-tracker``; it starts in ``maia.__main__``.

A shard of the Hunter or Tracker runs for seconds and starts thousands of times, and people wait for what they read:
such a command is loaded alone. ``app()`` has all commands.
"""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Annotated

import typer

from atlas.docs_pages import page
from atlas.errors import AtlasError
from atlas.help import verbatim
from atlas.streams import usable_streams
from maia import __version__
from maia.commands.running import leave

_HELP = (
    "Discover YouTube videos and measure how fast they go viral, on one PostgreSQL.\n\n"
    "\b\nFirst steps:\n"
    '  maia queue add "your query"     what to search for\n'
    "  maia hunter                     discover videos\n"
    "  maia tracker                    read their counts again\n"
    "  maia status                     how fresh the data is, and what to do next\n"
    "  maia janitor                    delete what is too old\n"
    "  maia keys                       what the keys have spent\n\n"
    "Settings come from the environment or .env: DATABASE_URL (unset: an embedded PostgreSQL), "
    "YOUTUBE_API_KEY_POOL_JSON and others. Without a key, `maia sandbox` is a local API."
)
_SHARDS = {"hunter", "tracker"}
_READING = {"metrics", "query", "report", "runs", "show", "status", "top", "watch"}
"""Commands that are in a module of their own name, and are loaded alone."""


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"maia {__version__}")
        raise typer.Exit


def _options(
    *, version: Annotated[bool, typer.Option("--version", callback=lambda wanted: _version(wanted=wanted))] = False
) -> None:
    pass


def _empty(epilog: str | None = None) -> typer.Typer:
    """Return ``maia`` without a command."""
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
    return found


def _add_shards(found: typer.Typer) -> None:
    """Add the Hunter's and the Tracker's command."""
    from maia.commands import agents  # noqa: PLC0415  who reads does not pay for it

    for command in (agents.hunter, agents.tracker):
        found.command(epilog=agents.EPILOG)(command)


def _add_reading(found: typer.Typer, name: str) -> None:
    """Add a command that reads."""
    module = importlib.import_module(f"maia.commands.{name}")
    found.command(epilog=getattr(module, "EPILOG", None))(getattr(module, name))


def _loaded(name: str) -> typer.Typer:
    """Return ``maia`` with at least this command."""
    found = _empty()
    if name in _SHARDS:
        _add_shards(found)
    elif name in _READING:
        _add_reading(found, name)
    else:
        return app()
    return found


@functools.cache
def app() -> typer.Typer:
    """Return ``maia`` with every command."""
    from maia.commands import (  # noqa: PLC0415  see above
        agents,
        db,
        janitor,
        keys,
        plan,
        queue,
        sandbox,
        verdict,
    )

    found = _empty(verbatim(f"All settings:\n  {page('configuration.md')}"))
    _add_shards(found)
    kept = verbatim(f"What is kept for how long:\n  {page('retention.md#what-is-kept-for-how-long')}")
    found.command(epilog=f"{kept}\n\n{agents.EPILOG}")(janitor.janitor)
    found.command(epilog=agents.EPILOG)(plan.plan)
    found.command(epilog=agents.EPILOG)(verdict.verdict)
    found.add_typer(queue.app, name="queue")
    found.add_typer(keys.app, name="keys")
    for name in sorted(_READING):
        _add_reading(found, name)
    found.add_typer(db.make_app(), name="db")
    found.command(epilog=sandbox.EPILOG)(sandbox.sandbox)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its code."""
    words = arguments if arguments is not None else sys.argv[1:]
    with usable_streams():
        try:
            _loaded(words[0] if words else "")(words, prog_name="maia")
        except AtlasError as error:
            leave(error)
