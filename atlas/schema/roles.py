"""Create the database's roles with no more rights than their work needs: for agents, the Janitor and analysts.

They cannot log in: an operator grants one of them to a login (``GRANT maia_agent TO …``), so Maia needs no password.
Their rights are in ``atlas/sql/roles/grant_rights.sql``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg

from atlas.config import settings
from atlas.db.errors import map_driver_errors
from atlas.db.queries import sql
from atlas.db.server_info import schema_version
from atlas.errors import ConfigError, SchemaError
from atlas.snapshots.ddl import Connector, run_ddl


class RoleNames(NamedTuple):
    """The names of the roles, which belong to the server and not to one database."""

    agent: str = "maia_agent"  # Hunter, Tracker, plan and verdict: read, add and change rows
    janitor: str = "maia_janitor"  # the Janitor and the commands that delete: delete rows too
    reader: str = "maia_reader"  # analysts: read what was collected


@dataclass(frozen=True)
class RolesCreated:
    """The created roles, and pairs of a role and an excess privilege, such as ``create roles``."""

    new: tuple[str, ...]
    excess: tuple[tuple[str, str], ...]


async def plan_roles(database: Connector, names: RoleNames) -> str:
    """Return the SQL that would create the roles, without changing anything. Raises as ``create_roles`` does."""
    connection = await database.connect()
    try:
        with map_driver_errors(), _explained():
            new, rights = await _plan(connection, names)
            created = [f"{sql('roles/create_role', role=name).rstrip()};" for name in new]
            return "\n".join(["BEGIN;", *created, rights.rstrip(), "COMMIT;"])
    finally:
        await connection.close()


async def create_roles(database: Connector, names: RoleNames) -> RolesCreated:
    """Create the missing roles and give each exactly its rights on Atlas's tables, in one transaction.

    Safe to repeat, and while shards run. Raises SchemaError if the tables are missing, and ConfigError if the user
    lacks the rights, or a name belongs to a role that must keep its rights, such as the owner.
    """
    connection = await database.connect()
    try:
        with map_driver_errors(), _explained():
            return await run_ddl(connection, lambda: _create(connection, names))
    finally:
        await connection.close()


async def _create(connection: asyncpg.Connection, names: RoleNames) -> RolesCreated:
    new, rights = await _plan(connection, names)
    for name in new:
        # another database of the server may create it at the same time
        with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute(sql("roles/create_role", role=name))
    await connection.execute(rights)
    found = await connection.fetch(sql("roles/find_excess_privileges"), list(names))
    return RolesCreated(tuple(new), tuple((row["name"], row["may"]) for row in found))


async def _plan(connection: asyncpg.Connection, names: RoleNames) -> tuple[list[str], str]:
    """Return the names of the missing roles, and the statements that set the rights of all three."""
    if await schema_version(connection) is None:
        raise SchemaError(
            f"The database has no Atlas schema named '{settings.database_schema}'. Run `atlas migrate` first."
        )
    roles = await connection.fetch(sql("roles/inspect_roles"), list(names))
    unsafe = "; ".join(f"{row['name']} {row['unsafe']}" for row in roles if row["unsafe"])
    if unsafe:
        raise ConfigError(f"Rights cannot be set for these roles: {unsafe}. Name others: --agent, --janitor, --reader.")
    rights = sql(
        "roles/grant_rights",
        agent=names.agent, janitor=names.janitor, reader=names.reader, owner=roles[0]["owner"],
    )  # fmt: skip
    return [row["name"] for row in roles if not row["exists"]], rights


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Map errors about a missing right or table to errors that say what to do."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(
            f"DATABASE_URL: this user may not create the roles: {error.args[0]}. Run `atlas roles` as the "
            "tables' owner, with CREATEROLE, or have an administrator run what `atlas roles --dry-run` prints."
        ) from None
    except asyncpg.UndefinedTableError as error:
        raise SchemaError(f"A table or view is missing: {error.args[0]}. Run `atlas migrate` first.") from None
