"""Places in an agent's statements where a test can have it stand still, and locks that a test holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg

from .event_loop import PATIENCE

__all__ = ["Gate", "gate", "until", "waiting_for_locks"]

_NUMBER = 4711  # of the advisory lock
_GLANCE = 0.02


class Gate:
    """A trigger that has every such statement wait, inside its transaction, for as long as the gate is closed.

    It is a lock of a session of the test's own: it opens with that session, also when the server is lost.
    """

    def __init__(self, keeper: asyncpg.Connection, number: int) -> None:
        self._keeper = keeper
        self._number = number

    async def reached(self, *agents: str) -> None:
        """Returns once a session of each of these agents stands before it; of no matter whom, where none is named."""
        await until(
            self._keeper,
            "WITH standing AS (SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND objid = $2 AND NOT granted) "
            "SELECT EXISTS (SELECT FROM standing) AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS named (agent)"
            " WHERE NOT EXISTS (SELECT FROM standing WHERE application_name LIKE 'maia ' || agent || '%'))",
            list(agents),
            self._number,
        )

    async def cut_off(self, how: str) -> None:
        """End the statement (``pg_cancel_backend``) or session (``pg_terminate_backend``) that stands before it."""
        await self._keeper.fetch(
            f"SELECT {how}(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted", self._number
        )

    async def open(self) -> None:
        """Lets all go on. A second call, or one after the server was lost, does nothing."""
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._keeper.close()


@contextlib.asynccontextmanager
async def gate(
    dsn: str, table: str, event: str, condition: str = "true", *, number: int = _NUMBER
) -> AsyncIterator[Gate]:
    """A closed gate before (``BEFORE UPDATE``) or after (``AFTER INSERT``) the writing of such a row."""
    keeper = await asyncpg.connect(dsn)
    try:
        name = f"gate_{number}"
        await keeper.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_advisory_xact_lock_shared({number}); RETURN NEW; END $$;"
            f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}();"
        )
        await keeper.execute("SELECT pg_advisory_lock($1)", number)
        this = Gate(keeper, number)
        yield this
        await this.open()
    finally:
        keeper.terminate()


async def waiting_for_locks(connection: asyncpg.Connection, agent: str) -> None:
    """Returns once a session of an agent waits for a lock that another session holds."""
    await until(
        connection,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE $1 || '%'"
        " AND datname = current_database())",
        f"maia {agent}",
    )


async def until(connection: asyncpg.Connection, condition: str, *arguments: object) -> None:
    """Polls for what other sessions do."""
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval(condition, *arguments):
            await asyncio.sleep(_GLANCE)
