"""A process's connections where the server has none left: what it tries, and when it tries again."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from atlas import connections as module
from atlas.connections import LONGEST_PAUSE, SHORTEST_PAUSE, Connections
from atlas.errors import NoConnectionLeft

FULL = asyncpg.TooManyConnectionsError("sorry, too many clients already")


class Server:
    """One that has so many connections left."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.tries = 0

    def pools(self, number: int) -> list[FakePool]:
        return [FakePool(self) for _ in range(number)]


class FakePool:
    """A pool of one connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection: object | None = None
        self.answer = asyncio.Event()
        self.answer.set()

    def get_size(self) -> int:
        return int(self.connection is not None)

    async def acquire(self) -> object:
        await self.answer.wait()
        if self.connection is None:
            self.server.tries += 1
            await asyncio.sleep(0)
            if not self.server.left:
                raise FULL
            self.server.left -= 1
            self.connection = object()
        return self.connection

    async def release(self, connection: object) -> None:
        assert connection is self.connection

    def lose(self) -> None:
        """The server ends the session."""
        self.connection = None


def made_of(pools: list[FakePool]) -> Connections:
    return Connections(pools)  # type: ignore[arg-type]


async def turn() -> None:
    """Everybody who can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


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


async def test_who_is_refused_another_connection_waits_for_whichever_comes_back_first(time: Time) -> None:
    server = Server(2)
    connections = made_of(server.pools(4))
    long, short = await connections.acquire(5), await connections.acquire(5)
    waiting = asyncio.create_task(connections.acquire(5))
    await turn()
    assert server.tries == 3
    assert not waiting.done()
    await connections.release(short)
    assert await waiting is short
    assert server.tries == 3
    await connections.release(long)


async def test_a_process_that_has_a_connection_still_goes_on_with_it(time: Time) -> None:
    server = Server(2)
    pools = server.pools(2)
    connections = made_of(pools)
    held = [await connections.acquire(5), await connections.acquire(5)]
    for connection in held:
        await connections.release(connection)
    for lost, left in (pools, pools[::-1]):  # whichever it loses, and somebody else takes its place
        lost.lose()
        for _ in range(3):
            connection = await connections.acquire(5)
            assert connection is left.connection
            await connections.release(connection)
        lost.connection = object()


async def test_nobody_tries_again_before_the_pause_is_over(time: Time) -> None:
    server = Server(0)
    connections = made_of(server.pools(1))
    for _ in range(20):
        with pytest.raises(NoConnectionLeft, match="too many clients"):
            await connections.acquire(5)
    assert server.tries == 1
    time.now += SHORTEST_PAUSE
    with pytest.raises(NoConnectionLeft):
        await connections.acquire(5)
    assert server.tries == 2
    server.left = 1
    time.now += LONGEST_PAUSE
    assert await connections.acquire(5)


async def test_when_the_pause_is_over_one_task_tries_for_all(time: Time) -> None:
    server = Server(1)
    connections = made_of(server.pools(4))
    held = await connections.acquire(5)
    waiting = [asyncio.create_task(connections.acquire(5)) for _ in range(3)]
    await turn()
    before = server.tries
    time.now += LONGEST_PAUSE
    waiting.append(asyncio.create_task(connections.acquire(5)))
    await turn()
    assert server.tries == before + 1
    assert not any(task.done() for task in waiting)
    server.left = 3
    time.now += LONGEST_PAUSE
    connections.made()  # as the one that then succeeds says
    await turn()
    (last,) = [task for task in waiting if not task.done()]
    await connections.release(held)
    assert await last is held


async def test_pauses_double_and_are_different_for_every_process(time: Time) -> None:
    servers = [Server(0) for _ in range(64)]
    processes = [made_of(server.pools(1)) for server in servers]

    async def tries(seconds: float) -> set[float]:
        """When each tries next, looked at four times as often as the shortest pause."""
        moments: set[float] = set()
        ends = time.now + seconds
        while time.now < ends:
            before = sum(server.tries for server in servers)
            for process in processes:
                with pytest.raises(NoConnectionLeft):
                    await process.acquire(5)
            if sum(server.tries for server in servers) > before:
                moments.add(round(time.now, 2))
            time.now += SHORTEST_PAUSE / 4
        return moments

    moments = await tries(30.0)
    for server in servers:
        # at least half of 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5 … passes between two
        assert 7 <= server.tries <= 17
    assert len(moments) > 64, "they do not come together"


async def test_who_stops_waiting_leaves_its_turn_to_the_next(time: Time) -> None:
    server = Server(1)
    connections = made_of(server.pools(2))
    held = await connections.acquire(5)
    first, second = (asyncio.create_task(connections.acquire(5)) for _ in range(2))
    await turn()
    await connections.release(held)
    first.cancel()  # in the moment in which it was its turn
    assert await asyncio.wait_for(second, 5) is held
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_try_that_is_cut_off_is_given_back(time: Time) -> None:
    server = Server(1)
    (pool,) = pools = server.pools(1)
    connections = made_of(pools)
    pool.answer.clear()
    with pytest.raises(TimeoutError):
        await connections.acquire(0.01)
    pool.answer.set()
    assert await connections.acquire(5) is pool.connection
