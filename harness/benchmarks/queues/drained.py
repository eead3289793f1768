"""What a child process that drains a queue is given, and what it says at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import asyncpg

__all__ = ["Drained", "Job", "settled"]


@dataclass(frozen=True)
class Job:
    """What is asked of a child: the arguments of its command line.

    Attributes:
        dsn: an empty database.
        items: how many are put into the queue before.
        settings: of the worker, in its own words, such as ``{"batch_size": 50}``.
    """

    dsn: str
    items: int
    settings: Mapping[str, int]

    @classmethod
    def given(cls, arguments: Sequence[str]) -> Job:
        dsn, items, given = arguments
        return cls(dsn, int(items), json.loads(given))

    @property
    def arguments(self) -> list[str]:
        return [self.dsn, str(self.items), json.dumps(dict(self.settings))]


@dataclass(frozen=True)
class Drained:
    """What a child prints: how many items were claimed and finished, and the seconds it took."""

    items: int
    seconds: float

    @property
    def speed(self) -> float:
        return self.items / self.seconds

    def print_result(self) -> None:
        print(json.dumps(asdict(self)))


async def settled(dsn: str) -> None:
    """The queue as it stands after some time: analysed, with nothing left to write for what filled it."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
