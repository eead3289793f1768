"""Databases that a command cannot work on: each says why and what to do, with the exit code of the contract."""

from __future__ import annotations

import asyncio
import shutil
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db import connections, deadline
from atlas.db.embedded import start
from atlas.errors import DatabaseUnavailable, ReadOnly
from atlas.schema.migrate import migrate

from ..support.commands import ATLAS, MAIA, Done, run
from ..support.database_logins import ROLES, address
from ..support.databases import execute, with_database

pytestmark = pytest.mark.integration

READING = ("atlas status", "atlas events", "maia queue list", "maia keys", "maia verdict hunter")
WRITING = ("maia hunter", "maia tracker", "maia janitor", "maia plan hunter", "maia queue add query")
OWNING = ("atlas migrate", "atlas roles")
EVERY = (*READING, *WRITING, *OWNING)
ENVIRONMENT = {
    "YOUTUBE_API_KEY_POOL_JSON": '{"hunting": ["a-hunting-key"], "tracking": ["a-tracking-key"]}',
    "YOUTUBE_API_BASE_URL": "http://127.0.0.1:1",
    "VAULT_PROVIDER": "off",
    "MAIA_RUN_ID": "1-1",
}


async def ran(command: str, dsn: str, *before: str, **environment: str) -> Done:
    """Run a command on a database, with another program before it where one is given."""
    program, *arguments = command.split()
    start_of = {"atlas": ATLAS, "maia": MAIA}[program]
    return await run(*before, *start_of, *arguments, DATABASE_URL=dsn, **ENVIRONMENT, **environment)


async def together(*cases: tuple[str, str]) -> list[Done]:
    """Run commands on databases, a few at once; where one fails, the others have ended too."""
    few = asyncio.Semaphore(3)

    async def one(command: str, dsn: str) -> Done:
        async with few:
            return await ran(command, dsn)

    ended = await asyncio.gather(*(one(*case) for case in cases), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return [each for each in ended if isinstance(each, Done)]


async def every(commands: tuple[str, ...], dsn: str, code: int, *says: str) -> None:
    """Each command ends with the code and one line that says all of it; and none sends anybody to a later run."""
    done = await together(*((command, dsn) for command in commands))
    for command, ended in zip(commands, done, strict=True):
        assert ended.code == code, (command, ended)
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith(("maia", "atlas"))]
        for part in says:
            assert part in line, (command, ended.stderr)
        assert "a later run" not in ended.stderr
        assert "read the log" not in ended.stderr


@dataclass(frozen=True)
class Fault:
    """A migrated database that was changed, and how commands end there.

    Attributes:
        change: statements; {name} is the database.
        code: of each of the commands.
        says: what the line on stderr holds.
        fine: commands that work all the same.
    """

    change: str
    code: int
    says: tuple[str, ...]
    commands: tuple[str, ...] = EVERY
    fine: tuple[str, ...] = field(default=())


