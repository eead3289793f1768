"""What the fault harness is driven by: plans, conversations, and the way that an agent is cut off at a step."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter

import pytest

pytest.importorskip("harness.chaos", reason="the fault harness is part of the checkout, not of the wheel")

from atlas.db.queries import sql
from harness.chaos.kill_plan import Kind, draw
from harness.chaos.protocols import Http, Postgres
from harness.chaos.proxy import Proxy, Trap
from harness.chaos.steps import STEPS, Moment, Step, name_of

CLAIM = Step("hunter/claim_topics", Moment.BEFORE)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def said(*parts: bytes) -> bytes:
    startup = b"\0\3\0\0user\0postgres\0\0"
    return struct.pack("!I", len(startup) + 4) + startup + b"".join(parts)


def parse(name: bytes, text: str) -> bytes:
    return message(b"P", name + b"\0" + text.encode() + b"\0\0\0")


def bind(name: bytes) -> bytes:
    return message(b"B", b"\0" + name + b"\0" + b"\0" * 6)


async def steps_of(conversation: Postgres | Http, data: bytes) -> list[str | None]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return [step async for _, step in conversation.messages(reader)]


async def test_a_statement_is_known_where_it_runs_and_not_where_it_is_prepared() -> None:
    data = said(parse(b"s1", sql("hunter/claim_topics")), bind(b"s1"), message(b"Q", b"COMMIT;\0"), bind(b"s1"))
    assert await steps_of(Postgres(), data) == [None, None, "hunter/claim_topics", "commit", "hunter/claim_topics"]


async def test_what_an_end_cuts_short_is_no_message() -> None:
    data = said(parse(b"s1", sql("hunter/claim_topics")), bind(b"s1"))
    assert await steps_of(Postgres(), data[:-1]) == [None, None]


async def test_calls_of_the_api_are_steps() -> None:
    paths = ("search?q=a", "videos?id=b", "videos:batchGetStats?id=c")
    data = b"".join(f"GET /youtube/v3/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths)
    assert await steps_of(Http(), data) == ["asks search", "asks videos", "asks batchGetStats"]


def test_every_step_is_a_statement_a_commit_or_a_call() -> None:
    for steps in STEPS.values():
        for step in steps:
            name = step.name
            assert name == "commit" or name.startswith("asks ") or name_of(sql(name)) == name


def test_the_same_seed_draws_the_same_fates() -> None:
    plans = [draw(7, "hunter 0/3", run) for run in range(300)]
    assert plans == [draw(7, "hunter 0/3", run) for run in range(300)]
    assert plans != [draw(8, "hunter 0/3", run) for run in range(300)]
    assert plans != [draw(7, "hunter 1/3", run) for run in range(300)]
    assert set(Counter(plan.kind for plan in plans)) == set(Kind)


class Server:
    """Answers whatever comes by three bytes, and keeps it."""

    def __init__(self) -> None:
        self.heard = b""

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            self.heard += data
            writer.write(b"yes")
        writer.close()


@pytest.mark.parametrize(
    ("moment", "dead", "heard", "answer"),
    [
        (Moment.BEFORE, True, False, b""),
        (Moment.AFTER, True, True, b""),
        (Moment.BEFORE, False, True, b"yes"),
        (Moment.AFTER, False, True, b"yes"),
    ],
)
async def test_a_trap_strikes_before_a_step_or_after_it(moment: Moment, dead: bool, heard: bool, answer: bytes) -> None:
    server = Server()
    listening = await server.start()
    way = Proxy(server.connect, Postgres)
    await way.start()
    sprung: list[str] = []

    def spring() -> bool:
        sprung.append("once")
        return dead

    reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
    try:
        async with asyncio.timeout(30):
            writer.write(said(parse(b"s", sql("hunter/claim_topics"))))
            await reader.readexactly(3)
            way.trap = Trap(Step("hunter/claim_topics", moment), spring)
            writer.write(bind(b"s"))
            assert await reader.read(3) == answer
        assert sprung == ["once"]
        assert way.trap is None
        assert server.heard.endswith(bind(b"s")) is heard
    finally:
        writer.transport.abort()
        await way.close()
        listening.close()


async def test_what_is_held_up_passes_later_and_what_is_cut_is_broken() -> None:
    server = Server()
    listening = await server.start()
    way = Proxy(server.connect, Postgres)
    await way.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
    other_reader, other = await asyncio.open_connection("127.0.0.1", way.port)
    try:
        async with asyncio.timeout(30):
            way.hold_up()
            writer.write(said())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), 0.1)
            assert not server.heard
            way.go_on()
            assert await reader.readexactly(3) == b"yes"
            other.write(said())
            assert await other_reader.readexactly(3) == b"yes"
            assert way.cut() == 2
            assert await ended(reader)
            assert await ended(other_reader)
    finally:
        writer.transport.abort()
        other.transport.abort()
        await way.close()
        listening.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes any more, said or not."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True
