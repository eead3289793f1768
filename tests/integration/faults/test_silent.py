"""A database that is silent: it takes connections and what is sent on them, and answers nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
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
from ...support.databases import closing
from ...support.event_loop import PATIENCE
from ...support.tcp_proxy import Wire, wire_to
from ..agents.test_processes import check

if TYPE_CHECKING:
    from harness.driver.server import Server

pytestmark = pytest.mark.integration

DEADLINE = 4.0  # seconds, instead of 30
SHUTDOWN = 5.0  # seconds that a process may take for its end, after its deadline or a signal
BUSY = 10.0  # seconds more on a busy machine, where several end at the same time; the product's own deadline is 30 s
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
# a statement in the middle of each command's work
IN_MID_WORK = {
    "hunter": sql("hunter/claim_topics"),
    "tracker": sql("tracker/claim_videos"),
    "janitor": sql("retention/expire_before", table="runs", time="started_at"),
    "plan": sql("plan/count_due_queries"),
    "status": sql("report/report_tables"),
    "migrate": "pg_advisory_xact_lock",
    "export": sql("export/export_videos", tags="text"),
    "forget": sql("erasure/erase_videos"),
}
AGENTS, OTHERS = ("hunter", "tracker", "janitor", "plan"), ("status", "migrate", "export", "forget")


async def start(children: Children, command: str, dsn: str, seconds: float = DEADLINE) -> Child:
    """Start a command whose deadline is shorter."""
    name, *arguments = COMMANDS[command]
    run = f"import atlas.db.deadline as s; s.DEADLINE = {seconds}; from {name}.cli import main; main()"
    return await children.start(*arguments, command=(sys.executable, "-c", run), DATABASE_URL=dsn)


async def end(child: Child) -> Ended:
    ended = await child.end()
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "never" not in ended.stderr, ended.stderr
    return ended


@contextlib.asynccontextmanager
async def silenced(
    children: Children, dsn: str, command: str, text: str, seconds: float = DEADLINE
) -> AsyncIterator[Child]:
    """A command whose database fell silent when the command sent this text."""
    async with wire_to(dsn) as wire:
        wire.fall_silent_at(text.encode())
        child = await start(children, command, wire.dsn(), seconds)
        await asyncio.wait_for(wire.fell_silent.wait(), PATIENCE)
        yield child


@contextlib.asynccontextmanager
async def unanswered(first_words: bytes = b"") -> AsyncIterator[tuple[int, asyncio.Future[float]]]:
    """A server that takes connections and answers nothing but some first words: its port, and when it was asked."""
    writers = []
    asked_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if not asked_at.done():
            asked_at.set_result(time.monotonic())
        await reader.read(1)
        writer.write(first_words)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], asked_at
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())


def ended_in_time(ended: Ended, seconds: float, what: str) -> None:
    assert ended.code == 69, (what, ended.stderr)
    last_line = ended.stderr.rstrip().splitlines()[-1]
    assert "gave no answer within 4 s. Check that it runs" in last_line, (what, ended.stderr)
    assert DEADLINE - 1 < seconds < DEADLINE + SHUTDOWN + BUSY, (what, seconds)


@pytest.mark.parametrize(
    "cases",
    [
        {
            "hunter": [sql("quota/reserve_calls"), COMMIT],
            "tracker": [sql("tracker/update_videos")],
            "janitor": [IN_MID_WORK["janitor"]],
            "plan": [IN_MID_WORK["plan"]],
        },
        {
            "status": [sql("snapshots/common/list_views")],
            "migrate": [COMMIT],
            "export": [IN_MID_WORK["export"], COMMIT],
            "forget": [COMMIT],
        },
    ],
    ids=["agents", "others"],
)
async def test_a_database_that_falls_silent_at_work_ends_every_command_in_time(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, cases: dict[str, list[str]]
) -> None:
    await discover(db, api, timeline, "python", "guitar")

    async def case(command: str, text: str) -> tuple[Ended, float, str]:
        async with silenced(children, dsn, command, text) as child:
            began = time.monotonic()
            return await end(child), time.monotonic() - began, f"{command}: {text[:60]}"

    all_of_them = [case(command, text) for command, texts in cases.items() for text in texts]
    for ended, seconds, what in await asyncio.gather(*all_of_them):
        ended_in_time(ended, seconds, what)


async def test_a_server_that_never_answers(vault_folder: object, keys: None, children: Children) -> None:
    """It answers neither the first packet nor the request for TLS, or promises TLS and then is silent."""

    async def case(command: str, first_words: bytes, sslmode: str) -> tuple[Ended, float, str]:
        async with unanswered(first_words) as (port, asked_at):
            dsn = f"postgresql://me@127.0.0.1:{port}/maia?sslmode={sslmode}"
            ended = await end(await start(children, command, dsn))
            return ended, time.monotonic() - asked_at.result(), f"{command}, {sslmode}"

    for ended, seconds, what in await asyncio.gather(
        case("plan", b"", "disable"),
        case("status", b"", "require"),
        case("migrate", b"S", "require"),
        case("hunter", b"S", "prefer"),
    ):
        ended_in_time(ended, seconds, what)


@pytest.mark.parametrize("thaws", [False, True])
async def test_a_server_that_stands_still_ends_the_run_unless_it_goes_on_in_time(
    db: Database, dsn: str, api: RunningSandbox, children: Children, postgres: Server, thaws: bool
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.set(["slow:search:seconds=0.5"])
    child = await start(children, "hunter", dsn, 6.0 if thaws else DEADLINE)
    await api.log.wait_for(lambda log: bool(log.calls("search")))
    postgres.freeze()
    began = time.monotonic()
    try:
        with pytest.raises(TimeoutError) if thaws else contextlib.nullcontext():
            await asyncio.wait_for(asyncio.shield(child.process.wait()), 2.5 if thaws else PATIENCE)
        seconds = time.monotonic() - began
    finally:
        postgres.thaw()
    ended = await end(child)
    if thaws:
        check(ended, 0, "ok")
        assert await nothing_is_claimed(db)
        await assert_every_call_is_counted(db, api)
        assert len(api.log.calls("search")) == 2, "nothing was asked for a second time"
    else:
        check(ended, 69, "unavailable", "gave no answer within 4 s", "Check that it runs")
        ended_in_time(ended, seconds, "hunter")


async def test_an_answer_that_got_lost_on_the_way_is_noticed_and_the_work_done_again(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    """A load balancer that has lost the far side of one connection, and still takes what is sent on it."""
    await discover(db, api, timeline, "python")

    async def case(command: str) -> tuple[Ended, float]:
        async with wire_to(dsn) as wire:
            wire.fall_silent_at(IN_MID_WORK[command].encode(), new_ones_too=False)
            began = time.monotonic()
            ended = await end(await start(children, command, wire.dsn()))
            assert wire.fell_silent.is_set()
            return ended, time.monotonic() - began

    for ended, seconds in await asyncio.gather(*map(case, ("hunter", "tracker", "janitor"))):
        check(ended, 0, "ok")
        assert seconds < DEADLINE + 3 * SHUTDOWN, "with the start of the process, and all its work"
    assert await nothing_is_claimed(db)


async def test_neither_a_long_statement_nor_an_open_transaction_is_a_lost_answer(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "DEADLINE", 0.8)
    own = Database()

    async def in_a_transaction() -> None:
        async with own.transaction():
            await own.fetch("SELECT 1")
            await asyncio.sleep(1.5)
            assert await own.fetch("SELECT 1")
            await own.fetch("SELECT pg_sleep(2)")

    async def on_a_connection_of_its_own() -> None:
        async with closing(own.connect()) as connection:
            await connection.execute("SELECT pg_sleep(2)")

    async with own.session():
        await asyncio.gather(in_a_transaction(), on_a_connection_of_its_own())


SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130}


@pytest.mark.parametrize("commands", [AGENTS, OTHERS], ids=" ".join)
async def test_a_signal_ends_every_command_that_waits_for_a_silent_database(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, commands: tuple[str, ...]
) -> None:
    await discover(db, api, timeline, "python")

    async def case(command: str, signum: signal.Signals) -> tuple[str, signal.Signals, Ended, float]:
        async with silenced(children, dsn, command, IN_MID_WORK[command], 30.0) as child:
            child.process.send_signal(signum)
            began = time.monotonic()
            return command, signum, await end(child), time.monotonic() - began

    # one agent and one other command get both
    both = [(command, signum) for command in commands[:1] for signum in SIGNALS]
    one_each = zip(commands[1:], [*SIGNALS, signal.SIGTERM], strict=True)
    for command, signum, ended, seconds in await asyncio.gather(*(case(*each) for each in (*both, *one_each))):
        assert ended.code == SIGNALS[signum], (command, ended.stderr)
        assert seconds < SHUTDOWN + BUSY, (command, seconds)


async def test_a_signal_ends_a_command_whose_database_never_answered(
    vault_folder: object, keys: None, children: Children
) -> None:
    async def case(command: str, signum: signal.Signals) -> None:
        child = await start(children, command, dsn, 30.0)
        assert child.process.stderr is not None
        assert b"waiting for the database" in await asyncio.wait_for(child.process.stderr.readline(), PATIENCE)
        child.process.send_signal(signum)
        began = time.monotonic()
        assert (await end(child)).code == SIGNALS[signum]
        assert time.monotonic() - began < SHUTDOWN + BUSY

    async with unanswered() as (port, _):
        dsn = f"postgresql://me@127.0.0.1:{port}/maia"
        await asyncio.gather(case("plan", signal.SIGTERM), case("status", signal.SIGINT))


@pytest.fixture
async def wired(db: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Wire, Database]]:
    """A database of one's own at the end of a wire, with short times."""
    for name, seconds in {"DEADLINE": 1.0, "SHUTDOWN": 1.0, "_CLOSE": 0.5, "_MIN_STEP": 0.1, "_TICK": 0.1}.items():
        monkeypatch.setattr(deadline, name, seconds)
    own = Database()
    async with wire_to(dsn) as wire:
        with settings.override(database_url=wire.dsn()):
            await own.open()
            yield wire, own


async def test_all_that_is_left_to_do_shares_a_few_seconds(wired: tuple[Wire, Database]) -> None:
    wire, own = wired
    wire.fall_silent()
    began = time.monotonic()
    asked = await asyncio.gather(*(own.fetch("SELECT 1") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(error, DatabaseUnavailable) for error in asked), asked
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
