"""Queues that are drained by one process each: Maia's, the same by hand, pgqueuer's and procrastinate's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True)
class Job:
    """What a child process is asked to do.

    Attributes:
        dsn: an empty database.
        items: how many are put into the queue before.
        settings: of the worker, in its own words, such as ``{"batch_size": 50}``.
    """

    dsn: str
    items: int
    settings: Mapping[str, int]


@dataclass(frozen=True)
class Drained:
    """What a child process prints: how many items were claimed and finished, and the seconds it took."""

    items: int
    seconds: float

    @property
    def speed(self) -> float:
        return self.items / self.seconds


async def settled(dsn: str) -> None:
    """Leave the queue as it is after some time: analysed, with nothing left to write of what filled it."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
