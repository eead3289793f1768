"""PgBouncer in transaction mode: a real one, with fewer server sessions than it has clients, between Atlas and the
server.

What is promised of claims, counts and transactions is tested here once more, by the tests of those promises.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from asyncpg import Connection

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db import connections, retries
from atlas.db import pooler as sessions
from atlas.db.server_info import SCHEMA_VERSION
from atlas.errors import ConfigError, DatabaseUnavailable
from atlas.models.youtube import Video

from ..support.commands import atlas, invoke
from ..support.databases import closing, with_database
from ..support.documents import document
from ..support.documents import sections as sections_of
from ..support.pgbouncer import Pooler, pgbouncer

pytestmark = pytest.mark.integration

ADD = "INSERT INTO channels (id, first_seen_at, updated_at) VALUES ($1, now(), now())"


@pytest.fixture(scope="module")
def pooler(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    with pgbouncer(server, tmp_path_factory.mktemp("pgbouncer")) as pooler:
        yield pooler


@pytest.fixture
def dsn(dsn: str, pooler: Pooler) -> str:
    """This test's database, by way of PgBouncer."""
    return pooler.dsn(dsn)


@pytest.fixture
def empty_dsn(empty_dsn: str, pooler: Pooler) -> str:
    return pooler.dsn(empty_dsn)


