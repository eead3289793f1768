"""The command line of Atlas."""

from __future__ import annotations

import sys

import typer

from atlas.commands import database, events, export, forget, notify, rebuild, roles, status, vault
from atlas.docs_pages import page
from atlas.help import verbatim
from atlas.streams import usable_streams

__all__ = ["app", "main"]

app = typer.Typer(
    name="atlas",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show local variables
    rich_markup_mode=None,
    help="Manage Maia's database: DATABASE_URL or, if unset, the embedded PostgreSQL.",
)
app.command()(database.migrate)
app.command()(status.status)
app.command()(roles.roles)
app.command()(events.events)
app.command()(notify.notify)
app.command(epilog=verbatim(f"Tables, columns and times:\n  {page('export.md')}"))(export.export)
app.add_typer(vault.app, name="vault")
app.command()(rebuild.rebuild)
app.command()(forget.forget)


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and ends the process with its code."""
    with usable_streams():
        app(arguments if arguments is not None else sys.argv[1:], prog_name="atlas")
