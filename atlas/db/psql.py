"""Run psql on a database of ours: the password is in its environment, and never among its arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode

from atlas.config import settings
from atlas.config.database_url import Address
from atlas.db.embedded import program
from atlas.errors import AtlasError

__all__ = ["PsqlMissing", "find_psql", "options", "run_psql"]

_SECRETS = {"password": "PGPASSWORD", "sslpassword": ""}
"""Parameters of an address that are secret, and the variables that take them; psql asks for the one without."""


class PsqlMissing(AtlasError):
    """psql is not installed."""


def find_psql() -> str:
    """Return the path of psql: the one on PATH, or that of the embedded PostgreSQL. Raises PsqlMissing."""
    found = shutil.which("psql") or program("psql")
    if found is None:
        raise PsqlMissing(
            "psql is not installed. Debian, Ubuntu: apt install postgresql-client; Fedora: dnf install postgresql; "
            "macOS: brew install libpq. Without it: maia query"
        )
    return str(found)


def options(url: str) -> tuple[str, dict[str, str]]:
    """Return the address for ``psql --dbname``, without secrets, and the variables for its environment."""
    address = Address.parse(url)
    begin, _, query = address.dsn.partition("?")
    scheme, _, rest = begin.partition("://")
    login, at, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    variables = {"PGAPPNAME": "maia db psql"}
    if password:
        variables["PGPASSWORD"] = unquote(password)
    kept = []
    for name, value in parse_qsl(query):
        if name not in _SECRETS:
            kept.append((name, value))
        elif _SECRETS[name]:
            variables[_SECRETS[name]] = value
    if address.tls is not None:  # the driver verifies the server by the certificates of this machine; so does psql
        kept = [pair for pair in kept if pair[0] not in {"sslmode", "sslrootcert"}]
        kept += [("sslmode", "verify-full"), ("sslrootcert", "system")]
    if settings.database_schema != "public":
        variables["PGOPTIONS"] = f"-c search_path={settings.database_schema},public"
    text = urlencode(kept, quote_via=quote)
    return f"{scheme}://{user}{at}{place}" + (f"?{text}" if text else ""), variables


def run_psql(url: str, arguments: Sequence[str]) -> int:
    """Run psql on the database until it ends, and return its exit code. Raises PsqlMissing."""
    place, variables = options(url)
    command = [find_psql(), f"--dbname={place}", *arguments]
    return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode  # noqa: S603 - the user's own
