"""The client against a real socket: half answers, cut and stale connections, gzip, time limits, cancellation."""

import asyncio
import contextlib
import gzip
import json
import logging
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from maia.youtube import Malformed, NetworkError, YouTubeClient, transport

from ..support.memory_limit import run_measured
from ..support.youtube_fakes import FakeRing

pytestmark = pytest.mark.integration

KEY = "recognisable-key-of-this-test"
OK = json.dumps(
    {"kind": "youtube#videoListResponse", "items": [{"id": "a", "snippet": {"title": "x" * 5000}}]}
).encode()

Handler = Callable[["Server", asyncio.StreamWriter], Awaitable[None]]


def one_key() -> FakeRing:
    return FakeRing([KEY])


def counted(ring: FakeRing, *answered: object) -> int:
    """Calls that count; fails unless each reservation ended exactly once."""
    return sum(end != "released" for end in ring.book(*answered))


@dataclass
class Server:
    """Hands each request to the next handler, and the last one over and over. Counts what arrived."""

    handlers: list[Handler]
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    url: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[writer] = asyncio.current_task()  # type: ignore[assignment]
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
                handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
                self.requests.append((head[0].split()[1], headers))
                self.arrived.set()
                await handler(self, writer)
        writer.close()

    async def hang_up(self) -> None:
        self.over.set()
        for writer in self._open:
            if writer.is_closing():  # it may be gone by now, and what is gone cannot be aborted
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            else:
                writer.transport.abort()
        await asyncio.gather(*self._open.values())


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(*handlers: Handler) -> Server:
            server = Server(list(handlers))
            listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
            server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/youtube/v3"
            stack.callback(listener.close)
            stack.push_async_callback(server.hang_up)
            return server

        yield start


