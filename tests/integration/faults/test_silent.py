"""A database that is silent: it takes connections and what is sent on them, and answers nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db import deadline
from atlas.db.queries import sql
from atlas.errors import DatabaseUnavailable
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Child, Children, Ended
from ...support.agents import Timeline, assert_every_call_is_counted, discover, nothing_is_claimed, pool
from ...support.event_loop import PATIENCE
from ...support.tcp_proxy import Wire, wire_to
from ..agents.test_processes import check

if TYPE_CHECKING:
    from harness.driver.server import Server

pytestmark = pytest.mark.integration

DEADLINE = 4.0  # seconds, instead of 30
SHUTDOWN = 5.0  # seconds that a process may take for its end, after its deadline or a signal
BUSY = 2.5  # seconds more on a busy machine, where several end at the same time
COMMANDS = {
    "hunter": ("maia", "hunter", "--batch-size", "2"),
    "tracker": ("maia", "tracker", "--batch-size", "10"),
    "janitor": ("maia", "janitor"),
    "plan": ("maia", "plan", "hunter"),
    "status": ("atlas", "status"),
    "migrate": ("atlas", "migrate"),
    "export": ("atlas", "export", "--table", "videos", "--output", "videos.csv"),
    "forget": ("atlas", "forget", "--video", "dQw4w9WgXcQ", "--yes"),
}
COMMIT = "COMMIT;"
LOCK = "pg_advisory_xact_lock"
# a statement in the middle of each command's work
IN_MID_WORK = {
    "hunter": sql("hunter/claim_topics"),
    "tracker": sql("tracker/claim_videos"),
    "janitor": sql("retention/expire_before", table="runs", time="started_at"),
    "plan": sql("plan/count_due_queries"),
    "status": sql("report/report_tables"),
    "migrate": LOCK,
    "export": sql("export/export_videos", tags="text"),
    "forget": sql("erasure/erase_videos"),
}


async def start(children: Children, command: str, dsn: str, deadline: float = DEADLINE) -> Child:
    """Start a command whose deadline is shorter."""
    name, *arguments = COMMANDS[command]
    run = f"import atlas.db.deadline as s; s.DEADLINE = {deadline}; from {name}.cli import main; main()"
    return await children.start(*arguments, command=(sys.executable, "-c", run), DATABASE_URL=dsn)


async def end(child: Child) -> Ended:
    ended = await child.end()
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "never" not in ended.stderr, ended.stderr
    return ended


def last_line(ended: Ended) -> str:
    return ended.stderr.rstrip().splitlines()[-1]


@contextlib.asynccontextmanager
async def silenced(children: Children, dsn: str, command: str, text: str) -> AsyncIterator[Child]:
    """A command whose database has fallen silent when it said this."""
    async with wire_to(dsn) as wire:
        wire.fall_silent_at(text.encode())
        child = await start(children, command, wire.dsn())
        await asyncio.wait_for(wire.fell_silent.wait(), PATIENCE)
        yield child


@dataclass
class Unanswered:
    """A server that takes connections and says nothing, or nothing more than some first words."""

    port: int = 0
    asked_at: list[float] = field(default_factory=list)


@contextlib.asynccontextmanager
async def unanswered(first_words: bytes = b"") -> AsyncIterator[Unanswered]:
    server, writers = Unanswered(), []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        server.asked_at.append(time.monotonic())
        await reader.read(1)
        writer.write(first_words)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())


# ── the deadline ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "cases",
    [
        {
            "hunter": [sql("hunter/claim_topics"), sql("quota/reserve_calls"), COMMIT],
            "plan": [sql("plan/count_due_queries")],
        },
        {
            "tracker": [sql("tracker/claim_videos"), sql("tracker/update_videos")],
            "janitor": [sql("retention/expire_before", table="runs", time="started_at")],
        },
        {"status": [sql("snapshots/common/list_views"), sql("report/report_tables")], "migrate": [LOCK, COMMIT]},
        {"export": [sql("export/export_videos", tags="text"), COMMIT], "forget": [sql("erasure/erase_videos"), COMMIT]},
    ],
    ids=" ".join,
)
async def test_a_database_that_falls_silent_at_work_ends_every_command_in_time(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, cases: dict[str, list[str]]
) -> None:
    await discover(db, api, timeline, "python", "guitar")

    async def case(command: str, text: str) -> tuple[str, Ended, float]:
        async with silenced(children, dsn, command, text) as child:
            began = time.monotonic()
            return f"{command}: {text[:60]}", await end(child), time.monotonic() - began

    for what, ended, seconds in await asyncio.gather(
        *(case(command, text) for command, texts in cases.items() for text in texts)
    ):
        assert ended.code == 69, (what, ended.stderr)
        assert "gave no answer within 4 s. Check that it runs" in last_line(ended), (what, ended.stderr)
        assert DEADLINE - 1 < seconds < DEADLINE + SHUTDOWN + BUSY, (what, seconds)


async def test_a_server_that_never_says_anything(vault_folder: object, keys: None, children: Children) -> None:
    """It answers neither the first packet nor the request for TLS, or promises TLS and then says nothing."""

    async def case(command: str, first_words: bytes, sslmode: str) -> tuple[str, Ended, float]:
        async with unanswered(first_words) as server:
            dsn = f"postgresql://me@127.0.0.1:{server.port}/maia?sslmode={sslmode}"
            ended = await end(await start(children, command, dsn))
            return f"{command}, {sslmode}", ended, time.monotonic() - server.asked_at[0]

    for what, ended, seconds in await asyncio.gather(
        case("plan", b"", "disable"),
        case("status", b"", "require"),
        case("migrate", b"S", "require"),
        case("hunter", b"S", "prefer"),
    ):
        assert ended.code == 69, (what, ended.stderr)
        assert "gave no answer within 4 s" in last_line(ended), (what, ended.stderr)
        assert DEADLINE - 1 < seconds < DEADLINE + SHUTDOWN + BUSY, (what, seconds)


async def test_a_server_that_stands_still_ends_the_run_after_the_deadline_that_users_have(
    db: Database, dsn: str, api: RunningSandbox, children: Children, postgres: Server
) -> None:
    await QueueDAO().add(["python"])
    api.faults.set(["slow:search:seconds=2"])
    child = await start(children, "hunter", dsn, deadline.DEADLINE)
    await api.log.wait_for(lambda log: bool(log.calls("search")))
    postgres.freeze()
    began = time.monotonic()
    try:
        ended = await end(child)
        seconds = time.monotonic() - began
    finally:
        postgres.thaw()
    check(ended, 69, "unavailable", "gave no answer within 30 s", "Check that it runs")
    assert 29 < seconds < 36


# ── a server that answers again, or answers others ──────────────────────────────────────────────────────────────────


async def test_a_server_that_goes_on_in_time_costs_nothing(
    db: Database, dsn: str, api: RunningSandbox, children: Children, postgres: Server
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.set(["slow:search:seconds=0.5"])
    child = await start(children, "hunter", dsn, 8.0)
    await api.log.wait_for(lambda log: bool(log.calls("search")))
    postgres.freeze()
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(child.process.wait()), 4)
    finally:
        postgres.thaw()
    ended = await end(child)
    check(ended, 0, "ok")
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    assert len(api.log.calls("search")) == 2, "nothing was asked for a second time"


@pytest.mark.parametrize("command", ["hunter", "tracker", "janitor"])
async def test_an_answer_that_got_lost_on_the_way_is_noticed_and_the_work_done_again(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, command: str
) -> None:
    """A load balancer that has lost the far side of one connection, and still takes what is sent on it."""
    await discover(db, api, timeline, "python")
    async with wire_to(dsn) as wire:
        wire.fall_silent_at(IN_MID_WORK[command].encode(), new_ones_too=False)
        began = time.monotonic()
        ended = await end(await start(children, command, wire.dsn()))
        assert wire.fell_silent.is_set()
    check(ended, 0, "ok")
    assert time.monotonic() - began < DEADLINE + 3 * SHUTDOWN, "with the start of the process, and all its work"
    assert await nothing_is_claimed(db)


async def test_a_long_statement_of_a_server_that_answers_is_waited_for(
    db: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "DEADLINE", 0.8)
    own = Database()
    async with own.session():
        began = time.monotonic()
        async with own.transaction():
            await own.fetch("SELECT pg_sleep(3)")
        connection = await own.connect()
        await connection.execute("SELECT pg_sleep(3)")
        await connection.close()
        assert time.monotonic() - began >= 6


async def test_a_transaction_that_the_client_leaves_open_is_no_lost_answer(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a session that waits for an answer is looked after."""
    monkeypatch.setattr(deadline, "DEADLINE", 0.8)
    own = Database()
    async with own.session(), own.transaction():
        await own.fetch("SELECT 1")
        await asyncio.sleep(1.5)
        assert await own.fetch("SELECT 1")


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize(
    "commands", [("hunter", "tracker", "janitor", "plan"), ("status", "migrate", "export", "forget")], ids=" ".join
)
async def test_a_signal_ends_every_command_that_waits_for_a_silent_database(
    db: Database,
    dsn: str,
    api: RunningSandbox,
    timeline: Timeline,
    children: Children,
    signum: signal.Signals,
    code: int,
    commands: tuple[str, ...],
) -> None:
    await discover(db, api, timeline, "python")

    async def case(command: str) -> tuple[str, Ended, float]:
        async with silenced(children, dsn, command, IN_MID_WORK[command]) as child:
            child.process.send_signal(signum)
            began = time.monotonic()
            return command, await end(child), time.monotonic() - began

    for command, ended, seconds in await asyncio.gather(*map(case, commands)):
        assert ended.code == code, (command, ended.stderr)
        assert seconds < SHUTDOWN + BUSY, (command, seconds)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_a_command_whose_database_never_answered(
    vault_folder: object, keys: None, children: Children, signum: signal.Signals, code: int
) -> None:
    async with unanswered() as server:
        dsn = f"postgresql://me@127.0.0.1:{server.port}/maia"
        for command in ("plan", "status"):
            child = await start(children, command, dsn, 30.0)
            assert child.process.stderr is not None
            assert b"waiting for the database" in await asyncio.wait_for(child.process.stderr.readline(), PATIENCE)
            child.process.send_signal(signum)
            began = time.monotonic()
            assert (await end(child)).code == code
            assert time.monotonic() - began < SHUTDOWN + BUSY


