"""The way to PostgreSQL: what happens when it is not there, is wrong, or is lost in mid-work."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db import pool, pooler, retries
from atlas.db.pooler import COMMAND_TIMEOUT
from atlas.errors import ConfigError, DatabaseUnavailable, StatementFailed

from ..support.fake_secrets import DATABASE_PASSWORD
from ..support.tcp_proxy import wire_to

pytestmark = pytest.mark.integration

PASSWORD = quote(DATABASE_PASSWORD, safe="")


@pytest.fixture(autouse=True)
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "SECONDS", 0.3)
    monkeypatch.setattr(retries, "START_SECONDS", 0.3)
    monkeypatch.setattr(pooler, "_CONNECT_TIMEOUT", 5.0)


@pytest.fixture
def long_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "SECONDS", 30.0)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that is taken and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def kill(db: Database, pid: int) -> None:
    """Ends a connection from another one, and waits until it is gone."""
    other = await db.connect()
    try:
        assert await other.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    finally:
        await other.close()


async def pid_of(db: Database) -> int:
    return (await db.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]  # type: ignore[no-any-return]


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_unreachable_database_is_unavailable_after_the_retries(closed_port: int) -> None:
    with settings.override(database_url=f"postgresql://user:{PASSWORD}@127.0.0.1:{closed_port}/atlas"):
        for use in (Database().open, Database().connect, lambda: Database().fetch("SELECT 1")):
            async with asyncio.timeout(20):
                with pytest.raises(DatabaseUnavailable, match="cannot be reached") as caught:
                    await use()
            assert "DATABASE_URL" in str(caught.value)
            assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda dsn: _with(dsn, path="/no_such_database"), "no_such_database"),
        (lambda dsn: dsn + _and(dsn) + "sslmode=bogus", "sslmode"),
        (lambda dsn: dsn + _and(dsn) + "no_such_parameter=1", "no_such_parameter"),
        (lambda _: f"postgresql://user:{PASSWORD}@host:port/atlas", "cannot be read"),
        (lambda _: f"postgresql://user:{PASSWORD}@127.0.0.1:99999/atlas", "cannot be read"),
        (lambda _: f"postgresql://user:pass/{PASSWORD}@127.0.0.1/atlas", "write / as %2F"),
        (lambda _: f"postgresql://user:{PASSWORD}@[::1/atlas", "cannot be read"),
    ],
)
async def test_a_wrong_address_is_a_config_error_that_never_shows_the_password(
    dsn: str, change: Any, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught, settings.override(database_url=change(dsn)):
        await Database().open()
    assert str(caught.value).startswith("DATABASE_URL")
    for part in (PASSWORD, "pass/", urlsplit(dsn).password):
        assert not part or part not in str(caught.value)


def _and(dsn: str) -> str:
    return "&" if "?" in dsn else "?"


def _with(dsn: str, path: str) -> str:
    head, mark, query = dsn.partition("?")
    return head.rsplit("/", 1)[0] + path + mark + query


async def test_a_wrong_password_is_a_config_error(server: str, dsn: str) -> None:
    user = "atlas_test_password"
    with settings.override(database_url=server):
        admin = await Database().connect()
    try:
        await admin.execute(f"DROP ROLE IF EXISTS {user}")
        await admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'right'")
        try:
            changed = _as_user(dsn, user, PASSWORD)
            with settings.override(database_url=changed):
                try:
                    connection = await Database().connect()
                except ConfigError as error:
                    assert "DATABASE_URL" in str(error)
                    assert PASSWORD not in str(error)
                else:
                    await connection.close()
                    pytest.skip("this server trusts local users without asking for a password")
        finally:
            await admin.execute(f"DROP ROLE {user}")
    finally:
        await admin.close()


def _as_user(dsn: str, user: str, password: str) -> str:
    head, _, rest = dsn.partition("://")
    return f"{head}://{user}:{password}@{rest.rpartition('@')[2]}"


# ── lost in mid-work ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_statement_whose_connection_is_gone_is_sent_again(db: Database, long_retries: None) -> None:
    await kill(db, await pid_of(db))
    assert (await db.fetch("SELECT 1 AS one"))[0]["one"] == 1


async def test_a_statement_whose_connection_dies_while_it_runs_is_sent_again(db: Database, long_retries: None) -> None:
    began = asyncio.create_task(
        db.fetch("SELECT pg_backend_pid() AS pid, pg_sleep(CASE WHEN $1 THEN 60 ELSE 0 END)", True)
    )
    other = await db.connect()
    try:
        while not (pid := await other.fetchval("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")):
            await asyncio.sleep(0.01)
        await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        while not (again := await other.fetchval("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")):
            await asyncio.sleep(0.01)
        assert again != pid
        await other.execute("SELECT pg_cancel_backend($1)", again)
    finally:
        await other.close()
    with pytest.raises(StatementFailed, match="57014"):
        await began


async def test_a_transaction_that_is_lost_is_rolled_back_whole_and_done_again(db: Database, long_retries: None) -> None:
    tries = 0

    async def work() -> int:
        nonlocal tries
        tries += 1
        async with db.transaction():
            await db.fetch(
                "INSERT INTO channels (id, first_seen_at, updated_at) VALUES ($1, now(), now())", f"c{tries}"
            )
            if tries == 1:
                await kill(db, await pid_of(db))
            await db.fetch(
                "INSERT INTO channels (id, first_seen_at, updated_at) VALUES ($1, now(), now())", f"d{tries}"
            )
        return tries

    assert await db.patiently(work) == 2
    assert [row["id"] for row in await db.fetch("SELECT id FROM channels ORDER BY id")] == ["c2", "d2"]


async def test_a_connection_lost_at_the_commit_is_unavailable(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with db.transaction():
            await kill(db, await pid_of(db))
    assert (await db.fetch("SELECT 1 AS one"))[0]["one"] == 1


async def test_a_stalled_transaction_does_not_hold_up_others_and_is_done_again(
    dsn: str, long_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler, "STALLED_TRANSACTION", 1.0)
    db = Database()
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        async with db.transaction():
            await db.fetch(ADD, "shared")
            if tries == 1:  # it stalls here, and goes on when the other, who waits for its lock, has come through
                async with asyncio.timeout(20):
                    await other.execute(ADD + " ON CONFLICT DO NOTHING", "shared")
                await other.execute("DELETE FROM channels")
            await db.fetch(ADD, f"after {tries}")

    with settings.override(database_url=dsn):
        async with db.session():
            other = await db.connect()
            try:
                await db.patiently(work)
            finally:
                await other.close()
            assert tries > 1
            assert await channels(db) == [f"after {tries}", "shared"]


async def test_connections_that_were_forgotten_on_the_way_are_ended_without_a_word(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a router does with connections that were idle for long: it does not answer any more."""
    async with wire_to(dsn) as wire:
        with settings.override(database_url=wire.dsn()):
            store = Database()
            async with store.session():
                await asyncio.gather(*(store.fetch("SELECT pg_sleep(0.1)") for _ in range(4)))
                wire.forget_connections()
                monkeypatch.setattr(pool, "MAX_IDLE", 0.0)
                async with asyncio.timeout(COMMAND_TIMEOUT / 2):
                    assert len(await asyncio.gather(*(store.fetch("SELECT 1") for _ in range(4)))) == 4


