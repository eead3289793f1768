"""One deadline for a database that does not answer, over all statements of a process.

A server that is gone breaks its connections. A silent one does not: its machine hangs, the network drops packets, or a
proxy that lost the server still acknowledges packets, so that the kernel's timeouts never fire. A long statement looks
the same on its own connection. So when a connection has waited for some seconds, the server is probed with a small
query on a new connection:

- No answer: after ``DEADLINE`` seconds without any answer from the server, every waiting connection is ended. All
  later steps of the process then share ``SHUTDOWN`` seconds.
- An answer: the connection may wait as long as its statement's own time limit. If the server reports this connection
  as idle for long, the answer was lost: the connection is ended, and its work can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from atlas.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    Probe = Callable[[Sequence[int]], Awaitable[Collection[int] | None]]
    """Returns which of these process ids run a statement; None: unknown."""

logger = logging.getLogger(__name__)

# all in real seconds
DEADLINE = 30.0
"""Without any answer for this long, the database is given up."""
HURRIED_DEADLINE: Final = 2.0
"""The same after a signal: Docker and GitHub Actions kill a process some seconds after it."""
SHUTDOWN: Final = 3.0
"""For all steps together once the database is given up."""

_HURRIED_SHUTDOWN: Final = 1.0  # the same after a signal
_CLOSE: Final = 2.0  # for closing a connection
_MIN_STEP: Final = 0.5  # for a step after the database is given up: the server may be back
_TICK: Final = 0.5  # between two looks at a silent server
_PROBE_SOON: Final = 0.3  # of waiting before the first probe, after a signal or once the database is given up
_KEEPALIVE: Final = 60  # routers and load balancers forget a connection that is idle for some minutes


@dataclass(eq=False, slots=True)
class _Wait:
    """A connection that waits for an answer."""

    connection: asyncpg.Connection
    pid: int
    since: float
    idle_since: float | None = None  # when a probe first reported it as idle
    error: DatabaseUnavailable | None = None  # why it was ended here

    def end(self, error: DatabaseUnavailable) -> None:
        self.error = error
        self.connection.terminate()


@dataclass(eq=False)
class Watch:
    """Watches whether the server answers, and limits waiting; one per ``Database`` and event loop."""

    server: str = "the database"  # how messages name it
    probe: Probe | None = None  # set before the first connection is watched
    last_answer: float = 0.0  # in time.monotonic() seconds
    _waits: dict[_Wait, None] = field(default_factory=dict)  # the oldest first
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    _given_up_at: float | None = None
    _hurried: bool = False
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None
    _probing: asyncio.Task[None] | None = None

    @property
    def ending(self) -> bool:
        """Whether the database is given up or a signal came; then waits are short, and nothing is repeated."""
        return self._given_up_at is not None or self._hurried

    @property
    def closing(self) -> float:
        """Time limit in seconds for closing a connection."""
        return _MIN_STEP if self.ending else _CLOSE

    def left(self, seconds: float) -> float:
        """Return the time limit of a step in seconds: ``seconds``, or less after a signal or a given-up database."""
        if self._given_up_at is not None:
            return min(seconds, max(self._shutdown_ends(self._given_up_at) - time.monotonic(), _MIN_STEP))
        return min(seconds, HURRIED_DEADLINE) if self._hurried else seconds

    def _shutdown_ends(self, given_up_at: float) -> float:
        return given_up_at + (_HURRIED_SHUTDOWN if self._hurried else SHUTDOWN)

    @contextlib.asynccontextmanager
    async def limited(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Limit a step that is no statement, such as making a connection; a signal shortens the limit.

        Raises TimeoutError after ``seconds``, DatabaseUnavailable if the limit was shorter.
        """
        limit = asyncio.timeout(self.left(seconds))
        self._limits.add(limit)
        try:
            async with limit:
                yield limit
        except TimeoutError:
            if limit.expired() and self.ending:
                raise self.silence() from None
            raise
        finally:
            self._limits.discard(limit)

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond a signal or the end of the deadline."""
        if self.ending:
            await asyncio.sleep(min(seconds, _PROBE_SOON))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    def silence(self) -> DatabaseUnavailable:
        """Return the error for a server that did not answer in time."""
        within = "" if self._hurried else f" within {DEADLINE:.0f} s"
        return DatabaseUnavailable(
            f"{self.server} gave no answer{within}. Check that it runs, that DATABASE_URL names its host and port, and "
            "that no firewall is in the way."
        )

    def answered(self) -> None:
        """The server has answered: it is there, or there again."""
        self.last_answer = time.monotonic()
        if self._given_up_at is not None:
            self._given_up_at = None
            if not self._hurried:
                self._ending.clear()

    def hurry(self) -> None:
        """A signal came: give a silent server up within ``HURRIED_DEADLINE``. One that answers is not affected."""
        if not self._hurried:
            self._hurried = True
            self._shorten()

    def give_up(self) -> None:
        """The database is given up: all further steps share ``SHUTDOWN`` seconds."""
        if self._given_up_at is None:
            self._given_up_at = time.monotonic()
            self._shorten()

    def _shorten(self) -> None:
        """Apply the shorter times to what waits already."""
        self._ending.set()
        end = asyncio.get_running_loop().time() + self.left(DEADLINE)
        for limit in self._limits:
            if (when := limit.when()) is None or when > end:
                limit.reschedule(end)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._schedule_probe()

    def attach(self, connection: asyncpg.Connection) -> None:
        """Watch everything that a new connection asks the server from now on."""
        connection._protocol = _WatchedProtocol(connection._protocol, self, connection)  # noqa: SLF001  there is no hook
        _keep_alive(connection._transport.get_extra_info("socket"))  # noqa: SLF001  likewise
        self.answered()

    async def answer(self, connection: asyncpg.Connection, pid: int, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Return the server's answer.

        Raises the driver's errors, and DatabaseUnavailable where the connection was ended here.
        """
        wait = _Wait(connection, pid, time.monotonic())
        self._waits[wait] = None
        if self._timer is None:
            self._schedule_probe()
        try:
            result = await ask()
        except Exception as error:
            if wait.error is not None:
                raise wait.error from None
            if isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.PostgresConnectionError):
                self.answered()
            raise
        else:
            self.answered()
            return result
        finally:
            del self._waits[wait]

    @property
    def _probe_after(self) -> float:
        return _PROBE_SOON if self.ending else DEADLINE / 6

    def _schedule_probe(self) -> None:
        if self._probing is None and self._timer is None and self._waits:
            oldest = next(iter(self._waits))
            seconds = max(oldest.since + self._probe_after - time.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin_probing)

    def _begin_probing(self) -> None:
        self._timer = None
        if self._overdue():
            self._probing = asyncio.get_running_loop().create_task(self._probe_until_answered())
        else:
            self._schedule_probe()

    def _overdue(self) -> list[_Wait]:
        latest = time.monotonic() - self._probe_after
        return [wait for wait in self._waits if wait.since <= latest and wait.error is None]

    async def _probe_until_answered(self) -> None:
        """Probe the server until no connection has waited for long, or the server is given up."""
        probe: asyncio.Task[bool] | None = None
        silent, warned = self._probe_after, False
        try:
            while waits := self._overdue():
                probe = probe or asyncio.create_task(self._probe_once(waits))
                last_answer, began = self.last_answer, time.monotonic()
                await asyncio.wait({probe}, timeout=_TICK)
                # a longer time means that this process was frozen, not that the server was silent
                silent += min(time.monotonic() - began, 2 * _TICK)
                if probe.done():
                    if probe.result():
                        self.answered()
                    probe = None
                if self.last_answer != last_answer:
                    await self.pause(self._probe_after)
                    silent = self._probe_after
                elif self._is_too_long(silent):
                    self._end_all()
                elif silent >= DEADLINE / 3 and not warned:
                    warned = True
                    logger.warning("%s does not answer; it is given up after %.0f s", self.server, DEADLINE)
        finally:
            if probe is not None:
                probe.cancel()
            self._probing = None
            self._schedule_probe()

    def _is_too_long(self, silent: float) -> bool:
        if self._given_up_at is not None:
            return silent >= _MIN_STEP and time.monotonic() >= self._shutdown_ends(self._given_up_at)
        return silent >= (HURRIED_DEADLINE if self._hurried else DEADLINE)

    async def _probe_once(self, waits: Sequence[_Wait]) -> bool:
        """Return whether the server answers. End waiting connections that it reports as idle for long."""
        assert self.probe is not None, "it is set before any connection is watched"  # noqa: S101
        try:
            busy = await self.probe([wait.pid for wait in waits])
        except asyncpg.PostgresError as error:  # the server answers: it is full, or shutting down
            return not isinstance(error, asyncpg.PostgresConnectionError)
        except Exception:  # any other error of a server that is not there
            logger.debug("the database could not be probed", exc_info=True)
            await asyncio.sleep(_TICK)
            return False
        now = time.monotonic()
        for wait in waits:
            if busy is None or wait.pid in busy:
                wait.idle_since = None
            elif wait.idle_since is None:
                wait.idle_since = now
            elif now - wait.idle_since > DEADLINE / 4 and wait in self._waits:
                wait.end(DatabaseUnavailable(f"the connection to {self.server} was lost: an answer did not arrive."))
        return True

    def _end_all(self) -> None:
        error = self.silence()
        self.give_up()
        for wait in list(self._waits):
            wait.end(error)


