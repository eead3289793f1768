"""A process's connections where the server has none left: what it tries, and when it tries again."""

from __future__ import annotations

import asyncio
import itertools

import asyncpg
import pytest

from atlas.db import pool as module
from atlas.db.pool import LONGEST_COURTESY, LONGEST_IDLE, LONGEST_PAUSE, SHORTEST_PAUSE, Connections
from atlas.errors import NoConnectionLeft

FULL = asyncpg.TooManyConnectionsError("sorry, too many clients already")


class Server:
    """One that has so many connections left."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.tries = 0
        self.tried = asyncio.Event()

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
            self.server.tried.set()
            await asyncio.sleep(0)
            if not self.server.left:
                raise FULL
            self.server.left -= 1
            self.connection = object()
        return self.connection

    async def release(self, connection: object) -> None:
        assert self.connection in (connection, None)

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
    server.tried.clear()
    time.now += LONGEST_PAUSE
    waiting.append(asyncio.create_task(connections.acquire(5)))
    await asyncio.wait_for(server.tried.wait(), 5)  # by the timer of the one that came first
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


async def test_who_has_one_use_after_another_overtakes_nobody_that_has_waited_for_long(time: Time) -> None:
    _, connections = of_one()
    served: list[str] = []

    async def use(name: str, times: int) -> None:
        for _ in range(times):
            connection = await connections.acquire(5)
            served.append(name)
            time.now += 0.4 * LONGEST_COURTESY
            await asyncio.sleep(0)
            await connections.release(connection, clean=True)

    await asyncio.gather(use("busy", 6), use("first", 1), use("second", 1))
    assert served == ["busy"] * 4 + ["first", "second"] + ["busy"] * 2


async def test_those_that_wait_are_served_in_the_order_of_coming_whoever_stops_waiting(time: Time) -> None:
    _, connections = of_one()
    held = await connections.acquire(5)
    served: list[int] = []

    async def use(number: int) -> None:
        connection = await connections.acquire(5)
        served.append(number)
        await connections.release(connection, clean=True)

    waiting = [asyncio.create_task(use(number)) for number in range(5)]
    await turn()
    time.now += 2 * LONGEST_COURTESY
    waiting[2].cancel()
    await connections.release(held, clean=True)
    waiting[0].cancel()  # in the moment in which it was its turn
    await use(5)
    assert served == [1, 3, 4, 5]
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_was_refused_at_the_door_has_its_place_again(time: Time) -> None:
    server = Server(1)
    connections = made_of(server.pools(2))
    held = await connections.acquire(5)
    first, second = (asyncio.create_task(connections.acquire(5)) for _ in range(2))
    await turn()  # the first has been refused, and waits with the second
    assert server.tries == 2
    await connections.release(held)
    assert await first is held
    assert not second.done()
    await connections.release(held)
    assert await second is held


async def test_when_the_last_connection_is_lost_everybody_that_waits_hears_of_it(time: Time) -> None:
    server = Server(1)
    pools = server.pools(3)
    connections = made_of(pools)
    held = await connections.acquire(5)
    waiting = [asyncio.create_task(connections.acquire(5)) for _ in range(4)]
    await turn()
    (pool,) = (pool for pool in pools if pool.connection is held)
    pool.lose()
    await connections.release(held)
    await turn()
    assert [type(task.exception()) for task in waiting if task.done()] == [NoConnectionLeft] * 4


async def test_a_pause_that_ends_in_the_moment_in_which_it_is_looked_at_is_not_waited_for(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(1)
    connections = made_of(server.pools(2))
    await connections.acquire(5)
    waiting, leaving = (asyncio.create_task(connections.acquire(5)) for _ in range(2))
    await turn()
    server.left = 1
    looks = itertools.chain([time.now], itertools.repeat(time.now + LONGEST_PAUSE))
    monkeypatch.setattr(time, "monotonic", lambda: next(looks))
    leaving.cancel()  # whereupon the other looks
    assert await waiting


async def test_a_try_that_is_cut_off_is_given_back(time: Time) -> None:
    server = Server(1)
    (pool,) = pools = server.pools(1)
    connections = made_of(pools)
    pool.answer.clear()
    with pytest.raises(TimeoutError):
        await connections.acquire(0.01)
    pool.answer.set()
    assert await connections.acquire(5) is pool.connection


class FakeConnection:
    """One that a pool gave."""

    closed = False
    in_transaction = False

    def __init__(self, pool: NotingPool) -> None:
        self._pool = pool

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        """Without a word to the server; its pool is rid of it."""
        self.closed = True
        self._pool.ended.append(self)
        self._pool.connection = None

    def is_in_transaction(self) -> bool:
        return self.in_transaction


class NotingPool(FakePool):
    """A pool that notes what it is asked for."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.given: list[FakeConnection] = []
        self.taken_back: list[object] = []
        self.ended: list[FakeConnection] = []
        self.closed = False

    async def acquire(self) -> FakeConnection:
        if self.connection is None:
            self.connection = FakeConnection(self)
        assert isinstance(self.connection, FakeConnection)
        self.given.append(self.connection)
        return self.connection

    async def release(self, connection: object) -> None:
        await super().release(connection)
        self.taken_back.append(connection)

    async def close(self) -> None:
        out = [one for one in self.given if one not in self.taken_back and one not in self.ended]
        assert not out, "a pool waits for what is not given back"
        self.closed = True


