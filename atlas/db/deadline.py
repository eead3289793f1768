"""One deadline for a database that does not answer, over all that a process asks of it.

A server that is gone breaks its connections. A silent one does not: its machine stands still, the way to it drops
packets, or a proxy on the way has lost its far side and goes on acknowledging what it is sent, so that the kernel's own
timeouts never fire. From its own session, a long statement looks the same. So while a session has waited for some
seconds, the server is asked a small question on a connection of its own:

- It does not answer: after ``DEADLINE`` seconds without any answer, all sessions that wait are ended.
- It answers: the session may wait as long as its statement's own time limit says. Where the server keeps saying that
  the session has nothing to do, the answer got lost on the way: that session is ended, and the work can be done again.
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

    Ask = Callable[[Sequence[int]], Awaitable[Collection[int] | None]]
    """Ask the server, on a new connection, which of these processes of its are at work; None: it cannot be known."""

__all__ = ["DEADLINE", "HURRY", "SHUTDOWN", "Watch"]

logger = logging.getLogger(__name__)

DEADLINE = 30.0
"""Real seconds without an answer after which a database is given up, from the first question on."""
HURRY: Final = 2.0
"""The same after a signal: Docker and GitHub Actions soon kill what they have asked to end."""
SHUTDOWN: Final = 3.0
"""Real seconds that all steps on the way out have together once the database is given up."""

_HURRIED_SHUTDOWN: Final = 1.0  # the same after a signal
_CLOSING: Final = 2.0  # seconds for closing a connection
_LEAST: Final = 0.5  # seconds that a step on the way out has in any case: the server may be back
_TICK: Final = 0.5
_SOON: Final = 0.3  # seconds of waiting after which the server is asked, on the way out
_KEEPALIVE: Final = 60  # seconds; routers and load balancers forget a connection that is idle for some minutes


@dataclass(eq=False, slots=True)
class _Wait:
    """A session that waits for an answer.

    Attributes:
        since: when it asked.
        idle_since: when the server first said that the session has nothing to do.
        error: what ended it.
    """

    session: asyncpg.Connection
    pid: int
    since: float
    idle_since: float | None = None
    error: DatabaseUnavailable | None = None

    def end(self, error: DatabaseUnavailable) -> None:
        self.error = error
        self.session.terminate()


@dataclass(eq=False)
class Watch:
    """Whether the database answers. One for a ``Database`` and an event loop.

    Attributes:
        where: how messages name the server.
        ask: how the server is asked; set before the first session is watched.
        heard: when it last answered, in ``time.monotonic()`` seconds.
    """

    where: str = "the database"
    ask: Ask | None = None
    heard: float = 0.0
    _waits: dict[_Wait, None] = field(default_factory=dict)  # in the order of their beginning
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    _lost_at: float | None = None
    _hurried_at: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _ending: asyncio.Event = field(default_factory=asyncio.Event)

    # ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def ending(self) -> bool:
        """Whether the database was given up, or a signal came: nothing is waited for any longer than it has to be."""
        return self._lost_at is not None or self._hurried_at is not None

    def left(self, seconds: float) -> float:
        """Return these seconds, or fewer on the way out."""
        if self._lost_at is not None:
            return min(seconds, max(self._over_at(self._lost_at) - time.monotonic(), _LEAST))
        return seconds if self._hurried_at is None else min(seconds, HURRY)

    def _over_at(self, lost_at: float) -> float:
        return lost_at + (SHUTDOWN if self._hurried_at is None else _HURRIED_SHUTDOWN)

    @property
    def closing(self) -> float:
        """Seconds for closing a connection."""
        return _LEAST if self.ending else _CLOSING

    @contextlib.asynccontextmanager
    async def limited(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Bound a step that is no statement. What is under way when a signal comes ends soon after it, too.

        Raises TimeoutError when the time is up, or DatabaseUnavailable on the way out.
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
        """Sleep, for a moment only on the way out."""
        if self.ending:
            await asyncio.sleep(min(seconds, _SOON))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    # ── what ends the patience ──────────────────────────────────────────────────────────────────────────────────────

    def hear(self) -> None:
        """The server has answered: it is there, or there again."""
        self.heard = time.monotonic()
        if self._lost_at is not None:
            self._lost_at = None
            if self._hurried_at is None:
                self._ending.clear()

    def hurry(self) -> None:
        """Have a silent server given up within ``HURRY`` seconds from now; one that answers is waited for as before."""
        if self._hurried_at is None:
            self._hurried_at = time.monotonic()
            self._end_soon()

    def lose(self) -> None:
        """The database is given up: have all further steps share ``SHUTDOWN`` seconds."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            self._end_soon()

    def _end_soon(self) -> None:
        self._ending.set()
        end = asyncio.get_running_loop().time() + self.left(DEADLINE)
        for limit in self._limits:
            if (when := limit.when()) is None or when > end:
                limit.reschedule(end)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._arm()

    def silence(self) -> DatabaseUnavailable:
        """Return what to raise where the server has been silent for too long."""
        said = f" within {DEADLINE:.0f} s" if self._hurried_at is None else ""
        return DatabaseUnavailable(
            f"{self.where} gave no answer{said}. Check that it runs, that DATABASE_URL names its host and port, and "
            "that no firewall is in the way."
        )

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def over(self, session: asyncpg.Connection) -> None:
        """Watch a session: all that it asks the server from now on."""
        session._protocol = _Watched(session._protocol, self, session)  # noqa: SLF001  the driver has no hook for it
        _keep_alive(session._transport.get_extra_info("socket"))  # noqa: SLF001  likewise
        self.hear()

    async def answer(self, session: asyncpg.Connection, pid: int, asking: Callable[[], Awaitable[Any]]) -> Any:
        """Await the server's answer to what a session asks it.

        Raises as the driver does, and DatabaseUnavailable where the session was ended here.
        """
        wait = _Wait(session, pid, time.monotonic())
        self._waits[wait] = None
        if self._timer is None:
            self._arm()
        try:
            result = await asking()
        except Exception as error:
            if wait.error is not None:
                raise wait.error from None
            if isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.PostgresConnectionError):
                self.hear()
            raise
        else:
            self.hear()
            return result
        finally:
            del self._waits[wait]

    # ── the server is asked ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _quiet(self) -> float:
        """Seconds of waiting after which the server is asked."""
        return _SOON if self.ending else DEADLINE / 6

    def _arm(self) -> None:
        """See to it that the oldest wait is looked at in time."""
        if self._task is None and self._timer is None and self._waits:
            due = next(iter(self._waits)).since + self._quiet - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(due, 0.0), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._overdue():
            self._task = asyncio.get_running_loop().create_task(self._look_after())
        else:
            self._arm()

    def _overdue(self) -> list[_Wait]:
        since = time.monotonic() - self._quiet
        return [wait for wait in self._waits if wait.since <= since and wait.error is None]

    async def _look_after(self) -> None:
        """Ask the server again and again, until it has answered all that it was asked for long, or is given up."""
        asked: asyncio.Task[bool] | None = None
        silent, said = self._quiet, False
        try:
            while waits := self._overdue():
                asked = asked or asyncio.create_task(self._asked(waits))
                heard, began = self.heard, time.monotonic()
                await asyncio.wait({asked}, timeout=_TICK)
                # where this process itself stood still, the server was not silent for as long
                silent += min(time.monotonic() - began, 2 * _TICK)
                if asked.done():
                    if asked.result():
                        self.hear()
                    asked = None
                if self.heard != heard:
                    await self.pause(self._quiet)
                    silent = self._quiet
                elif self._too_long(silent):
                    self._give_up()
                elif silent >= DEADLINE / 3 and not said:
                    said = True
                    logger.warning("%s does not answer; it is given up after %.0f s", self.where, DEADLINE)
        finally:
            if asked is not None:
                asked.cancel()
            self._task = None
            self._arm()

    def _too_long(self, silent: float) -> bool:
        if self._lost_at is not None:
            return silent >= _LEAST and time.monotonic() >= self._over_at(self._lost_at)
        return silent >= (DEADLINE if self._hurried_at is None else HURRY)

    async def _asked(self, waits: Sequence[_Wait]) -> bool:
        """Whether the server answers. Ends the sessions of which it goes on saying that they have nothing to do."""
        assert self.ask is not None, "it is set before any session is watched"  # noqa: S101
        try:
            at_work = await self.ask([wait.pid for wait in waits])
        except asyncpg.PostgresError as error:  # it refuses the session: it has no connection left, or is about to end
            return not isinstance(error, asyncpg.PostgresConnectionError)
        except Exception:  # whatever else a server's absence looks like
            logger.debug("the database could not be asked", exc_info=True)
            await asyncio.sleep(_TICK)
            return False
        now = time.monotonic()
        for wait in waits:
            if at_work is None or wait.pid in at_work:
                wait.idle_since = None
            elif wait.idle_since is None:
                wait.idle_since = now
            elif now - wait.idle_since > DEADLINE / 4 and wait in self._waits:
                wait.end(DatabaseUnavailable(f"the connection to {self.where} was lost: an answer did not arrive."))
        return True

    def _give_up(self) -> None:
        error = self.silence()
        self.lose()
        for wait in list(self._waits):
            wait.end(error)