class _WatchedProtocol:
    """The driver's protocol of a connection, with each awaited call observed by the watch."""

    __slots__ = ("_connection", "_inner", "_pid", "_watch")

    def __init__(self, inner: Any, watch: Watch, connection: asyncpg.Connection) -> None:
        self._inner = inner
        self._watch = watch
        self._connection = connection
        self._pid: int = connection.get_server_pid()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in _AWAITED:
            return method
        return lambda *given, **named: self._watch.answer(self._connection, self._pid, lambda: method(*given, **named))

    async def close(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  the driver's
        """Close the connection, or abort it after a time limit: the driver may wait forever."""
        try:
            async with asyncio.timeout(self._watch.closing):
                await self._inner.close(timeout)
        except TimeoutError:
            self._inner.abort()


_AWAITED = {
    "prepare", "bind_execute", "bind_execute_many", "bind", "execute", "close_portal", "close_statement", "query",
    "copy_in", "copy_out",
}  # fmt: skip
"""The methods that the driver awaits, besides ``close``."""


def _keep_alive(connected: socket.socket | None) -> None:
    """Turn on TCP keepalive, so that a long statement does not look like a dead connection."""
    if connected is not None and connected.family in {socket.AF_INET, socket.AF_INET6}:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)  # macOS has the second
        if idle is not None:
            connected.setsockopt(socket.IPPROTO_TCP, idle, _KEEPALIVE)
