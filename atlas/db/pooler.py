"""The server's sessions: one's own, or shared behind a pooler such as PgBouncer.

In transaction mode a pooler hands each transaction to whichever session is free, so that nothing may be left in a
session, and nothing that was left there is found again:

- no parameters at the start but those that poolers keep track of,
- no prepared statements: the driver's cache of them is off. It then prepares a statement without a name, and once more
  in the message that runs it. A pooler lets go of the session after that only: nothing told it to sync before,
- no session state: what a transaction needs, its beginning brings along.
"""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg

from atlas.db.queries import sql

__all__ = ["COMMAND_TIMEOUT", "WHOLE_TABLE", "Bounded", "Shared", "is_own", "options"]

_CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 60.0
WHOLE_TABLE = 6 * 3600.0
"""Seconds that a statement may take that reads a whole table, however many rows there are."""
# A process that is frozen, or whose network is gone, in the middle of a transaction holds its locks for as long as the
# server believes in it: hours. After this many seconds without a statement, the server ends it, and others go on.
STALLED_TRANSACTION = 10.0


class Bounded(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A session whose start could not limit stalled transactions: each brings the limit along, at no round trip."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109  the driver's
        """As the driver's, which begins transactions by it."""
        if not args and query.startswith("BEGIN"):
            limit = f"SET LOCAL idle_in_transaction_session_timeout = {_milliseconds()}"
            query = f"{query.rstrip('; ')}; {limit}; SET LOCAL timezone = 'UTC'"
        status: str = await super().execute(query, *args, timeout=timeout)
        return status


class Shared(Bounded):
    """A session that may be another of the server's in the next transaction."""

    async def _introspect_types(self, *args: Any) -> Any:
        """How the driver learns of types: by several statements, which also switch JIT off and on again."""
        transaction = self.transaction()  # a savepoint in another
        await transaction.start()
        try:
            return await super()._introspect_types(*args)
        finally:
            await transaction.rollback()  # nothing was written, and no setting stays in the session

    def _get_unique_id(self, prefix: str) -> str:
        """The names of cursors' statements: one that was left in a session must not meet another process's."""
        return f"atlas_{prefix}_{uuid.uuid4().hex}"


def options(application_name: str, kind: type[asyncpg.Connection] = asyncpg.Connection) -> dict[str, Any]:
    """The driver's options for sessions of a kind: ``asyncpg.Connection`` is one's own, from the server itself."""
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
    """Whether the server itself has heard what the session said at its start: a pooler may drop it without a word.

    One message without parameters, which is safe whoever listens.
    """
    status: str = await session.execute(sql("schema/session_limit"))
    return status != "SELECT 0"


def _milliseconds() -> int:
    return round(STALLED_TRANSACTION * 1000)
