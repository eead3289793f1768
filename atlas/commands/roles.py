"""`atlas roles`."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas.commands.running import run
from atlas.database import database
from atlas.schema.roles import RoleNames, create_roles, plan_roles

_LONGEST = 63  # bytes; the server would cut off a longer name
_DEFAULT = RoleNames()


def roles(
    agent: Annotated[str, typer.Option(metavar="ROLE", help="For Hunters and Trackers.")] = _DEFAULT.agent,
    janitor: Annotated[
        str, typer.Option(metavar="ROLE", help="For the Janitor and the commands that delete.")
    ] = _DEFAULT.janitor,
    reader: Annotated[str, typer.Option(metavar="ROLE", help="For users who only read.")] = _DEFAULT.reader,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL for psql and change nothing.")] = False,
) -> None:
    """Create the database's roles, each with the minimum rights. Safe to repeat.

    Agents read, add and change rows; the Janitor deletes rows too; readers read. None of them can drop, alter, truncate
    or create a table. They are groups without a password: make a login of your own a member of one.

    \b
      GRANT maia_agent TO "the agents' login";

    Run it as the owner of the tables, with the right to create roles, after `atlas migrate`.
    """
    names = RoleNames(_checked(agent, "--agent"), _checked(janitor, "--janitor"), _checked(reader, "--reader"))
    if len(set(names)) < len(names):
        raise typer.BadParameter("three roles need three names", param_hint="--agent, --janitor or --reader")

    async def work() -> None:
        if dry_run:
            typer.echo(await plan_roles(database, names))
            return
        done = await create_roles(database, names)
        for name, may in (
            (names.agent, "reads, adds and changes rows: hunter, tracker, plan, verdict, queue add, keys resume"),
            (names.janitor, "deletes rows too: janitor, queue remove, atlas forget"),
            (names.reader, "reads the tables and views: atlas status, export, events"),
        ):
            typer.echo(f"{name} {'is new' if name in done.new else 'existed'}; it {may}")
        for name, excess in done.excess:
            typer.echo(f"{name} may do more than it needs: {excess}", err=True)

    run(work())


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
