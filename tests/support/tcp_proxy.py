"""A way to a database that a test can cut: a TCP port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

__all__ = ["Wire", "wire_to"]


class Wire:
    """A TCP port that leads to the database of a DSN, and can be cut and repaired."""

    def __init__(self, dsn: str) -> None:
        self._address = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0
        self._loses = False
        self._silent_up_to = 0.0  # the number of the last connection that is silent
        self._silent_at: tuple[bytes, bool] | None = None
        self._break_at: tuple[bytes, bool] | None = None
        self.fell_silent = asyncio.Event()

    def dsn(self, user: str = "postgres", password: str = "") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}{self._address.path}"

    async def repair(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Breaks every connection, and takes no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.break_connections()

    def break_connections(self) -> None:
        """Breaks every connection; new ones are taken."""
        for end in tuple(self._ends):
            end.transport.abort()

    def lose_next_answer(self) -> None:
        """The next thing that the database says does not arrive, and every connection breaks; it has done its part."""
        self._loses = True

    def break_at(self, text: bytes, *, arrives: bool) -> None:
        """Breaks every connection once a client says this. `arrives`: only the answer to it is lost."""
        self._break_at = text, arrives

    @property
    def will_break(self) -> bool:
        """Whether no client has said yet what breaks every connection."""
        return self._break_at is not None

    def fall_silent(self, *, new_ones_too: bool = True) -> None:
        """Nothing arrives any more, on either side. Connections stay open; new ones are taken, and silent or not."""
        self._silent_up_to = float("inf") if new_ones_too else self.connections
        self.fell_silent.set()

    def fall_silent_at(self, text: bytes, *, new_ones_too: bool = True) -> None:
        """The same, once a client says this for the first time; that does not arrive either."""
        self._silent_at = text, new_ones_too

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        folder = parse_qs(self._address.query).get("host")
        port = self._address.port or int(parse_qs(self._address.query).get("port", ["5432"])[0])
        if folder:
            far_reader, far_writer = await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{port}")
        else:
            far_reader, far_writer = await asyncio.open_connection(self._address.hostname, port)
        self._ends |= {writer, far_writer}
        try:
            await asyncio.gather(self._ask(reader, far_writer, number), self._answer(far_reader, writer, number))
        finally:
            self._ends -= {writer, far_writer}
            for end in (writer, far_writer):
                end.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                if self._silent_at is not None and self._silent_at[0] in data:
                    self.fall_silent(new_ones_too=self._silent_at[1])
                    self._silent_at = None
                if self._break_at is not None and self._break_at[0] in data:
                    arrives, self._break_at = self._break_at[1], None
                    if arrives:
                        self.lose_next_answer()
                    else:
                        self.break_connections()
                if number > self._silent_up_to:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                if self._loses:
                    self._loses = False
                    self.break_connections()
                if number > self._silent_up_to:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()

    async def close(self) -> None:
        await self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


@contextlib.asynccontextmanager
async def wire_to(dsn: str) -> AsyncIterator[Wire]:
    """A wire that works, until the block ends."""
    wire = Wire(dsn)
    await wire.repair()
    try:
        yield wire
    finally:
        await wire.close()