class _Watched:
    """The driver's protocol of a session, whose questions to the server are watched."""

    __slots__ = ("_inner", "_pid", "_session", "_watch")

    def __init__(self, inner: Any, watch: Watch, session: asyncpg.Connection) -> None:
        self._inner = inner
        self._watch = watch
        self._session = session
        self._pid: int = session.get_server_pid()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def close(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  the driver's
        """Close the session, or cut it off where that takes long: the driver may wait without end."""
        try:
            async with asyncio.timeout(self._watch.closing):
                await self._inner.close(timeout)
        except TimeoutError:
            self._inner.abort()


def _watched(name: str) -> Any:
    async def asks(self: _Watched, *given: Any, **named: Any) -> Any:
        asking = getattr(self._inner, name)
        return await self._watch.answer(self._session, self._pid, lambda: asking(*given, **named))

    return asks


# all that the driver awaits of a session
for _name in (
    "prepare", "bind_execute", "bind_execute_many", "bind", "execute", "close_portal", "close_statement", "query",
    "copy_in", "copy_out",
):  # fmt: skip
    setattr(_Watched, _name, _watched(_name))


def _keep_alive(connected: socket.socket | None) -> None:
    """Have the kernel say something on a connection of which nothing else is heard for long, as in a long statement."""
    if connected is not None and connected.family in {socket.AF_INET, socket.AF_INET6}:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)  # macOS has the second
        if idle is not None:
            connected.setsockopt(socket.IPPROTO_TCP, idle, _KEEPALIVE)
