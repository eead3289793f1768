"""A place's own connection to a server: it sees each step that an agent takes, and can be cut and held up.

Only complete messages are passed on, so that a kill at a step is before it or after it and never in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from harness.chaos.protocols import Conversation
from harness.chaos.steps import Moment, Step

Far = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

_MOST = 2**16


@dataclass
class Trap:
    """What happens once at the n-th time of a step; ``spring`` returns whether the agent is dead of it."""

    step: Step
    spring: Callable[[], bool]
    nth: int = 1


@dataclass(eq=False)
class _Session:
    """One connection of an agent; ``withheld`` is the trap that springs when the server answers next."""

    writer: asyncio.StreamWriter
    far: asyncio.StreamWriter
    withheld: Trap | None = None


class Proxy:
    """A TCP port of 127.0.0.1 that leads to a server.

    Attributes:
        trap: set for the next step that fits; None: none is.
        met: set by the next connection.
    """

    def __init__(self, far: Far, conversation: Callable[[], Conversation]) -> None:
        self.port = 0
        self.trap: Trap | None = None
        self.met = asyncio.Event()
        self._far = far
        self._conversation = conversation
        self._sessions: set[_Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End every connection, and stop to listen."""
        if self._server is not None:
            self._server.close()
        self.go_on()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def cut(self) -> int:
        """Break every connection on both ends. Return their number."""
        broken = len(self._sessions)
        for session in tuple(self._sessions):
            session.writer.transport.abort()
            session.far.transport.abort()
        return broken

    def hold_up(self) -> None:
        """Let nothing pass, in either direction, until `go_on`."""
        self._passes.clear()

    def go_on(self) -> None:
        self._passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far = await self._far()
        except OSError:
            writer.transport.abort()  # the server is away
            return
        session = _Session(writer, far)
        self._sessions.add(session)
        self.met.set()
        try:
            await asyncio.gather(self._to_server(session, reader), self._to_agent(session, far_reader))
        finally:
            self._sessions.discard(session)
            for end in (writer, far):
                end.transport.abort()

    async def _to_server(self, session: _Session, reader: asyncio.StreamReader) -> None:
        async for message, step in self._conversation().messages(reader):
            trap = self._sprung(step)
            if trap is not None:
                if trap.step.moment is Moment.AFTER:
                    session.withheld = trap
                elif trap.spring():
                    break
            await self._passes.wait()
            await _passed_on(session.far, message)
        with contextlib.suppress(OSError):
            session.far.close()  # what the agent had sent before its end still reaches the server, as on a network

    def _sprung(self, step: str | None) -> Trap | None:
        """Return the trap that this step springs, and remove it."""
        trap = self.trap
        if trap is None or trap.step.name != step:
            return None
        trap.nth -= 1
        if trap.nth > 0:
            return None
        self.trap = None
        return trap

    async def _to_agent(self, session: _Session, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_MOST):
                await self._passes.wait()
                trap, session.withheld = session.withheld, None
                if trap is not None and trap.spring():
                    break
                await _passed_on(session.writer, data)
        session.writer.transport.abort()


async def _passed_on(writer: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(OSError):
        writer.write(data)
        await writer.drain()
