"""Change the structure of tables in short transactions that give up soon if a table is locked.

A statement that waits for an exclusive lock blocks all later ones, so each attempt waits for at most a second. Works
behind a pooler: no lock outlives its transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import asyncpg
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from atlas.db.pooler import COMMAND_TIMEOUT
from atlas.db.queries import sql
from atlas.errors import Contended

T = TypeVar("T")

SCHEMA_LOCK = 0x41544C4153  # "ATLAS": one migration or change of the structure at a time in a database
TABLE_WAIT = "1s"
_PAUSE = wait_random_exponential(multiplier=0.2, max=2)


class Connector(Protocol):
    """Opens connections of its own: a ``Database``."""

    async def connect(self, *, seconds: float = COMMAND_TIMEOUT) -> asyncpg.Connection:
        """Open a connection whose statements are limited to ``seconds`` unless they have a limit of their own."""


async def run_ddl(connection: asyncpg.Connection, work: Callable[[], Awaitable[T]], *, attempts: int = 5) -> T:
    """Run the work in one transaction; retry it while it cannot lock a table.

    Raises Contended if the tables stay in use.
    """
    retry = AsyncRetrying(
        retry=retry_if_exception_type((asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)),
        stop=stop_after_attempt(attempts),
        wait=_PAUSE,
    )

    async def attempt() -> T:
        async with connection.transaction():
            await connection.fetchrow(sql("snapshots/common/begin_ddl"), SCHEMA_LOCK, TABLE_WAIT)
            return await work()

    try:
        return await retry(attempt)
    except RetryError as error:
        cause = error.last_attempt.exception()
        raise Contended(f"video_stats_log stays in use by others: {cause}") from cause


async def execute_generated(connection: asyncpg.Connection, statement: str, *arguments: Any) -> None:
    """Execute the DDL that a statement returns, since DDL takes no parameters."""
    for (text,) in await connection.fetch(statement, *arguments):
        await connection.execute(text)