def of_one() -> tuple[NotingPool, Connections]:
    pool = NotingPool(Server(1))
    return pool, made_of([pool])


async def test_after_a_clean_use_the_pool_is_not_asked_again(time: Time) -> None:
    pool, connections = of_one()
    first = await connections.acquire(5)
    for _ in range(3):
        await connections.release(first, clean=True)
        assert await connections.acquire(5) is first
    assert len(pool.given) == 1
    assert not pool.taken_back


def freed_by_the_driver(pool: NotingPool, connection: object) -> None:
    """The driver frees the place of a lost one as soon as it hears of that, and complains of whoever does it later."""

    async def release(_: object) -> None:
        raise asyncpg.InternalClientError("PoolConnectionHolder.release() called on a free connection holder")

    pool.release = release  # type: ignore[method-assign]
    pool.taken_back.append(connection)
    pool.connection = None


async def test_after_one_that_is_lost_while_it_is_given_back_there_is_another(time: Time) -> None:
    pool, connections = of_one()
    lost = await connections.acquire(5)
    freed_by_the_driver(pool, lost)
    await connections.release(lost, clean=False)
    assert await connections.acquire(5) is not lost


async def test_one_that_is_lost_while_all_are_closed_holds_up_nothing(time: Time) -> None:
    pool, connections = of_one()
    lost = await connections.acquire(5)
    await connections.release(lost, clean=True)
    freed_by_the_driver(pool, lost)
    await connections.close()
    assert pool.closed


@pytest.mark.parametrize(("clean", "in_transaction"), [(False, False), (True, True)])
async def test_what_may_not_be_clean_goes_back_to_its_pool(time: Time, clean: bool, in_transaction: bool) -> None:
    pool, connections = of_one()
    connection = await connections.acquire(5)
    pool.given[0].in_transaction = in_transaction
    await connections.release(connection, clean=clean)
    assert pool.taken_back == [connection]
    assert await connections.acquire(5) is connection


async def test_one_that_was_not_used_for_long_is_made_anew(time: Time) -> None:
    pool, connections = of_one()
    old = await connections.acquire(5)
    await connections.release(old, clean=True)
    time.now += LONGEST_IDLE + 1
    new = await connections.acquire(5)
    assert new is not old
    assert pool.ended == [old]
    assert not pool.taken_back, "the pool would take leave of a server that may not answer"


async def test_one_that_nobody_needs_is_ended_while_others_are_used(time: Time) -> None:
    pools = [NotingPool(Server(2)) for _ in range(2)]
    connections = made_of([*pools])
    both = [await connections.acquire(5), await connections.acquire(5)]
    for connection in both:
        await connections.release(connection, clean=True)
    for _ in range(3):
        time.now += LONGEST_IDLE / 2
        await connections.release(await connections.acquire(5), clean=True)
    assert sorted(len(pool.ended) for pool in pools) == [0, 1]
    await connections.close()


async def test_one_that_is_lost_while_it_is_kept_is_made_anew(time: Time) -> None:
    pool, connections = of_one()
    old = await connections.acquire(5)
    await connections.release(old, clean=True)
    pool.given[0].closed = True
    assert await connections.acquire(5) is not old


async def test_what_is_kept_is_given_back_at_the_end(time: Time) -> None:
    pools = [NotingPool(Server(1)) for _ in range(2)]
    connections = made_of([*pools])
    kept, used = await connections.acquire(5), await connections.acquire(5)
    await connections.release(kept, clean=True)
    await connections.release(used, clean=True)
    await connections.close()
    assert [len(pool.taken_back) for pool in pools] == [1, 1]
