"""Databases that a command cannot work on: each says why and what to do, with the exit code of the contract."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.embedded import start
from atlas.schema.migrate import migrate

from ..support.child_processes import finished
from ..support.commands import Done
from ..support.database_logins import ROLES, address
from ..support.databases import execute, with_database
from ..support.forked_commands import run_forked

pytestmark = pytest.mark.integration

READING = (
    "atlas status", "atlas events", "maia queue list", "maia keys", "maia verdict hunter", "maia top",
    "maia query fastest",
)  # fmt: skip
WRITING = ("maia hunter", "maia tracker", "maia janitor", "maia plan hunter", "maia queue add query")
OWNING = ("atlas migrate", "atlas roles")
EVERY = (*READING, *WRITING, *OWNING)
ENVIRONMENT = {
    "YOUTUBE_API_KEY_POOL_JSON": '{"hunting": ["a-hunting-key"], "tracking": ["a-tracking-key"]}',
    "YOUTUBE_API_BASE_URL": "http://127.0.0.1:1",
    "VAULT_PROVIDER": "off",
    "MAIA_RUN_ID": "1-1",
}


async def run_on(dsn: str, *commands: str, **environment: str) -> list[Done]:
    words = (tuple(command.split()) for command in commands)
    return await run_forked(*words, **ENVIRONMENT, **{"DATABASE_URL": dsn} | environment)


async def every(commands: tuple[str, ...], dsn: str, code: int, *says: str) -> None:
    """Each command ends with the code and one line that says all of it; and none promises that a later run helps."""
    for command, ended in zip(commands, await run_on(dsn, *commands), strict=True):
        assert ended.code == code, (command, ended)
        (line,) = [line for line in ended.stderr.splitlines() if line.startswith(("maia", "atlas"))]
        for part in says:
            assert part in line, (command, ended.stderr)
        assert "a later run" not in ended.stderr
        assert "read the log" not in ended.stderr


@dataclass(frozen=True)
class Fault:
    """A migrated database that was changed, and how commands end there; those that are ``fine`` work all the same."""

    change: str  # {name} is the database
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
    if fault.fine:
        assert [ended.code for ended in await run_on(used, *fault.fine)] == [0] * len(fault.fine)


async def test_a_missing_right_is_named_with_the_role_that_has_it(dsn: str) -> None:
    reader = address(dsn, ROLES.reader)
    await every(WRITING, reader, 78, "lacks INSERT", "GRANT maia_agent TO this user (maia_janitor for a command that")
    await every(("maia keys",), reader, 78, "lacks SELECT on table api_keys", "GRANT maia_agent TO this user")
    shown = await run_on(reader, "maia top", "maia query queries-that-pay", "maia show dQw4w9WgXcQ", "maia db events")
    assert [ended.code for ended in shown] == [0, 0, 1, 0], shown
    agent = address(dsn, ROLES.agent)
    await every(("maia queue remove x",), agent, 78, "lacks UPDATE and DELETE on table", "GRANT maia_janitor")


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
    (status,) = await run_on(standby, "atlas status")
    assert status.code == 0


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


async def test_the_log_and_the_error_name_the_server_that_is_waited_for(silent: int) -> None:
    """A host that does not exist, a closed port, a server that accepts and is silent."""
    places = {
        "no-such-host.invalid:6543": "cannot be reached",
        "127.0.0.1:1": "cannot be reached",
        f"127.0.0.1:{silent}": "no answer in time",
    }
    soon = "from atlas.db import connections, pooler, retries\n"
    soon += "connections._SLOW, pooler._CONNECT_TIMEOUT, retries.START_SECONDS = 0.2, 1.0, 1.0"
    commands = ("maia", "hunter"), ("maia", "queue", "list")
    for place, said in places.items():
        dsn = f"postgresql://me:secret-word@{place}/maia"
        for ended in await run_forked(*commands, setup=soon, **ENVIRONMENT, DATABASE_URL=dsn):
            assert ended.code == 69, ended
            assert f"waiting for the database at {place}" in ended.stderr
            (line,) = [line for line in ended.stderr.splitlines() if line.startswith("maia")]
            assert f"the database at {place} cannot be reached" in line
            assert said in line
            assert "secret-word" not in ended.stderr


FAKETIME = shutil.which("faketime")


@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed (Debian: faketime)")
@pytest.mark.parametrize(("shift", "said"), [("+2d", "2 days ahead of"), ("-3h", "3 h behind")])
async def test_a_machine_clock_that_is_hours_wrong_is_refused(dsn: str, shift: str, said: str) -> None:
    assert FAKETIME is not None
    _, preload, _ = await finished(FAKETIME, "-f", shift, "printenv", "LD_PRELOAD")
    faked = {"LD_PRELOAD": preload.decode().strip(), "FAKETIME": shift}
    for ended in await run_on(dsn, "maia hunter", "atlas migrate", "maia queue list", **faked):
        assert ended.code == 78, ended
        assert "This machine's clock (" in ended.stderr
        assert f") is {said} the database's (" in ended.stderr
        assert "timedatectl set-ntp true" in ended.stderr


@pytest.mark.parametrize("clocks", [("real", "real", "3600x"), ("3600x", "3600x")], ids=" ".join)
async def test_a_fast_clock_is_refused_where_the_real_one_was_used(dsn: str, clocks: tuple[str, ...]) -> None:
    for clock in clocks:
        (ended,) = await run_on(dsn, "maia hunter", ATLAS_CLOCK=clock)
        refused = "real" in clocks and clock == "3600x"
        assert ended.code == (78 if refused else 0), ended
        assert refused == ("maia hunter: ATLAS_CLOCK: the database was used with the real clock" in ended.stderr)
