"""The client against a real socket: half answers, cut and stale connections, gzip, time limits, cancellation."""

import asyncio
import contextlib
import gzip
import json
import logging
import socket
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from pydantic import SecretStr

from atlas.quota.buckets import Bucket
from maia.youtube import Malformed, NetworkError, YouTubeClient

from ..support.memory_limit import run_measured

pytestmark = pytest.mark.integration

KEY = "recognisable-key-of-this-test"
OK = json.dumps(
    {"kind": "youtube#videoListResponse", "items": [{"id": "a", "snippet": {"title": "x" * 5000}}]}
).encode()

Handler = Callable[["Server", str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


@dataclass(eq=False)
class Reservation:
    key: SecretStr
    fingerprint: str
    bucket: Bucket
    day: date = date(2026, 11, 22)


@dataclass
class Ring:
    issued: list[Reservation] = field(default_factory=list)
    settled: list[Reservation] = field(default_factory=list)
    returned: list[Reservation] = field(default_factory=list)

    async def acquire(self, bucket: Bucket) -> Reservation:
        self.issued.append(Reservation(SecretStr(KEY), "fp0", bucket))
        return self.issued[-1]

    async def settle(self, reservations: Sequence[Reservation]) -> None:
        self.settled += reservations

    async def refuse(self, reservation: Reservation) -> None:
        self.settled.append(reservation)

    async def release(self, reservation: Reservation) -> None:
        self.returned.append(reservation)

    def counted(self, *answered: Any) -> int:
        """Calls that count; fails unless each reservation ended exactly once."""
        ended = [*self.settled, *self.returned, *answered]
        assert Counter(map(id, ended)) == Counter(map(id, self.issued))
        return len(self.settled) + len(answered)


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
                await handler(self, head[0], headers, writer)
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


def says(*data: bytes) -> Handler:
    async def handler(server: Server, line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        for part in data:
            writer.write(part)
            await writer.drain()

    return handler


def says_and_cuts(data: bytes) -> Handler:
    async def handler(server: Server, line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return handler


async def hangs(server: Server, line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await server.over.wait()


def client_of(url: str, ring: Ring, **options: Any) -> YouTubeClient:
    return YouTubeClient(ring, base_url=url, backoff=0.01, **options)  # type: ignore[arg-type]


async def test_what_goes_over_the_wire(serve: Serve) -> None:
    server, ring = await serve(says(response(gzip.compress(OK), "Content-Encoding: gzip"))), Ring()

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
    assert ring.counted(*answer.reservations, *again.reservations) == len(server.requests) == 2


BROKEN: dict[str, Handler] = {
    "cut before any answer": says_and_cuts(b""),
    "cut in the headers": says_and_cuts(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "cut in the body": says_and_cuts(response(OK[:100], length=len(OK))),
    "cut in a chunk": says_and_cuts(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{"),
    "cut in the gzip": says_and_cuts(
        response(gzip.compress(OK)[:-20], "Content-Encoding: gzip", length=len(gzip.compress(OK)))
    ),
    "no HTTP": says_and_cuts(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "no gzip": says(response(OK, "Content-Encoding: gzip")),
    "half a gzip, said to be whole": says(response(gzip.compress(OK)[:-20], "Content-Encoding: gzip")),
    "half the JSON": says(response(OK[:-5])),
    "an error without end": says_and_cuts(response(b"{", length=500, status="503 Unavailable")),
}


@pytest.mark.parametrize("handler", BROKEN.values(), ids=BROKEN)
async def test_a_broken_answer_is_tried_again(serve: Serve, handler: Handler) -> None:
    server, ring = await serve(handler, says(response())), Ring()

    async with client_of(server.url, ring) as client:
        answer = await client.videos(["a"])

    assert len(answer.items) == 1
    assert ring.counted(*answer.reservations) == len(server.requests) == 2


@pytest.mark.parametrize("handler", BROKEN.values(), ids=BROKEN)
async def test_every_request_that_arrives_is_counted_and_none_is_sent_in_secret(serve: Serve, handler: Handler) -> None:
    """On a connection that had served before, aiohttp by itself would ask a second time for each try."""
    server, ring = await serve(says(response()), handler), Ring()

    async with client_of(server.url, ring, concurrency=1) as client:
        first = await client.videos(["a"])
        with pytest.raises((NetworkError, Malformed)):
            await client.videos(["a"])

    assert ring.counted(*first.reservations) == len(server.requests) == 4


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ring = Ring()
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, but not listening: refuses
        async with client_of(f"http://127.0.0.1:{reserved.getsockname()[1]}", ring) as client:
            with pytest.raises(NetworkError) as caught:
                await client.videos(["a"])

    assert caught.value.reached is False
    assert caught.value.__cause__ is None
    assert (len(ring.issued), ring.counted()) == (3, 0)
    assert KEY not in caplog.text + repr(caught.value)


async def test_no_answer_in_time(serve: Serve) -> None:
    server, ring = await serve(hangs), Ring()

    async with client_of(server.url, ring, timeout=0.2) as client:
        with pytest.raises(NetworkError, match="in time") as caught:
            await client.videos(["a"])

    assert caught.value.reached is True
    assert ring.counted() == len(server.requests) == 3


async def test_a_body_that_stalls(serve: Serve) -> None:
    async def stalls(server: Server, line: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(response(OK[:100], length=len(OK)))
        await server.over.wait()

    server, ring = await serve(stalls), Ring()

    async with client_of(server.url, ring, timeout=0.2) as client:
        with pytest.raises(NetworkError, match="in time"):
            await client.videos(["a"])

    assert ring.counted() == len(server.requests) == 3


async def test_a_call_that_is_cancelled_counts_once_it_was_sent(serve: Serve) -> None:
    server, ring = await serve(hangs), Ring()

    async with client_of(server.url, ring) as client:
        call = asyncio.create_task(client.videos(["a"]))
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert ring.counted() == 1


async def test_a_ring_that_fails_does_not_swallow_a_cancellation(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenRing(Ring):
        async def settle(self, reservations: Sequence[Reservation]) -> None:
            raise OSError("database gone")

    server = await serve(hangs)

    async with client_of(server.url, BrokenRing()) as client:
        call = asyncio.create_task(client.videos(["a"]))
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert "cannot account for a cancelled call: database gone" in caplog.text


async def test_a_call_that_is_cancelled_before_it_is_connected_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        connecting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("aiohttp.connector.TCPConnector._create_connection", never)
    ring = Ring()
    async with client_of("http://127.0.0.1:9", ring) as client:
        call = asyncio.create_task(client.videos(["a"]))
        await connecting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (len(ring.issued), ring.counted()) == (1, 0)


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    elsewhere = await serve(says(response()))
    server = await serve(says(response(b"", f"Location: {elsewhere.url}", status="302 Found")))
    ring = Ring()

    async with client_of(server.url, ring) as client:
        with pytest.raises(Malformed, match="YOUTUBE_API_BASE_URL"):
            await client.videos(["a"])

    assert elsewhere.requests == []
    assert ring.counted() == len(server.requests) == 3


BOMBS = {
    "one member": (gzip.compress(bytes(20 * 2**20)), "gzip"),
    "many members": (gzip.compress(bytes(2**20)) * 20, "gzip"),
    "empty members without end": (gzip.compress(b"") * 2**20, "gzip"),
    "deflate": (zlib.compress(bytes(20 * 2**20)), "deflate"),
    "as it is": (bytes(20 * 2**20), "identity"),
}


@pytest.mark.parametrize(("bomb", "encoding"), BOMBS.values(), ids=BOMBS)
async def test_a_bomb_is_not_swallowed(serve: Serve, bomb: bytes, encoding: str) -> None:
    server, ring = await serve(says_and_cuts(response(bomb, f"Content-Encoding: {encoding}"))), Ring()

    async with client_of(server.url, ring) as client:
        with pytest.raises(Malformed, match="more than 16777216 bytes"):
            await client.videos(["a"])

    assert ring.counted() == len(server.requests) == 3


MEMBERS = [gzip.compress(OK[:100]), gzip.compress(b""), gzip.compress(OK[100:])]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (OK, []),
        (OK, ["Content-Encoding: identity"]),
        (OK, ["Content-Encoding:"]),
        (gzip.compress(OK), ["Content-Encoding: GZip"]),
        (gzip.compress(OK), ["Content-Encoding: x-gzip"]),
        (zlib.compress(OK), ["Content-Encoding: deflate"]),
        (b"".join(MEMBERS), ["Content-Encoding: gzip"]),
        (b"".join(MEMBERS) + bytes(200_000), ["Content-Encoding: gzip"]),
        (gzip.compress(OK + b" " * 7 * 2**20), ["Content-Encoding: gzip"]),
    ],
)
async def test_encodings_that_are_understood(serve: Serve, body: bytes, headers: list[str]) -> None:
    server, ring = await serve(says(response(body, *headers))), Ring()

    async with client_of(server.url, ring) as client:
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
    server, ring = await serve(says(response(body, *(f"Content-Encoding: {each}" for each in encodings)))), Ring()

    async with client_of(server.url, ring) as client:
        with pytest.raises(NetworkError, match=f"Content-Encoding '{shown}', which was not asked for"):
            await client.videos(["a"])


INFLATED = """
    import asyncio, gzip, zlib
    from pydantic import SecretStr
    from maia.youtube.transport import Progress, Transport

    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(packer.compress(bytes(2**20)) for _ in range(500)), packer.flush()])

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
        reply = await transport.get("/videos", {}, SecretStr("key"), Progress())
        await transport.close()
        server.close()
        return reply.body

    print(measured(lambda: asyncio.run(ask())))
"""


def test_an_answer_that_unpacks_to_half_a_gigabyte_takes_little_memory() -> None:
    taken, printed = run_measured(INFLATED)

    assert printed == "None\n"
    assert taken < 48 * 2**20
