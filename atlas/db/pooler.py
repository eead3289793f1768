"""The driver's options for direct sessions, and for sessions behind a pooler such as PgBouncer.

In transaction mode a pooler gives each transaction any free session, so that no state may stay in a session:

- only startup parameters that poolers track,
- no prepared statements: the driver's cache is off. It then prepares a statement without a name, and again in the
  message that runs it; the pooler keeps the session in between, because no sync comes before,
- no session state: the message that begins a transaction sets what it needs.
"""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg

from atlas.db.queries import sql

_CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 60.0
WHOLE_TABLE = 6 * 3600.0
"""Time limit in seconds of a statement that reads a whole table."""
STALLED_TRANSACTION = 10.0
"""Seconds without a statement after which the server ends a transaction; otherwise a frozen process keeps its locks for
hours."""


class Bounded(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A session whose transactions set the limit for stalled ones in the message that begins them."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109  the driver's
        """Run a statement as the driver does; it begins transactions by this method."""
        if not args and query.startswith("BEGIN"):
            limit = f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds()}"
            query = f"{query.rstrip('; ')}; {limit}; SET LOCAL timezone = 'UTC'"
        status: str = await super().execute(query, *args, timeout=timeout)
        return status


class Shared(Bounded):
    """A session behind a pooler: the next transaction may get another session of the server."""

    async def _introspect_types(self, *args: Any) -> Any:
        """Run the driver's queries about types, which also switch JIT off and on, in one session."""
        transaction = self.transaction()  # a savepoint inside another
        await transaction.start()
        try:
            return await super()._introspect_types(*args)
        finally:
            await transaction.rollback()  # nothing was written, and no setting stays in the session

    def _get_unique_id(self, prefix: str) -> str:
        """Return a name for a cursor's statement that no other process uses in the same session."""
        return f"atlas_{prefix}_{uuid.uuid4().hex}"


def options(application_name: str, kind: type[asyncpg.Connection] = asyncpg.Connection) -> dict[str, Any]:
    """Return the driver's options for a kind of session; ``asyncpg.Connection`` is a session without a pooler."""
    settings = {"application_name": application_name[:63], "timezone": "UTC"}
    if not issubclass(kind, Bounded):
        settings["idle_in_transaction_session_timeout"] = str(_milliseconds())
    given = {
        "timeout": _CONNECT_TIMEOUT,
        "command_timeout": COMMAND_TIMEOUT,
        "server_settings": settings,
        "connection_class": kind,
    }
    return given | {"statement_cache_size": 0} if issubclass(kind, Shared) else given


async def is_own(session: asyncpg.Connection) -> bool:
    """Return whether the startup parameters reached the server; a pooler may drop them silently.

    One message without parameters, which is safe through any pooler.
    """
    status: str = await session.execute(sql("schema/session_limit"))
    return status != "SELECT 0"


def _milliseconds() -> int:
    return round(STALLED_TRANSACTION * 1000)
