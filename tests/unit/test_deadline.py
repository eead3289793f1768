"""Whether a database answers: what ends the sessions that wait for it, and what does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg
import pytest

from atlas.db import deadline as module
from atlas.db.deadline import Watch
from atlas.errors import DatabaseUnavailable

PID = 4711


class Session:
    """A session of the driver's that waits for an answer until it is given or the session is ended."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(self) -> Any:
        return await self.watch.answer(self, PID, lambda: self.answered)

    def terminate(self) -> None:
        if not self.answered.done():
            self.answered.set_exception(asyncpg.ConnectionDoesNotExistError("connection was closed"))


class Server:
    """What a server says when it is asked on another connection: an error, or which of its processes are at work."""

    def __init__(self, *said: Exception | Collection[int] | None) -> None:
        self.said = list(said)
        self.asked = 0

    async def __call__(self, pids: Sequence[int]) -> Collection[int] | None:
        assert set(pids) == {PID}
        self.asked += 1
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> None:
    """All times are a third of a second or less, but for the promised one of users, which is in a message here."""
    assert Watch().silence().args[0].startswith("the database gave no answer within 30 s. Check that it runs")
    assert (module.HURRIED_DEADLINE, module.SHUTDOWN) == (2.0, 3.0)
    for name, seconds in {
        "DEADLINE": 0.3, "HURRIED_DEADLINE": 0.2, "SHUTDOWN": 0.3, "_HURRIED_SHUTDOWN": 0.1, "_MIN_STEP": 0.05,
        "_TICK": 0.05, "_PROBE_SOON": 0.03,
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, seconds)


@pytest.mark.parametrize(
    "said",
    [OSError("refused"), TimeoutError(), asyncpg.ConnectionDoesNotExistError("gone"), asyncpg.InterfaceError("?")],
    ids=repr,
)
async def test_a_server_that_cannot_be_asked_is_given_up_after_the_deadline(said: Exception) -> None:
    watch = Watch("the database at db:5432", Server(said))
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=r"^the database at db:5432 gave no answer within 0 s\. Check that"):
        await Session(watch).ask()
    assert 0.25 < time.monotonic() - began < 3
    assert watch.ending


@pytest.mark.parametrize(
    "said",
    [[PID], None, asyncpg.TooManyConnectionsError("too many clients"), asyncpg.CannotConnectNowError("starting up")],
    ids=repr,
)
async def test_a_server_that_says_anything_is_waited_for(said: Exception | Collection[int] | None) -> None:
    watch = Watch(probe=Server(said))
    session = Session(watch)
    asked = asyncio.create_task(session.ask())
    await asyncio.wait({asked}, timeout=3 * module.DEADLINE)
    session.answered.set_result("at last")
    assert await asked == "at last"
    assert not watch.ending


async def test_a_session_that_the_server_calls_idle_has_lost_its_answer() -> None:
    server = Server([PID], [], [PID], [])
    watch = Watch(probe=server)
    with pytest.raises(DatabaseUnavailable, match="was lost: an answer did not arrive"):
        await Session(watch).ask()
    assert server.asked >= 5, "not for one look between the end of its work and the arrival of its answer"
    assert not watch.ending, "the server is there: the work can be done again"


async def test_a_process_that_stood_still_does_not_blame_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine slept, or it was stopped: by its clock, the server has been silent all the while."""
    monkeypatch.setattr(module, "DEADLINE", 0.6)
    is_asked = asyncio.Event()

    async def ask(_: Sequence[int]) -> Collection[int]:
        is_asked.set()
        await asyncio.sleep(0.02)
        return [PID]

    watch = Watch(probe=ask)
    session = Session(watch)
    asked = asyncio.create_task(session.ask())
    await is_asked.wait()
    time.sleep(0.8)
    await asyncio.sleep(0.1)
    session.answered.set_result("here")
    assert await asked == "here"


async def test_an_answer_to_another_session_is_a_sign_of_life() -> None:
    watch = Watch(probe=Server(TimeoutError()))
    session, other = Session(watch), Session(watch)
    other.answered.set_result("here")
    asked = asyncio.create_task(session.ask())
    for _ in range(8):
        await asyncio.wait({asked}, timeout=module.DEADLINE / 4)
        await other.ask()
    assert not asked.done()
    session.answered.set_result("here")
    assert await asked == "here"


async def test_nothing_is_asked_while_nobody_waits_for_long() -> None:
    server = Server([PID])
    watch = Watch(probe=server)
    for _ in range(20):
        session = Session(watch)
        asyncio.get_running_loop().call_later(0.02, session.answered.set_result, "here")
        assert await session.ask() == "here"
    assert server.asked == 0


async def test_a_signal_shortens_every_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE", 60.0)
    watch = Watch("the database", Server(TimeoutError()))

    async def connect() -> None:
        async with watch.limited(60):
            await asyncio.Event().wait()

    waiting = asyncio.gather(Session(watch).ask(), connect(), watch.pause(60), return_exceptions=True)
    await asyncio.sleep(0)
    began = time.monotonic()
    watch.hurry()
    asked, connected, paused = await waiting
    assert str(asked).startswith("the database gave no answer. ")
    assert isinstance(asked, DatabaseUnavailable)
    assert isinstance(connected, DatabaseUnavailable)
    assert paused is None
    assert time.monotonic() - began < module.HURRIED_DEADLINE + 1


async def test_steps_on_the_way_out_share_their_time_until_the_server_answers() -> None:
    watch = Watch(probe=Server(TimeoutError()))
    watch.give_up()
    assert module.SHUTDOWN / 2 < watch.left(60) <= module.SHUTDOWN
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await Session(watch).ask()
    assert time.monotonic() - began < module.SHUTDOWN + 2
    session = Session(watch)
    session.answered.set_result("back")
    assert await session.ask() == "back"
    assert watch.left(60) == 60


def test_all_that_the_driver_awaits_is_watched() -> None:
    """What its protocol offers beyond this is answered without the server."""
    protocol = asyncpg.protocol.protocol.BaseProtocol
    at_once = {
        "abort", "connection_lost", "connection_made", "data_received", "get_record_class", "get_server_pid",
        "get_settings", "is_closed", "is_connected", "is_in_transaction", "pause_writing", "resume_writing",
        "set_connection",
    }  # fmt: skip
    offered = {name for name in dir(protocol) if not name.startswith("_") and callable(getattr(protocol, name))}
    assert offered - at_once == module._AWAITED | {"close"}
