"""Roles of the database with no more rights than their work needs: for agents, for the Janitor, for analysts.

They are groups that nobody logs in as: a login is given one of them (``GRANT maia_agent TO …``), so that no password is
known here. The rights stand on the tables themselves. Partitions and chunks are used by way of ``video_stats_log``,
also those to come; tables of a later release reach agents and Janitor by the owner's default privileges, and analysts
when the roles are made again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg

from atlas.config import settings
from atlas.db.errors import map_driver_errors
from atlas.db.queries import sql
from atlas.db.server_info import schema_version
from atlas.errors import ConfigError, SchemaError
from atlas.snapshots.steps import Connects, shortly

__all__ = ["Done", "Excess", "Names", "make_roles", "planned"]


@dataclass(frozen=True)
class Names:
    """What the roles are called.

    Attributes:
        agent: Hunter, Tracker, plan and verdict: read, add and change rows.
        janitor: the Janitor and the commands that delete: rows too.
        reader: analysts: read what was collected.
    """

    agent: str = "maia_agent"
    janitor: str = "maia_janitor"
    reader: str = "maia_reader"

    def __iter__(self) -> Iterator[str]:
        return iter((self.agent, self.janitor, self.reader))


@dataclass(frozen=True)
class Excess:
    """A role may do what it does not need: ``may`` completes the sentence "this role may …"."""

    name: str
    may: str


@dataclass(frozen=True)
class Done:
    """What was done: the roles that were new, and what any of them may do that it does not need."""

    made: tuple[str, ...]
    excess: tuple[Excess, ...]


async def planned(database: Connects, names: Names) -> list[str]:
    """The statements that would make the roles, one transaction; changes nothing. Raises as ``make_roles`` does."""
    connection = await database.connect()
    try:
        with map_driver_errors(), _explained():
            owner = await _owner(connection)
            await _refuse_unfit(connection, names)
            return _statements(names, owner, await _missing(connection, names))
    finally:
        await connection.close()


async def make_roles(database: Connects, names: Names) -> Done:
    """Makes the roles that are missing and gives each its rights, and takes away what else it had of Atlas's tables.

    Safe to repeat, and while shards are at work: all is one transaction.

    Args:
        database: of the user who owns the tables and may make roles, or of a superuser.
        names: what the roles are called; a server has them in common for all its databases.

    Raises:
        ConfigError: the user may not, or a name is of a role that has to keep its rights, such as the owner's; the
            message says what to do.
        SchemaError: the tables are not there.
    """
    connection = await database.connect()
    try:
        with map_driver_errors(), _explained():
            return await shortly(connection, lambda: _make(connection, names))
    finally:
        await connection.close()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(
            f"DATABASE_URL: this user may not make the roles: {error.args[0]}. Run `atlas roles` as the "
            "tables' owner, with CREATEROLE, or have an administrator run what `atlas roles --dry-run` prints."
        ) from None
    except asyncpg.UndefinedTableError as error:
        raise SchemaError(f"A table or view is missing: {error.args[0]}. Run `atlas migrate` first.") from None


async def _make(connection: asyncpg.Connection, names: Names) -> Done:
    owner = await _owner(connection)
    await _refuse_unfit(connection, names)
    missing = await _missing(connection, names)
    for statement in _statements(names, owner, missing):
        try:
            async with connection.transaction():
                await connection.execute(statement)
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            continue  # the role was made meanwhile from another database of the server
    found = await connection.fetch(sql("roles/find_excess_privileges"), list(names))
    return Done(tuple(missing), tuple(Excess(row["name"], row["may"]) for row in found))


async def _owner(connection: asyncpg.Connection) -> str:
    if await schema_version(connection) is None:
        raise SchemaError(
            f"The database has no Atlas schema named '{settings.database_schema}'. Run `atlas migrate` first."
        )
    return str(await connection.fetchval(sql("roles/owner_of_tables")))


async def _refuse_unfit(connection: asyncpg.Connection, names: Names) -> None:
    """Whoever mixes up the names must not lose what the owner, or all its members, work with."""
    unfit = await connection.fetch(sql("roles/find_unsafe_roles"), list(names))
    if unfit:
        said = "; ".join(f"{row['name']} {row['why']}" for row in unfit)
        raise ConfigError(f"Rights cannot be set for these roles: {said}. Name others: --agent, --janitor, --reader.")


async def _missing(connection: asyncpg.Connection, names: Names) -> list[str]:
    there = {row["name"] for row in await connection.fetch(sql("roles/find_roles"), list(names))}
    return [name for name in names if name not in there]


def _statements(names: Names, owner: str, missing: list[str]) -> list[str]:
    """In the order in which they work."""
    statements = [sql("roles/create_role", role=name) for name in missing]
    for name in names:
        statements += [
            sql("roles/revoke_role_tables", role=name),
            sql("roles/revoke_role_schema", role=name),
            sql("roles/revoke_role_later", role=name, owner=owner),
            sql("roles/grant_role_schema", role=name),
            sql("roles/grant_role_reads", role=name),
        ]
    for name in (names.agent, names.janitor):
        statements += [
            sql("roles/grant_role_rows", role=name),
            sql("roles/grant_role_rows_later", role=name, owner=owner),
        ]
    return [
        *statements,
        sql("roles/grant_role_deletion", role=names.janitor),
        sql("roles/grant_role_deletion_later", role=names.janitor, owner=owner),
        sql("roles/grant_role_analysis", role=names.reader),
    ]