def response(body: bytes = OK, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def says(data: bytes, then: str = "") -> Handler:
    """Answer so, and then nothing, or `cut` the connection, or `stall`."""

    async def handler(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then == "cut":
            writer.close()
        elif then == "stall":
            await server.over.wait()

    return handler


def client_of(url: str, ring: FakeRing, **options: Any) -> YouTubeClient:
    return YouTubeClient(ring, base_url=url, backoff=0.01, **options)  # type: ignore[arg-type]


async def test_what_goes_over_the_wire(serve: Serve) -> None:
    server, ring = await serve(says(response(gzip.compress(OK), "Content-Encoding: gzip"))), one_key()
    async with client_of(server.url, ring, user_agent="maia/9 (hunter 0/4)") as client:
        answer = await client.videos(["a", "b"])
        again = await client.videos(["a"])
    assert answer.items[0].title == "x" * 5000
    path, headers = server.requests[0]
    assert path == "/youtube/v3/videos?part=snippet,contentDetails,statistics&id=a,b"
    assert headers["x-goog-api-key"] == KEY
    assert headers["accept-encoding"] == "gzip"
    assert headers["user-agent"] == "maia/9 (hunter 0/4) gzip"
    assert server.connections == 1
    assert counted(ring, *answer.reservations, *again.reservations) == len(server.requests) == 2


PACKED = gzip.compress(OK)
BROKEN: dict[str, Handler] = {
    "cut before any answer": says(b"", "cut"),
    "cut in the headers": says(b"HTTP/1.1 200 OK\r\nContent-Le", "cut"),
    "cut in the body": says(response(OK[:100], length=len(OK)), "cut"),
    "cut in a chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{", "cut"),
    "cut in the gzip": says(response(PACKED[:-20], "Content-Encoding: gzip", length=len(PACKED)), "cut"),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.6\r\n", "cut"),
    "no gzip": says(response(OK, "Content-Encoding: gzip")),
    "half a gzip of the length announced": says(response(PACKED[:-20], "Content-Encoding: gzip")),
    "half the JSON": says(response(OK[:-5])),
    "an error without end": says(response(b"{", length=500, status="503 Unavailable"), "cut"),
}


@pytest.mark.parametrize("handler", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_tried_again_and_every_request_that_arrives_is_counted(
    serve: Serve, handler: Handler
) -> None:
    """On a connection that had served before, aiohttp by itself would ask a second time for each try."""
    server, ring = await serve(says(response()), handler, says(response()), handler), one_key()
    async with client_of(server.url, ring, concurrency=1) as client:
        first, second = await client.videos(["a"]), await client.videos(["a"])
        assert len(second.items) == 1
        with pytest.raises((NetworkError, Malformed)):
            await client.videos(["a"])
    assert counted(ring, *first.reservations, *second.reservations) == len(server.requests) == 6


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ring = one_key()
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, but not listening: refuses
        async with client_of(f"http://127.0.0.1:{reserved.getsockname()[1]}", ring) as client:
            with pytest.raises(NetworkError) as caught:
                await client.videos(["a"])
    assert caught.value.reached is False
    assert caught.value.__cause__ is None
    assert (len(ring.issued), counted(ring)) == (3, 0)
    assert KEY not in caplog.text + repr(caught.value)


@pytest.mark.parametrize("data", [b"", response(OK[:100], length=len(OK))], ids=["no answer", "half a body"])
async def test_no_whole_answer_in_time(serve: Serve, data: bytes) -> None:
    server, ring = await serve(says(data, "stall")), one_key()
    async with client_of(server.url, ring, timeout=0.2) as client:
        with pytest.raises(NetworkError, match="in time") as caught:
            await client.videos(["a"])
    assert caught.value.reached is True
    assert counted(ring) == len(server.requests) == 3


async def cancelled(client: YouTubeClient, once: asyncio.Event) -> None:
    call = asyncio.create_task(client.videos(["a"]))
    await once.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_call_that_is_cancelled_counts_once_it_was_sent(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server, ring = await serve(says(b"", "stall")), one_key()
    async with client_of(server.url, ring) as client:
        await cancelled(client, server.arrived)
        assert counted(ring) == 1
        ring.failure = OSError("database gone")  # which swallows no cancellation
        server.arrived.clear()
        await cancelled(client, server.arrived)
    assert "cannot account for a cancelled call: database gone" in caplog.text


async def test_a_call_that_is_cancelled_before_it_is_connected_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        connecting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("aiohttp.connector.TCPConnector._create_connection", never)
    ring = one_key()
    async with client_of("http://127.0.0.1:9", ring) as client:
        await cancelled(client, connecting)
    assert (len(ring.issued), counted(ring)) == (1, 0)


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    elsewhere = await serve(says(response()))
    server = await serve(says(response(b"", f"Location: {elsewhere.url}", status="302 Found")))
    ring = one_key()
    async with client_of(server.url, ring) as client:
        with pytest.raises(Malformed, match="YOUTUBE_API_BASE_URL"):
            await client.videos(["a"])
    assert elsewhere.requests == []
    assert counted(ring) == len(server.requests) == 3


MOST = 2**18
BOMBS = {
    "one member": (gzip.compress(bytes(2 * MOST)), "gzip"),
    "many members": (gzip.compress(bytes(MOST // 8)) * 16, "gzip"),
    "empty members without end": (gzip.compress(b"") * (MOST // 16), "gzip"),
    "deflate": (zlib.compress(bytes(2 * MOST)), "deflate"),
    "as it is": (bytes(2 * MOST), "identity"),
}


@pytest.mark.parametrize(("bomb", "encoding"), BOMBS.values(), ids=BOMBS)
async def test_a_bomb_is_not_swallowed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, bomb: bytes, encoding: str
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", MOST)
    server, ring = await serve(says(response(bomb, f"Content-Encoding: {encoding}"), "cut")), one_key()
    async with client_of(server.url, ring) as client:
        with pytest.raises(Malformed, match="more than 16777216 bytes"):
            await client.videos(["a"])
    assert counted(ring) == len(server.requests) == 3


MEMBERS = b"".join(gzip.compress(part) for part in (OK[:100], b"", OK[100:]))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (OK, []),
        (OK, ["Content-Encoding: identity"]),
        (OK, ["Content-Encoding:"]),
        (PACKED, ["Content-Encoding: GZip"]),
        (PACKED, ["Content-Encoding: x-gzip"]),
        (zlib.compress(OK), ["Content-Encoding: deflate"]),
        (MEMBERS, ["Content-Encoding: gzip"]),
        (MEMBERS + bytes(200_000), ["Content-Encoding: gzip"]),
        (gzip.compress(OK + b" " * 7 * 2**20), ["Content-Encoding: gzip"]),
    ],
)
async def test_encodings_that_are_understood(serve: Serve, body: bytes, headers: list[str]) -> None:
    server = await serve(says(response(body, *headers)))
    async with client_of(server.url, one_key()) as client:
        answer = await client.videos(["a"])
    assert answer.items[0].title == "x" * 5000


@pytest.mark.parametrize(
    ("encodings", "shown"),
    [
        (["br"], "br"),
        (["zstd"], "zstd"),
        (["gzip, gzip"], "gzip, gzip"),
        (["gzip", "gzip"], "gzip,gzip"),
        (["identity, gzip"], "identity, gzip"),
        (["x" * 5000], "x" * 40),
    ],
)
async def test_encodings_that_were_not_asked_for_are_not_unpacked(
    serve: Serve, encodings: list[str], shown: str
) -> None:
    body = gzip.compress(gzip.compress(OK))
    server = await serve(says(response(body, *(f"Content-Encoding: {each}" for each in encodings))))
    async with client_of(server.url, one_key()) as client:
        with pytest.raises(NetworkError, match=f"Content-Encoding '{shown}', which was not asked for"):
            await client.videos(["a"])


INFLATED = """
    import asyncio, zlib
    from pydantic import SecretStr
    from maia.youtube.transport import RequestProgress, Transport

    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join([*(packer.compress(bytes(2**20)) for _ in range(200)), packer.flush()])

    async def answers(reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        head = b"HTTP/1.1 200 OK\\r\\nContent-Encoding: gzip\\r\\nContent-Length: %d\\r\\n\\r\\n"
        writer.write(head % len(bomb) + bomb)
        try:
            await reader.read()
        finally:
            writer.close()

    async def ask():
        server = await asyncio.start_server(answers, "127.0.0.1", 0)
        url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        transport = Transport(url, user_agent="test", connections=1, timeout=60, connect_timeout=10)
        await transport.open()
        reply = await transport.get("/videos", {}, SecretStr("key"), RequestProgress())
        await transport.close()
        server.close()
        return reply.body

    print(measured(lambda: asyncio.run(ask())))
"""


def test_an_answer_that_unpacks_to_200_megabytes_takes_little_memory() -> None:
    taken, printed = run_measured(INFLATED)
    assert printed == "None\n"
    assert taken < 48 * 2**20