# ── the way out ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def wired(db: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Wire, Database]]:
    """A database of one's own at the end of a wire, with a short deadline."""
    monkeypatch.setattr(deadline, "DEADLINE", 1.0)
    own = Database()
    async with wire_to(dsn) as wire:
        with settings.override(database_url=wire.dsn()):
            await own.open()
            yield wire, own


async def test_all_that_is_left_to_do_shares_a_few_seconds(wired: tuple[Wire, Database]) -> None:
    wire, own = wired
    wire.fall_silent()
    began = time.monotonic()
    for _ in range(4):
        with pytest.raises(DatabaseUnavailable):
            await own.fetch("SELECT 1")
    with pytest.raises(DatabaseUnavailable):
        async with own.transaction():
            await own.fetch("SELECT 1")
    connecting = own.connect()
    with pytest.raises(DatabaseUnavailable):
        await connecting
    await own.close()
    assert time.monotonic() - began < deadline.DEADLINE + deadline.SHUTDOWN + 2.5


async def test_a_cancelled_statement_does_not_hold_up_its_task(wired: tuple[Wire, Database]) -> None:
    """The driver asks the server to cancel it on a new connection, and waits for the answer."""
    wire, own = wired
    asked = asyncio.create_task(own.fetch("SELECT pg_sleep(60)"))
    while not own._watch._waits:
        await asyncio.sleep(0)
    wire.fall_silent()
    asked.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await own.close()
    assert time.monotonic() - began < SHUTDOWN


async def test_tasks_that_wait_for_a_connection_learn_it_at_the_same_time(wired: tuple[Wire, Database]) -> None:
    wire, own = wired
    wire.fall_silent()
    began = time.monotonic()
    asked = await asyncio.gather(*(own.fetch("SELECT 1") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(error, DatabaseUnavailable) for error in asked), asked
    assert time.monotonic() - began < deadline.DEADLINE + deadline.SHUTDOWN + 2.5
    await own.close()
