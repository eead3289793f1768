"""The connections of a process: who gets one, what is closed, and when a full server is asked again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from atlas.db import pool as module
from atlas.db.deadline import Watch
from atlas.db.pool import Pool
from atlas.errors import DatabaseUnavailable, NoConnectionLeft, StatementFailed


class Connection:
    """A connection of the driver."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.in_transaction = False
        self.closed = ""

    def is_closed(self) -> bool:
        return bool(self.closed)

    def is_in_transaction(self) -> bool:
        return self.in_transaction

    async def close(self) -> None:
        await self.server.silence.wait()
        self.end("closed")

    def terminate(self) -> None:
        self.end("terminated")

    def end(self, how: str) -> None:
        if not self.closed:
            self.closed = how
            self.server.left += 1


class Server:
    """A server that accepts some more connections."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.attempts = 0
        self.error: Exception | None = None
        self.silence = asyncio.Event()
        self.silence.set()

    async def make(self) -> Any:
        self.attempts += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if not self.left:
            raise NoConnectionLeft("too many clients")
        self.left -= 1
        return Connection(self)

    def pool(self, size: int) -> Pool:
        return Pool(self.make, size, Watch())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_PAUSE", 0.02)
    monkeypatch.setattr(module, "MAX_PAUSE", 0.05)


async def turns() -> None:
    """Let every task go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_last_used_connection_is_used_again_and_no_more_are_made_than_needed() -> None:
    server = Server(10)
    pool = server.pool(4)
    first, second = await pool.acquire(), await pool.acquire()
    await pool.release(second, reusable=True)
    await pool.release(first, reusable=True)
    assert await pool.acquire() is first
    assert server.attempts == 2


async def test_tasks_are_served_in_the_order_of_coming() -> None:
    pool = Server(10).pool(1)
    held = await pool.acquire()
    served: list[int] = []

    async def use(number: int) -> None:
        async with pool.connection() as connection:
            assert connection is held
            served.append(number)
            await asyncio.sleep(0)

    waiting = [asyncio.create_task(use(number)) for number in range(5)]
    await turns()
    waiting[2].cancel()
    await pool.release(held, reusable=True)
    waiting[0].cancel()  # in the moment in which the connection was handed to it
    await asyncio.gather(*waiting, use(5), return_exceptions=True)
    assert served == [1, 3, 4, 5]


@pytest.mark.parametrize(
    ("error", "in_transaction", "kept"),
    [
        (None, False, True), (None, True, False), (StatementFailed("no"), False, True),
        (DatabaseUnavailable("gone"), False, False), (TimeoutError(), False, False),
        (asyncio.CancelledError(), False, False),
    ],
)  # fmt: skip
async def test_a_connection_is_closed_after_a_use_that_may_not_have_ended(
    error: BaseException | None, in_transaction: bool, kept: bool
) -> None:
    pool = Server(10).pool(1)
    with contextlib.suppress(StatementFailed, DatabaseUnavailable, TimeoutError, asyncio.CancelledError):
        async with pool.connection() as used:
            used.in_transaction = in_transaction
            if error is not None:
                raise error
    assert used.closed == ("" if kept else "closed")
    assert (await pool.acquire() is used) == kept


async def test_a_silent_server_does_not_hold_up_the_release_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "closing", 0.01)
    server = Server(10)
    pool = server.pool(1)
    connection = await pool.acquire()
    server.silence.clear()
    await pool.release(connection, reusable=False)
    assert connection.closed == "terminated"
    assert await pool.acquire() is not connection


async def test_idle_connections_that_may_be_gone_are_ended_without_a_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Server(10).pool(3)
    lost, unused, used = [await pool.acquire() for _ in range(3)]
    for connection in (lost, unused):
        await pool.release(connection, reusable=True)
    monkeypatch.setattr(module, "MAX_IDLE", 0.01)
    await asyncio.sleep(0.02)
    await pool.release(used, reusable=True)
    assert (lost.closed, unused.closed, used.closed) == ("terminated", "", ""), "the oldest one, while others are used"
    assert await pool.acquire() is used
    assert await pool.acquire() not in {lost, unused}
    assert unused.closed == "terminated"
    await pool.release(used, reusable=True)
    used.end("lost")
    assert await pool.acquire() is not used


