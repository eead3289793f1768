"""Changes of structure in short steps: each a transaction that waits no longer than a second for a table's lock.

A statement that waits for a lock that shuts others out has all who come after it wait too, so it gives up soon and is
tried again. Works through a pooler: nothing outlives its transaction.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import asyncpg

from atlas.db.pooler import COMMAND_TIMEOUT
from atlas.db.queries import sql
from atlas.errors import Contended

__all__ = ["LOCK", "Connects", "perform", "shortly"]

T = TypeVar("T")

LOCK = 0x41544C4153  # "ATLAS": one migration, or change of structure, at a time in one database
LOCK_WAIT = "1s"
_PAUSE = 0.2  # seconds before the second try; each next one waits for longer, at most _LONGEST
_LONGEST = 2.0


class Connects(Protocol):
    """What gives connections of one's own: a ``Database``."""

    async def connect(self, *, seconds: float = COMMAND_TIMEOUT) -> asyncpg.Connection:
        """A new connection, whose statements may take so long unless they have a limit of their own."""


async def shortly(connection: asyncpg.Connection, work: Callable[[], Awaitable[T]], *, tries: int = 5) -> T:
    """Does the work in one transaction, again when a table's lock could not be had.

    Raises Contended when the tables stay in use: what earlier steps did is done, and the next run goes on from there.
    """
    pause = _PAUSE
    for remaining in reversed(range(tries)):
        try:
            async with connection.transaction():
                await connection.fetchval(
                    sql("snapshots/common/lock_schema_change"), LOCK
                )  # only such steps hold it: it is soon free
                await connection.fetchval(sql("snapshots/common/set_local"), "lock_timeout", LOCK_WAIT)
                return await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if not remaining:
                raise Contended(f"video_stats_log stays in use by others: {error}") from error
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  spreads the tries, keeps no secret
        pause = min(pause * 2, _LONGEST)
    raise AssertionError("unreachable")


async def perform(connection: asyncpg.Connection, statement: str, *arguments: Any) -> None:
    """Executes the statements that a statement returns: definitions take no parameters of their own."""
    for (text,) in await connection.fetch(statement, *arguments):
        await connection.execute(text)
