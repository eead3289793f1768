"""`atlas roles`."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas.commands.running import run
from atlas.database import database
from atlas.schema.roles import Names, make_roles, planned

__all__ = ["roles"]

_LONGEST = 63  # bytes; the server would cut a longer name off
_DEFAULT = Names()


def roles(
    agent: Annotated[str, typer.Option(metavar="ROLE", help="Of Hunters and Trackers.")] = _DEFAULT.agent,
    janitor: Annotated[
        str, typer.Option(metavar="ROLE", help="Of the Janitor, and of the commands that delete.")
    ] = _DEFAULT.janitor,
    reader: Annotated[str, typer.Option(metavar="ROLE", help="Of those who only read.")] = _DEFAULT.reader,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the SQL and change nothing; psql takes it as it is.")
    ] = False,
) -> None:
    """Make the database's roles, with no more rights than each needs. Safe to repeat.

    Agents read, add and change rows; the Janitor deletes rows too; readers read. None of them can drop, alter, truncate
    or create a table. They are groups without a password: make a login of your own a member of one.

    \b
      GRANT maia_agent TO "the agents' login";

    Run it as the owner of the tables, with the right to make roles, after `atlas migrate`.
    """
    names = Names(_checked(agent, "--agent"), _checked(janitor, "--janitor"), _checked(reader, "--reader"))
    if len(set(names)) < len(list(names)):
        raise typer.BadParameter("three roles need three names", param_hint="--agent, --janitor or --reader")

    async def show() -> None:
        statements = [*(await planned(database, names))]
        typer.echo("\n".join(f"{statement.strip()};" for statement in ("BEGIN", *statements, "COMMIT")))

    async def make() -> None:
        done = await make_roles(database, names)
        for name, may in (
            (names.agent, "reads, adds and changes rows: hunter, tracker, plan, verdict, queue add, keys resume"),
            (names.janitor, "deletes rows too: janitor, queue remove, atlas forget"),
            (names.reader, "reads the tables and views: atlas status, export, events"),
        ):
            typer.echo(f"{name} {'is made' if name in done.made else 'was there'}; it {may}")
        for one in done.excess:
            typer.echo(f"{one.name} may do more than it needs: {one.may}", err=True)

    run(show() if dry_run else make())


def _checked(name: str, option: str) -> str:
    problem = None
    if not name or "\0" in name:
        problem = "a role needs a name"
    elif len(name.encode()) > _LONGEST:
        problem = f"a role's name has at most {_LONGEST} bytes"
    elif name.startswith("pg_") or name in {"public", "none"}:
        problem = f"{name} is a name that PostgreSQL keeps for itself"
    if problem:
        raise typer.BadParameter(problem, param_hint=option)
    return name