async def test_a_task_that_retries_leaves_the_tasks_that_it_starts_their_own_retries(db: Database) -> None:
    tries: list[str] = []

    async def inner() -> None:
        tries.append("inner")
        if tries.count("inner") == 1:
            raise DatabaseUnavailable("once")

    async def outer() -> None:
        tries.append("outer")
        await asyncio.create_task(db.patiently(inner))

    await db.patiently(outer)
    assert tries == ["outer", "inner", "inner"]


async def test_only_the_outermost_call_of_a_task_retries(db: Database) -> None:
    """A single statement inside work that is itself repeated: only the outermost call repeats."""
    tries = {"outer": 0, "inner": 0}

    async def inner() -> None:
        tries["inner"] += 1
        raise DatabaseUnavailable("always")

    async def outer() -> None:
        tries["outer"] += 1
        await db.patiently(inner)

    with pytest.raises(DatabaseUnavailable):
        await db.patiently(outer)
    assert tries["outer"] > 1
    assert tries["inner"] == tries["outer"]


async def test_a_refused_statement_is_not_tried_again_and_says_why(db: Database, long_retries: None) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        await db.fetch("SELECT 1 / 0")

    with pytest.raises(StatementFailed, match=r"division by zero \(22012\)"):
        await db.patiently(work)
    assert tries == 1


# ── transactions ────────────────────────────────────────────────────────────────────────────────────────────────────

ADD = "INSERT INTO channels (id, first_seen_at, updated_at) VALUES ($1, now(), now())"


async def channels(db: Database) -> list[str]:
    return [row["id"] for row in await db.fetch("SELECT id FROM channels ORDER BY id")]


async def test_a_transaction_commits_whole_or_not_at_all(db: Database) -> None:
    async with db.transaction():
        await db.fetch(ADD, "one")
        await db.fetch(ADD, "two")
    with pytest.raises(StatementFailed):
        async with db.transaction():
            await db.fetch(ADD, "three")
            await db.fetch(ADD, "one")
    assert await channels(db) == ["one", "two"]


async def test_a_transaction_inside_another_is_a_savepoint(db: Database) -> None:
    async with db.transaction():
        await db.fetch(ADD, "outer")
        with pytest.raises(StatementFailed):
            async with db.transaction():
                await db.fetch(ADD, "inner")
                await db.fetch(ADD, "outer")
        async with db.transaction():
            await db.fetch(ADD, "kept")
    assert await channels(db) == ["kept", "outer"]


