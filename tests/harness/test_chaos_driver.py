"""What drives the fault harness: plans, conversations, and how an agent is cut off at a step."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

pytest.importorskip("harness.chaos", reason="the fault harness is part of the checkout, not of the wheel")

from atlas.db.queries import sql
from harness.chaos.kill_plan import KillKind, draw
from harness.chaos.protocols import Http, Postgres
from harness.chaos.proxy import Proxy, Trap
from harness.chaos.steps import STEPS, Moment, Step, name_of

CLAIM = "hunter/claim_topics"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


PARSE = message(b"P", b"s1\0" + sql(CLAIM).encode() + b"\0\0\0")
BIND = message(b"B", b"\0s1\0" + b"\0" * 6)
STARTUP = message(b"", b"\0\3\0\0user\0postgres\0\0")
CALLS = b"".join(
    f"GET /youtube/v3/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for path in ("search?q=a", "videos?id=b", "videos:batchGetStats?id=c")
)


@pytest.mark.parametrize(
    ("conversation", "data", "steps"),
    [
        (Postgres, STARTUP + PARSE + BIND + message(b"Q", b"COMMIT;\0") + BIND, [None, None, CLAIM, "commit", CLAIM]),
        (Postgres, (STARTUP + PARSE + BIND)[:-1], [None, None]),
        (Http, CALLS, ["asks search", "asks videos", "asks batchGetStats"]),
    ],
    ids=["a statement where it runs", "no message that an end cuts short", "calls"],
)
async def test_what_an_agent_sends_is_known(
    conversation: type[Postgres | Http], data: bytes, steps: list[str | None]
) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    assert [step async for _, step in conversation().messages(reader)] == steps


def test_every_step_is_a_statement_a_commit_or_a_call() -> None:
    for name in (step.name for steps in STEPS.values() for step in steps):
        assert name == "commit" or name.startswith("asks ") or name_of(sql(name)) == name


def test_the_same_seed_draws_the_same_plans() -> None:
    plans = [draw(7, "hunter 0/3", run) for run in range(300)]
    assert plans == [draw(7, "hunter 0/3", run) for run in range(300)]
    assert plans != [draw(8, "hunter 0/3", run) for run in range(300)]
    assert plans != [draw(7, "hunter 1/3", run) for run in range(300)]
    assert {plan.kind for plan in plans} == set(KillKind)


@dataclass
class Way:
    """A proxy to a server that answers whatever comes by three bytes, and keeps it."""

    proxy: Proxy
    received: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            self.received += data
            writer.write(b"yes")
        writer.close()


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    found = Way(Proxy(lambda: asyncio.open_connection("127.0.0.1", port), Postgres))
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await found.proxy.start()
    async with asyncio.timeout(30):
        yield found
    await found.proxy.close()
    server.close()


@contextlib.asynccontextmanager
async def agent(way: Way) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", way.proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("moment", "dead", "received", "answer"),
    [
        (Moment.BEFORE, True, False, b""),
        (Moment.AFTER, True, True, b""),
        (Moment.BEFORE, False, True, b"yes"),
        (Moment.AFTER, False, True, b"yes"),
    ],
)
async def test_a_trap_strikes_before_a_step_or_after_it(
    moment: Moment, dead: bool, received: bool, answer: bytes, way: Way
) -> None:
    sprung: list[str] = []

    def spring() -> bool:
        sprung.append("once")
        return dead

    async with agent(way) as (reader, writer):
        writer.write(STARTUP + PARSE)
        await reader.readexactly(3)
        way.proxy.trap = Trap(Step(CLAIM, moment), spring)
        writer.write(BIND)
        assert await reader.read(3) == answer
    assert (sprung, way.proxy.trap) == (["once"], None)
    assert way.received.endswith(BIND) is received


async def test_what_is_held_up_passes_later_and_what_is_cut_is_broken(way: Way) -> None:
    async with agent(way) as (reader, writer), agent(way) as (other_reader, other):
        way.proxy.hold_up()
        writer.write(STARTUP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        assert not way.received
        way.proxy.go_on()
        assert await reader.readexactly(3) == b"yes"
        other.write(STARTUP)
        assert await other_reader.readexactly(3) == b"yes"
        assert way.proxy.cut() == 2
        for broken in (reader, other_reader):
            with contextlib.suppress(ConnectionResetError):
                assert await broken.read() == b""
