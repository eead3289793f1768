"""Logins of a test's server that have the roles of `atlas roles`, and no right more."""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit

from atlas.config import settings
from atlas.database import Database
from atlas.schema.roles import RoleNames, create_roles

from .databases import execute, with_database
from .fake_secrets import DATABASE_PASSWORD

__all__ = ["ROLES", "address", "drop_logins", "login", "make_logins"]

ROLES = RoleNames(*(f"maia_{role}_{os.getpid()}" for role in ("agent", "janitor", "reader")))
"""This process's: several may share a server, whose databases have their roles in common."""


def login(role: str) -> str:
    """The name of the login that is a member of a role and of nothing else."""
    return f"{role}_login"


def address(dsn: str, role: str) -> str:
    """A DSN as the login of that role."""
    parts = urlsplit(dsn)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{login(role)}:{quote(DATABASE_PASSWORD, safe='')}@{place}").geturl()


async def make_logins(dsn: str, database: str) -> None:
    """Makes the roles with their rights in a migrated database, and a login for each of them on the server."""
    with settings.override(database_url=with_database(dsn, database)):
        await create_roles(Database(), ROLES)
    await execute(
        dsn,
        *(f"CREATE ROLE {login(role)} LOGIN PASSWORD '{DATABASE_PASSWORD}' IN ROLE {role}" for role in ROLES),
    )


async def drop_logins(dsn: str) -> None:
    """Drops logins and roles, once no database has anything of theirs."""
    await execute(dsn, *(f"DROP ROLE IF EXISTS {login(role)}, {role}" for role in ROLES))
