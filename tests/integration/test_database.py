"""The way to PostgreSQL: what happens when it is not there, is wrong, or is lost in mid-work."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db import pooler, retries
from atlas.errors import ConfigError, DatabaseUnavailable, ReadOnly, StatementFailed

from ..support.databases import closing, with_database
from ..support.fake_secrets import DATABASE_PASSWORD

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


ADD = "INSERT INTO channels (id, first_seen_at, updated_at) VALUES ($1, now(), now())"


async def channels(db: Database) -> list[str]:
    return [row["id"] for row in await db.fetch("SELECT id FROM channels ORDER BY id")]


async def works(db: Database) -> bool:
    return [tuple(row) for row in await db.fetch("SELECT 1")] == [(1,)]


async def kill(db: Database) -> None:
    """End the connection of this task from another one, and wait until it is gone."""
    (row,) = await db.fetch("SELECT pg_backend_pid() AS pid")
    async with closing(db.connect()) as other:
        assert await other.fetchval("SELECT pg_terminate_backend($1, 5000)", row["pid"])


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("{}/no_such_database", "no_such_database"),
        ("{}/{}&sslmode=bogus", "sslmode"),
        ("{}/{}&no_such_parameter=1", "no_such_parameter"),
        (f"postgresql://user:{PASSWORD}@host:port/atlas", "cannot be read"),
        (f"postgresql://user:{PASSWORD}@127.0.0.1:99999/atlas", "cannot be read"),
        (f"postgresql://user:pass/{PASSWORD}@127.0.0.1/atlas", "write / as %2F"),
        (f"postgresql://user:{PASSWORD}@[::1/atlas", "cannot be read"),
    ],
)
async def test_a_wrong_address_is_a_config_error_that_never_shows_the_password(
    dsn: str, address: str, problem: str
) -> None:
    if address.startswith("{}"):
        name, _, more = address.removeprefix("{}/").partition("&")
        address = with_database(dsn, urlsplit(dsn).path[1:] if name == "{}" else name)
        address += f"{'&' if '?' in dsn else '?'}{more}" if more else ""
    with pytest.raises(ConfigError, match=problem) as caught, settings.override(database_url=address):
        await Database().open()
    assert str(caught.value).startswith("DATABASE_URL")
    for part in (PASSWORD, "pass/", urlsplit(dsn).password):
        assert not part or part not in str(caught.value)


async def test_a_statement_whose_connection_is_gone_is_sent_again(db: Database, long_retries: None) -> None:
    await kill(db)
    assert await works(db)


async def test_a_statement_whose_connection_dies_while_it_runs_is_sent_again(db: Database, long_retries: None) -> None:
    began = asyncio.create_task(db.fetch("SELECT pg_sleep(CASE WHEN $1 THEN 60 ELSE 0 END)", True))
    asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    async with closing(db.connect()) as other:
        while not (pid := await other.fetchval(asleep)):
            await asyncio.sleep(0.01)
        await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        while not (again := await other.fetchval(asleep)):
            await asyncio.sleep(0.01)
        assert again != pid
        await other.execute("SELECT pg_cancel_backend($1)", again)
    with pytest.raises(StatementFailed, match="57014"):
        await began


async def test_a_transaction_that_is_lost_is_rolled_back_whole_and_done_again(db: Database, long_retries: None) -> None:
    tries = 0

    async def work() -> int:
        nonlocal tries
        tries += 1
        async with db.transaction():
            await db.fetch(ADD, f"c{tries}")
            if tries == 1:
                await kill(db)
            await db.fetch(ADD, f"d{tries}")
        return tries

    assert await db.retry(work) == 2
    assert await channels(db) == ["c2", "d2"]


async def test_a_connection_lost_at_the_commit_is_unavailable(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with db.transaction():
            await kill(db)
    assert await works(db)


async def test_a_stalled_transaction_does_not_hold_up_others_and_is_done_again(
    dsn: str, long_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler, "STALLED_TRANSACTION", 1.0)
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
        async with Database().session() as db, closing(db.connect()) as other:
            await db.retry(work)
            assert tries > 1
            assert await channels(db) == [f"after {tries}", "shared"]


async def test_the_outermost_call_of_each_task_retries(db: Database) -> None:
    tries: list[str] = []

    def failing(name: str, *, times: int) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            tries.append(name)
            if tries.count(name) <= times:
                raise DatabaseUnavailable(name)

        return work

    async def in_a_task() -> None:
        tries.append("outer")
        await asyncio.create_task(db.retry(failing("inner", times=1)))

    await db.retry(in_a_task)
    assert tries == ["outer", "inner", "inner"]
    tries.clear()

    async def in_this_one() -> None:
        tries.append("outer")
        await db.retry(failing("inner", times=99))

    with pytest.raises(DatabaseUnavailable):
        await db.retry(in_this_one)
    assert len(tries) > 2
    assert tries == ["outer", "inner"] * (len(tries) // 2)


@pytest.mark.parametrize(
    ("statements", "error", "message"),
    [
        (["SELECT 1 / 0"], StatementFailed, r"division by zero \(22012\)"),
        (
            ["SET TRANSACTION READ ONLY", "UPDATE videos SET zone = 1"], ReadOnly,
            "cannot execute UPDATE in a read-only transaction",
        ),
    ],
    ids=["refused", "read-only"],
)  # fmt: skip
async def test_a_refused_statement_is_not_tried_again_and_says_why(
    db: Database, long_retries: None, statements: list[str], error: type[Exception], message: str
) -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        async with db.transaction():
            for statement in statements:
                await db.fetch(statement)

    with pytest.raises(error, match=message):
        await db.retry(work)
    assert tries == 1


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

        await db.retry(work)

    await asyncio.gather(swap("a", "b"), swap("b", "a"))
    assert len(tries) > 2  # the loser may be back before the winner has woken, and lose once more
    assert len({row["title"] for row in await db.fetch("SELECT title FROM channels")}) == 1


async def test_a_transaction_commits_whole_or_not_at_all_and_one_inside_it_is_a_savepoint(db: Database) -> None:
    async with db.transaction():
        await db.fetch(ADD, "outer")
        with pytest.raises(StatementFailed):
            async with db.transaction():
                await db.fetch(ADD, "inner")
                await db.fetch(ADD, "outer")
        async with db.transaction():
            await db.fetch(ADD, "kept")
    with pytest.raises(StatementFailed):
        async with db.transaction():
            await db.fetch(ADD, "three")
            await db.fetch(ADD, "outer")
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


@pytest.mark.parametrize(("statement", "undone"), [("SELECT 1 / 0", ["inner", "outer"]), ("SELECT 1", [])])
async def test_what_is_to_be_undone_is_undone_if_nothing_was_committed(
    db: Database, statement: str, undone: list[str]
) -> None:
    found: list[str] = []
    db.on_rollback(lambda: found.append("outside"))
    with pytest.raises(StatementFailed) if undone else contextlib.nullcontext():
        async with db.transaction():
            db.on_rollback(lambda: found.append("outer"))
            async with db.transaction():
                db.on_rollback(lambda: found.append("inner"))
            await db.fetch(statement)
    with pytest.raises(StatementFailed):
        await db.fetch("SELECT 1 / 0")
    assert found == undone


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


async def test_a_closed_database_opens_again_at_its_next_use(dsn: str) -> None:
    with settings.override(database_url=dsn):
        db = Database()
        await db.fetch("SELECT 1")
        await db.close()
        assert await works(db)
        await db.close()
        await db.close()


# who leaves a loop without closing leaks a socket until it is collected; Python says so
@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning", "ignore:.*:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("closed", [True, False])
def test_a_second_event_loop_gets_a_pool_of_its_own(dsn: str, closed: bool) -> None:
    db = Database()

    async def use() -> None:
        assert await works(db)
        if closed:
            await db.close()

    with settings.override(database_url=dsn):
        asyncio.run(use())
        asyncio.run(use())
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