async def test_transactions_of_two_tasks_are_apart(db: Database) -> None:
    written, looked = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        async with db.transaction():
            await db.fetch(ADD, "one")
            written.set()
            await looked.wait()

    async def two() -> list[str]:
        await written.wait()
        found = await channels(db)
        looked.set()
        return found

    _, found = await asyncio.gather(one(), two())
    assert found == []
    assert await channels(db) == ["one"]


async def test_a_task_that_outlives_the_transaction_it_was_started_in_uses_a_connection_of_its_own(
    db: Database,
) -> None:
    ended = asyncio.Event()

    async def later() -> list[str]:
        await ended.wait()
        async with db.transaction():
            await db.fetch(ADD, "later")
        return await channels(db)

    async with db.transaction():
        task = asyncio.create_task(later())
        await db.fetch(ADD, "one")
    ended.set()
    assert await task == ["later", "one"]


async def test_what_is_to_be_undone_is_undone_if_nothing_was_committed(db: Database) -> None:
    undone: list[str] = []
    with pytest.raises(StatementFailed):
        async with db.transaction():
            db.on_rollback(lambda: undone.append("outer"))
            async with db.transaction():
                db.on_rollback(lambda: undone.append("inner"))
            await db.fetch("SELECT 1 / 0")
    assert undone == ["inner", "outer"]


async def test_what_was_committed_and_what_is_in_no_transaction_is_not_undone(db: Database) -> None:
    undone: list[str] = []
    db.on_rollback(lambda: undone.append("outside"))
    async with db.transaction():
        db.on_rollback(lambda: undone.append("outer"))
        async with db.transaction():
            db.on_rollback(lambda: undone.append("inner"))
    with pytest.raises(StatementFailed):
        await db.fetch("SELECT 1 / 0")
    assert undone == []


async def test_a_commit_that_is_refused_is_undone_too(db: Database) -> None:
    await db.fetch("CREATE TABLE child (id text REFERENCES channels DEFERRABLE INITIALLY DEFERRED)")
    undone = []
    with pytest.raises(StatementFailed, match="foreign key"):
        async with db.transaction():
            db.on_rollback(lambda: undone.append(True))
            await db.fetch("INSERT INTO child VALUES ('nobody')")
    assert undone == [True]


async def test_a_cancelled_transaction_is_rolled_back_and_its_connection_is_usable(db: Database) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with db.transaction():
            await db.fetch(ADD, "one")
            began.set()
            await db.fetch("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await channels(db) == []


# ── the pool ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_more_work_than_connections_waits_its_turn(dsn: str) -> None:
    with settings.override(database_url=dsn, database_pool_size=2):
        async with Database().session() as db:
            rows = await asyncio.gather(*(db.fetch("SELECT pg_backend_pid() AS pid") for _ in range(30)))
    assert len({row[0]["pid"] for row in rows}) <= 2


async def test_a_closed_database_opens_again_at_its_next_use(dsn: str) -> None:
    with settings.override(database_url=dsn):
        db = Database()
        await db.fetch("SELECT 1")
        await db.close()
        assert (await db.fetch("SELECT 1 AS one"))[0]["one"] == 1
        await db.close()
        await db.close()


# who leaves a loop without closing leaks a socket until it is collected; Python says so
@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning", "ignore:.*:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("closed", [True, False])
def test_a_second_event_loop_gets_a_pool_of_its_own(dsn: str, closed: bool) -> None:
    db = Database()

    async def use() -> int:
        rows = await db.fetch("SELECT 1 AS one")
        if closed:
            await db.close()
        return int(rows[0]["one"])

    with settings.override(database_url=dsn):
        assert asyncio.run(use()) == 1
        assert asyncio.run(use()) == 1
        asyncio.run(db.close())
    gc.collect()


async def test_a_connection_is_named_and_has_utc_whatever_the_server_says(dsn: str) -> None:
    with settings.override(database_url=dsn):
        db = Database()
        db.application_name = "tracker 0/4 " + "x" * 100
        async with db.session():
            (row,) = await db.fetch(
                "SELECT current_setting('application_name') AS name, current_setting('timezone') AS zone"
            )
    assert row["zone"] == "UTC"
    assert row["name"].startswith("tracker 0/4")


async def test_the_loser_of_a_deadlock_is_done_again(db: Database, long_retries: None) -> None:
    await db.fetch("INSERT INTO channels SELECT id, NULL, now(), now() FROM unnest('{a,b}'::text[]) AS id")
    both_hold_one = asyncio.Barrier(2)
    tries: list[str] = []

    async def swap(first: str, second: str) -> None:
        async def work() -> None:
            async with db.transaction():
                tries.append(first)
                await db.fetch("UPDATE channels SET title = $2 WHERE id = $1", first, first)
                if len(tries) <= 2:
                    await both_hold_one.wait()
                await db.fetch("UPDATE channels SET title = $2 WHERE id = $1", second, first)

        await db.patiently(work)

    await asyncio.gather(swap("a", "b"), swap("b", "a"))
    assert len(tries) > 2  # the loser may be back before the winner has woken, and lose once more
    titles = {row["title"] for row in await db.fetch("SELECT title FROM channels")}
    assert len(titles) == 1
