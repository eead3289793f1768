"""A process's connections where the server has none left: what it tries, and when it tries again."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from atlas import connections as module
from atlas.connections import LONGEST_PAUSE, SHORTEST_PAUSE, Connections
from atlas.errors import NoConnectionLeft

FULL = asyncpg.TooManyConnectionsError("sorry, too many clients already")


class FakePool:
    """A pool of a server that has so many connections left for it."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.tries = 0
        self.idle: list[object] = []
        self.lent = 0

    def get_size(self) -> int:
        return len(self.idle) + self.lent

    async def acquire(self) -> object:
        await asyncio.sleep(0)
        if not self.idle:
            self.tries += 1
            if not self.left:
                raise FULL
            self.left -= 1
            self.idle.append(object())
        self.lent += 1
        return self.idle.pop()

    async def release(self, connection: object) -> None:
        self.lent -= 1
        self.idle.append(connection)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


async def test_who_is_refused_another_connection_goes_on_with_the_first(time: Time) -> None:
    first, others = FakePool(1), FakePool(0)
    connections = Connections(first, others, 4)  # type: ignore[arg-type]
    held = await connections.acquire(5)
    waiting = asyncio.create_task(connections.acquire(5))
    while not others.tries:
        await asyncio.sleep(0)
    # a pool would have the second wait for the first here
    first.idle.append(held)
    assert await waiting is held
    assert others.tries == 1


async def test_nobody_tries_again_before_the_pause_is_over(time: Time) -> None:
    first = FakePool(0)
    connections = Connections(first, None, 1)  # type: ignore[arg-type]
    for _ in range(20):
        with pytest.raises(NoConnectionLeft, match="too many clients"):
            await connections.acquire(5)
    assert first.tries == 1
    time.now += SHORTEST_PAUSE
    with pytest.raises(NoConnectionLeft):
        await connections.acquire(5)
    assert first.tries == 2
    first.left = 1
    time.now += LONGEST_PAUSE
    assert await connections.acquire(5)


async def test_pauses_double_and_are_different_for_every_process(time: Time) -> None:
    firsts = [FakePool(0) for _ in range(64)]
    processes = [Connections(first, None, 1) for first in firsts]  # type: ignore[arg-type]

    async def tries(seconds: float) -> set[float]:
        """When each tries next, looked at four times as often as the shortest pause."""
        moments: set[float] = set()
        ends = time.now + seconds
        while time.now < ends:
            before = sum(first.tries for first in firsts)
            for process in processes:
                with pytest.raises(NoConnectionLeft):
                    await process.acquire(5)
            if sum(first.tries for first in firsts) > before:
                moments.add(round(time.now, 2))
            time.now += SHORTEST_PAUSE / 4
        return moments

    moments = await tries(30.0)
    for first in firsts:
        # at least half of 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5 … passes between two
        assert 7 <= first.tries <= 17
    assert len(moments) > 64, "they do not come together"


async def test_a_connection_that_could_be_made_ends_the_pause(time: Time) -> None:
    first, others = FakePool(1), FakePool(0)
    connections = Connections(first, others, 3)  # type: ignore[arg-type]
    await connections.acquire(5)
    refused = asyncio.create_task(connections.acquire(0.01))
    with pytest.raises(TimeoutError):
        first.acquire = asyncio.Event().wait  # type: ignore[assignment, method-assign]
        await refused
    assert others.tries == 1
    others.left = 1
    connections.made()
    assert await connections.acquire(5)
    assert others.tries == 2