@pytest.fixture
async def direct(server: str, dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of this test's own at the server."""
    async with closing(asyncpg.connect(with_database(server, urlsplit(dsn).path.removeprefix("/")))) as connection:
        yield connection


def named(dsn: str, word: str = "true") -> str:
    return f"{dsn}?pgbouncer={word}"


@contextlib.asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    with settings.override(database_url=dsn):
        async with Database().session() as db:
            yield db


async def works(dsn: str) -> bool:
    async with opened(dsn) as db, db.transaction():
        return await db.fetch("SELECT * FROM videos") == []


async def stalled_limit(db: Database) -> str:
    return str((await db.fetch("SHOW idle_in_transaction_session_timeout"))[0][0])


async def test_a_pooler_is_found_out_or_named(server: str, dsn: str) -> None:
    kinds = {dsn: sessions.Shared, named(dsn): sessions.Shared, named(dsn, "1"): sessions.Shared, server: Connection}
    for address, kind in kinds.items():
        with settings.override(database_url=address):
            async with closing(Database().connect()) as connection:
                assert type(connection) is kind
                if kind is Connection:
                    assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"
        assert address == server or await works(address)


async def test_a_pooler_that_drops_the_limit_silently_is_found_out(server: str, dsn: str, tmp_path: Path) -> None:
    dropped = "idle_in_transaction_session_timeout"
    with pgbouncer(server, tmp_path, ignore_startup_parameters=dropped) as silent:
        async with opened(silent.dsn(dsn)) as db, db.transaction():
            assert await stalled_limit(db) == "10s"


async def test_prepared_statements_that_get_lost_name_the_parameter_that_helps(dsn: str) -> None:
    async def again_and_again(db: Database) -> None:
        for _ in range(4):
            await db.fetch("SELECT 1")

    async with opened(named(dsn, "false")) as db:
        # while the transaction holds one session of the server, the other is made; then they take turns
        async with db.transaction():
            await asyncio.create_task(again_and_again(db), context=contextvars.Context())
        with pytest.raises(ConfigError, match=r"^DATABASE_URL leads to a pooler .* add pgbouncer=true"):
            await again_and_again(db)


async def test_the_settings_that_are_documented_are_enough(server: str, dsn: str, tmp_path: Path) -> None:
    (lines,) = [
        block.lines for section in sections_of(document("docs/databases.md")) for block in section.blocks
        if block.language == "ini"
    ]  # fmt: skip
    assert lines[0] == "[pgbouncer]"
    documented = dict(line.split(" = ") for line in lines[1:])
    with pgbouncer(server, tmp_path, **documented) as pooler:
        assert await works(pooler.dsn(dsn))


async def test_in_session_mode_statements_stay_prepared(server: str, dsn: str, tmp_path: Path) -> None:
    with pgbouncer(server, tmp_path, pool_mode="session") as pooler, settings.override(database_pool_size=1):
        async with opened(named(pooler.dsn(dsn), "false")) as db:
            await db.fetch("SELECT 'this one'")
            prepared = await db.fetch("SELECT statement FROM pg_prepared_statements")
            assert "SELECT 'this one'" in {row[0] for row in prepared}
            async with db.transaction():
                assert await stalled_limit(db) == "10s"


async def test_many_clients_get_their_own_answers_from_few_server_sessions(
    dsn: str, direct: asyncpg.Connection
) -> None:
    async def client(number: int) -> set[int]:
        async with Database().session() as db:

            async def ask(question: int) -> int:
                (row,) = await db.fetch(f"SELECT $1::text AS question, {number} AS client", str(question))
                assert (row["question"], row["client"]) == (str(question), number)
                async with db.transaction():
                    await db.fetch(ADD, f"{number}/{question}")
                    rows = await db.fetch("SELECT pg_backend_pid() AS pid FROM channels WHERE id = ANY ($1)",
                                          [f"{number}/{question}"])  # fmt: skip
                return int(rows[0]["pid"])

            return set(await asyncio.gather(*(ask(question) for question in range(20))))

    with settings.override(database_url=named(dsn)):
        pids = set.union(*await asyncio.gather(*(client(number) for number in range(8))))
    assert len(pids) == 2, "all 32 connections shared two"
    assert await direct.fetchval("SELECT count(*) FROM channels") == 8 * 20


async def test_the_limit_of_stalled_transactions_holds_in_each_and_stays_in_none(db: Database) -> None:
    for _ in range(4):
        async with db.transaction():
            assert await stalled_limit(db) == "10s"
        assert await stalled_limit(db) == "0"


LEFT_BEHIND = """
SELECT pg_backend_pid() AS pid,
    ARRAY(SELECT name FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'idle_in_transaction%') AS settings,
    (SELECT count(*) FROM pg_locks
        JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND datname = current_database()) AS locks,
    ARRAY(SELECT pg_listening_channels()) AS channels,
    ARRAY(SELECT name FROM pg_prepared_statements) AS prepared
"""


async def test_nothing_is_left_in_the_sessions_of_the_server(db: Database) -> None:
    both = asyncio.Barrier(2)

    async def look() -> asyncpg.Record:
        async with db.transaction():
            await both.wait()
            return (await db.fetch(LEFT_BEHIND))[0]

    for turn in range(2):
        seen = await asyncio.gather(look(), look())
        assert len({row["pid"] for row in seen}) == 2, "each session of the server is looked at"
        for row in seen:
            assert set(row["settings"]) <= {
                "application_name", "TimeZone", "client_encoding", "DateStyle", "standard_conforming_strings"
            }, "PgBouncer itself looks after these"  # fmt: skip
            assert (row["locks"], row["channels"]) == (0, [])
            # of a cursor the driver names the statement: no other process's has such a name
            assert all(name.startswith("atlas_stmt_") for name in row["prepared"])
        if turn == 0:
            await MaiaDAO().ingest_video_metadata([Video(id="v", published_at=datetime.now(UTC), views=1)])
            await MaiaDAO().fetch_tracker_targets(10)
            # types that the driver asks the server for, for which it switches a setting off and on
            assert (await db.fetch("SELECT $1::interval[] AS given", [timedelta(1)]))[0]["given"] == [timedelta(1)]
            async with closing(db.connect()) as connection, connection.transaction():
                assert [row["n"] async for row in connection.cursor("SELECT $1::tid[] AS n", [(1, 2)])] == [[(1, 2)]]


async def test_times_are_the_same_whatever_the_servers_timezone_is(
    dsn: str, server: str, direct: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # in the night in which many clocks go forward
    await direct.execute(f"ALTER DATABASE {urlsplit(dsn).path[1:]} SET timezone TO 'Asia/Kathmandu'")
    asked = (
        "SELECT $1::timestamptz AS at, ($1::timestamptz + interval '1 day')::text AS next, $1::timestamptz::date AS day"
    )
    direct_dsn = with_database(server, urlsplit(dsn).path.removeprefix("/"))
    answers = []
    for address in (direct_dsn, dsn, named(dsn)):
        async with opened(address) as other:
            answers.append(tuple((await other.fetch(asked, moment))[0]))
            async with other.transaction():
                answers.append(tuple((await other.fetch(asked, moment))[0]))
    assert set(answers) == {(moment, "2026-03-30 00:30:00+00", moment.date())}

    def unheard(*given: Any) -> dict[str, Any]:
        return sessions.options(*given) | {"server_settings": {}}

    monkeypatch.setattr(connections, "options", unheard)  # as by a pooler that passes nothing on
    async with opened(named(dsn)) as other, other.transaction():
        assert tuple((await other.fetch(asked, moment))[0]) in answers


async def test_what_the_server_ends_is_done_again(db: Database, direct: asyncpg.Connection) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        async with db.transaction():
            await db.fetch(ADD, f"first {tries}")
            if tries == 1:
                await direct.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await db.fetch(ADD, f"second {tries}")

    await db.retry(work)
    assert [row["id"] for row in await db.fetch("SELECT id FROM channels ORDER BY id")] == ["first 2", "second 2"]


async def test_two_processes_migrate_and_a_third_looks(empty_dsn: str) -> None:
    both = await asyncio.gather(*(atlas("migrate", DATABASE_URL=dsn) for dsn in (empty_dsn, named(empty_dsn))))
    assert [done.code for done in both] == [0, 0], both
    assert sum(f"is {SCHEMA_VERSION} now" in done.out for done in both) == 1
    done = await invoke("status", DATABASE_URL=empty_dsn)  # what those processes prepared is not in its way
    assert (done.code, SCHEMA_VERSION in done.out) == (0, True), done


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "SECONDS", 0.3)
    monkeypatch.setattr(retries, "START_SECONDS", 0.3)
    monkeypatch.setattr(sessions, "_CONNECT_TIMEOUT", 2.0)


async def refused(dsn: str) -> str:
    with settings.override(database_url=dsn), pytest.raises(ConfigError) as caught:
        await Database().open()
    assert str(caught.value).startswith("DATABASE_URL: ")
    return str(caught.value)


async def test_an_address_that_the_pooler_refuses_is_a_config_error(server: str, dsn: str, tmp_path: Path) -> None:
    assert "parameter statement_timeout: leave it out" in await refused(f"{dsn}?statement_timeout=9000")
    assert '"no_such_database" does not exist' in await refused(with_database(dsn, "no_such_database"))
    users = tmp_path / "users.txt"
    users.write_text('"somebody" "right"\n')
    given: dict[str, Any] = {"auth_type": "scram-sha-256", "auth_file": users}
    with pgbouncer(server, tmp_path / "pgbouncer", **given) as pooler:
        address = pooler.dsn(dsn)
        assert await works(address.replace("anybody:unasked", "somebody:right"))
        for user in ("somebody:wrong-password", "nobody:wrong-password"):
            message = await refused(address.replace("anybody:unasked", user))
            assert "Check user, password and database" in message
            assert "wrong-password" not in message


@pytest.mark.usefixtures("short_retries")
async def test_a_pooler_that_takes_no_more_clients_is_waited_for(server: str, dsn: str, tmp_path: Path) -> None:
    with pgbouncer(server, tmp_path, max_client_conn=2) as pooler:
        address = named(pooler.dsn(dsn))
        with settings.override(database_url=address):
            async with closing(Database().connect()), closing(Database().connect()):
                with pytest.raises(DatabaseUnavailable, match=r"no connection left: .* Lower DATABASE_POOL_SIZE"):
                    await Database().open()
        assert await works(address)


@pytest.mark.usefixtures("short_retries")
async def test_a_pooler_or_a_server_behind_it_that_is_gone_is_unavailable(
    server: str, dsn: str, tmp_path: Path
) -> None:
    with pgbouncer(server, tmp_path / "gone") as pooler, settings.override(database_url=pooler.dsn(dsn)):
        db = Database()
        await db.open()
    try:
        with pytest.raises(DatabaseUnavailable):
            await db.fetch("SELECT 1")
    finally:
        await db.close()
    unreachable = "postgresql://u:p@127.0.0.1:1/d"
    with (
        pgbouncer(unreachable, tmp_path / "alone") as pooler,
        settings.override(database_url=pooler.dsn(unreachable)),
        pytest.raises(DatabaseUnavailable),
    ):
        async with asyncio.timeout(60):
            await Database().open()