async def test_a_task_that_waits_too_long_ends_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_TIMEOUT", 0.01)
    pool = Server(10).pool(1)
    held = await pool.acquire()
    with pytest.raises(DatabaseUnavailable, match=r"no connection to the database came free within"):
        await pool.acquire()
    await pool.release(held, reusable=True)
    assert await pool.acquire() is held


async def test_closing_ends_idle_connections_and_waits_for_the_others() -> None:
    pool = Server(10).pool(2)
    idle, used = await pool.acquire(), await pool.acquire()
    await pool.release(idle, reusable=True)
    closing = asyncio.create_task(pool.close())
    await turns()
    assert (idle.closed, used.closed, closing.done()) == ("closed", "", False)
    await pool.release(used, reusable=True)
    await closing
    assert used.closed == "closed"
    with pytest.raises(DatabaseUnavailable, match="was closed"):
        await pool.acquire()


async def test_a_task_that_is_refused_waits_for_the_first_connection_that_is_released() -> None:
    server = Server(2)
    pool = server.pool(4)
    long, short = await pool.acquire(), await pool.acquire()
    waiting = [asyncio.create_task(pool.acquire()) for _ in range(2)]
    await turns()
    assert server.attempts == 4, "one for each connection that the pool may have"
    await pool.release(short, reusable=True)
    assert await waiting[0] is short or await waiting[1] is short
    await pool.release(long, reusable=True)
    assert {*await asyncio.gather(*waiting)} == {short, long}


async def test_a_process_without_connections_is_refused_at_once_and_asks_again_after_a_pause() -> None:
    server = Server(0)
    pool = server.pool(4)
    for _ in range(20):
        with pytest.raises(NoConnectionLeft, match="too many clients"):
            await pool.acquire()
    assert server.attempts == 1
    await asyncio.sleep(module.MIN_PAUSE)
    server.left = 1
    assert await pool.acquire()


async def test_when_a_pause_is_over_one_task_asks_for_all_and_all_may_once_it_succeeds() -> None:
    server = Server(1)
    pool = server.pool(4)
    await pool.acquire()
    waiting = [asyncio.create_task(pool.acquire()) for _ in range(3)]
    await turns()
    before = server.attempts
    async with asyncio.timeout(5):
        while server.attempts == before:
            await asyncio.sleep(0)
    await turns()
    assert server.attempts == before + 1
    server.left = 3
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert server.attempts == before + 4


async def test_pauses_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_PAUSE", 0.2)
    monkeypatch.setattr(module, "MAX_PAUSE", 5.0)
    pool = Server(0).pool(1)
    pauses = []
    for _ in range(7):
        with pytest.raises(NoConnectionLeft):
            await pool.acquire()
        assert pool._pause is not None
        pauses.append(pool._pause.when() - asyncio.get_running_loop().time())
        pool._end_pause()
    for pause, longest in zip(pauses, (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0), strict=True):
        assert longest / 2 - 0.1 < pause <= longest


@pytest.mark.parametrize("error", [None, DatabaseUnavailable("gone")], ids=["full", "gone"])
async def test_when_the_last_connection_is_lost_every_task_that_waits_fails(error: Exception | None) -> None:
    server = Server(1)
    pool = server.pool(3 if error is None else 1)
    held = await pool.acquire()
    waiting = [asyncio.create_task(pool.acquire()) for _ in range(4)]
    await turns()
    server.error = error
    held.end("lost")
    server.left = 0
    await pool.release(held, reusable=False)
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(end) for end in ends] == ["too many clients" if error is None else "gone"] * 4