FAULTS = {
    "read-only": Fault(
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        69,
        ("the database is read-only", "default_transaction_read_only"),
        commands=(*WRITING, *OWNING),
        fine=READING,
    ),
    "newer schema": Fault(
        "UPDATE atlas_schema_version SET version_num = '9000'",
        78,
        ("schema is 9000, newer than this release", "update the image or the package"),
    ),
    "older schema": Fault(
        "UPDATE atlas_schema_version SET version_num = '0000'",
        78,
        ("schema",),
        commands=("maia queue list", "maia hunter", "atlas migrate"),
    ),
    "no right to write": Fault(
        f"REVOKE INSERT ON runs, search_queue FROM {ROLES.agent}",
        78,
        (
            "DATABASE_URL: its user lacks INSERT",
            "permission denied for table",
            "run `atlas roles`, then GRANT maia_agent",
        ),
        commands=WRITING,
    ),
    "no right to read": Fault(
        f"REVOKE SELECT ON atlas_schema_version FROM {ROLES.agent}",
        78,
        ("DATABASE_URL: its user lacks SELECT on table atlas_schema_version", "run `atlas roles`"),
        commands=("atlas status", "maia queue list", "maia hunter"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_command_on_an_unusable_database_says_why_and_what_to_do(dsn: str, name: str) -> None:
    fault = FAULTS[name]
    await execute(dsn, fault.change.format(name=dsn.partition("?")[0].rpartition("/")[2]))
    used = address(dsn, ROLES.agent) if "right" in name else dsn
    await every(fault.commands, used, fault.code, *fault.says)
    for ended in await together(*((command, used) for command in fault.fine)):
        assert ended.code == 0, ended


async def test_a_reader_is_told_which_role_writes(dsn: str) -> None:
    reader = address(dsn, ROLES.reader)
    await every(WRITING, reader, 78, "lacks INSERT", "GRANT maia_agent TO this user (maia_janitor for a command that")
    await every(("maia keys",), reader, 78, "lacks SELECT on table api_keys", "GRANT maia_agent TO this user")


async def test_an_agent_is_told_which_role_deletes(dsn: str) -> None:
    await every(
        ("maia queue remove x",),
        address(dsn, ROLES.agent),
        78,
        "lacks UPDATE and DELETE on table",
        "GRANT maia_janitor",
    )


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_is_not_utf8_is_refused(server: str, encoding: str) -> None:
    name = f"test_{uuid.uuid4().hex[:12]}"
    await execute(server, f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        said = (f"the database's encoding is {encoding}", "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
        commands = ("atlas migrate", "atlas status", "atlas roles", "maia hunter", "maia queue list")
        await every(commands, with_database(server, name), 78, *said)
    finally:
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


# ── a standby ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def standby(tmp_path: Path) -> AsyncIterator[str]:
    """The DSN of a migrated database on a server that is in recovery."""
    folder = tmp_path / "standby"
    first = await start(folder, grace=0.0)
    with settings.override(database_url=first.dsn):
        await migrate(Database())
    await first.leave()
    (data,) = {path.parent for path in folder.rglob("postgresql.conf")}
    async with asyncio.timeout(60):
        while (data / "postmaster.pid").exists():
            await asyncio.sleep(0.05)
    (data / "standby.signal").touch()
    server = await start(folder)
    yield server.dsn
    await server.leave()


async def test_a_standby_is_read_and_not_written(standby: str) -> None:
    await every(
        ("maia hunter", "maia queue add query"), standby, 69, "is a standby, DATABASE_URL has to name the primary"
    )
    await every(("atlas migrate",), standby, 69, "Its server is a standby: DATABASE_URL has to name the primary server")
    assert (await ran("atlas status", standby)).code == 0


# ── a server that cannot be reached ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """The port of a server that accepts connections and says nothing."""
    writers = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    for writer in writers:
        writer.transport.abort()


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_who_waits_for_a_server_is_told_for_which(silent: int) -> None:
    """Host that does not exist, closed port, a server that accepts and says nothing: 69, within its deadline."""
    port = closed_port()
    places = {
        "no-such-host.invalid:6543": "cannot be reached",
        f"127.0.0.1:{port}": "cannot be reached",
        f"127.0.0.1:{silent}": "no answer in time",
    }
    cases = [(place, said, command) for place, said in places.items() for command in ("maia hunter", "maia queue list")]
    done = await together(*((command, f"postgresql://me:secret-word@{place}/maia") for place, _, command in cases))
    for (place, said, command), ended in zip(cases, done, strict=True):
        assert ended.code == 69, (command, ended)
        assert f"waiting for the database at {place}" in ended.stderr
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith("maia")]
        assert f"the database at {place} cannot be reached" in line
        assert said in line
        assert "secret-word" not in ended.stderr


@pytest.mark.parametrize("use", ["open", "connect"])
async def test_all_steps_of_opening_have_one_deadline(silent: int, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    monkeypatch.setattr(deadline, "DEADLINE", 0.2)
    monkeypatch.setattr(connections, "_QUIET", 60.0)
    with settings.override(database_url=f"postgresql://me@127.0.0.1:{silent}/maia"):
        message = rf"^the database at 127\.0\.0\.1:{silent} gave no answer within 0 s\. Check that it runs"
        with pytest.raises(DatabaseUnavailable, match=message):
            await getattr(Database(), use)()


async def test_a_read_only_database_is_not_asked_again(db: Database) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        async with db.transaction():
            await db.fetch("SET TRANSACTION READ ONLY")
            await db.fetch("UPDATE videos SET zone = 1")

    with pytest.raises(ReadOnly, match="cannot execute UPDATE in a read-only transaction"):
        await db.patiently(work)
    assert tries == 1


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

FAKETIME = shutil.which("faketime")
needs_faketime = pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed (Debian: faketime)")


@needs_faketime
@pytest.mark.parametrize(("shift", "said"), [("+2d", "2 days ahead of"), ("-3h", "3 h behind")])
async def test_a_machine_clock_that_is_hours_wrong_is_refused(dsn: str, shift: str, said: str) -> None:
    assert FAKETIME is not None
    for command in ("maia hunter", "atlas migrate", "maia queue list"):
        ended = await ran(command, dsn, FAKETIME, "-f", shift)
        assert ended.code == 78, ended
        assert "This machine's clock (" in ended.stderr
        assert f") is {said} the database's (" in ended.stderr
        assert "timedatectl set-ntp true" in ended.stderr


async def test_a_fast_clock_is_refused_where_the_real_one_was_used(dsn: str) -> None:
    for clock, code in (("real", 0), ("real", 0), ("3600x", 78)):
        ended = await ran("maia hunter", dsn, ATLAS_CLOCK=clock)
        assert ended.code == code, ended
    assert "maia hunter: ATLAS_CLOCK: the database was used with the real clock" in ended.stderr


async def test_a_fast_clock_works_on_a_database_of_its_own(dsn: str) -> None:
    for _ in range(2):
        ended = await ran("maia hunter", dsn, ATLAS_CLOCK="3600x")
        assert ended.code == 0, ended
