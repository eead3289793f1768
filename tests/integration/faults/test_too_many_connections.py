"""More shards than the server has connections: a clear message and a bounded wait, and no storm of attempts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db import retries
from atlas.errors import DatabaseUnavailable, NoConnectionLeft
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, discover
from ...support.databases import closing
from ...support.event_loop import PATIENCE
from ...support.statement_gate import until
from ...support.tcp_proxy import Wire, wire_to
from ..agents.test_processes import IMPATIENT, check

if TYPE_CHECKING:
    from harness.driver.server import Server

pytestmark = pytest.mark.integration

SHARDS = 64
MOST = 12
"""Connections that the user of the shards may have at once."""
TASKS = 16
"""Statements that a shard has for the database at once: more than its pool has connections."""
WAIT = 4.0
"""Seconds that a shard waits, less than users', so that the test is over soon, and enough for each to be answered."""
AT_FIRST = 4
"""Tries that are under way when the first is refused: one for each connection that the pool may have."""


def most_tries(seconds: float) -> int:
    """Return the tries of one process: after the certain half of each pause (0.1, 0.2 … 2.5, 2.5 s), and at the end."""
    tries, passed, pause = 1, 0.0, 0.1
    while passed < seconds:
        tries, passed, pause = tries + 1, passed + pause, min(pause * 2, 2.5)
    return tries + 1


assert (most_tries(10), most_tries(30)) == (10, 18), "the documented bounds"


@pytest.fixture
async def crowded(dsn: str, private_server: Server) -> AsyncIterator[str]:
    """The address of this test's database for a user that has few connections; the test's own are another's."""
    database = urlsplit(dsn).path[1:]
    role = database.replace("faults", "crowd")
    async with closing(asyncpg.connect(dsn)) as owner:
        await owner.execute(
            f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {MOST};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        )
        yield private_server.dsn(database, user=role)
        await owner.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1", role)
        await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@dataclass
class Shard:
    """A shard's own way to the database, on which its attempts are counted."""

    wire: Wire
    user: str
    store: Database = field(default_factory=Database)

    async def open(self) -> None:
        with settings.override(database_url=self.wire.dsn(user=self.user)):
            await self.store.open()

    async def work(self, statement: str = "SELECT 1") -> None:
        """What an agent's cycle does: more at once than the pool has connections."""
        await asyncio.gather(*(self.store.fetch(statement) for _ in range(TASKS)))


@contextlib.asynccontextmanager
async def fleet(number: int, dsn: str) -> AsyncIterator[list[Shard]]:
    async with contextlib.AsyncExitStack() as stack:
        user = urlsplit(dsn).username or ""
        shards = [Shard(await stack.enter_async_context(wire_to(dsn)), user) for _ in range(number)]
        yield shards
        for shard in shards:
            await shard.store.close()


async def test_64_shards_at_once_are_served_or_refused_and_try_a_bounded_number_of_times(
    crowded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "START_SECONDS", WAIT)
    async with fleet(SHARDS, crowded) as shards:
        began = time.monotonic()
        ends = await asyncio.gather(*(shard.open() for shard in shards), return_exceptions=True)
        took = time.monotonic() - began
        refused = [end for end in ends if end is not None]
        assert len(refused) == SHARDS - MOST, "a shard keeps its connection"
        for error in refused:
            assert isinstance(error, NoConnectionLeft)
            assert error.exit_code == 69
            assert "no connection left: too many connections" in str(error)
            assert "Lower DATABASE_POOL_SIZE or the number of shards, or use a pooler" in str(error)
        assert took < WAIT + 30, "bounded"
        # by the time that passed: on a busy machine the last try may begin within the wait and end long after it
        assert max(shard.wire.connections for shard in shards) <= most_tries(took)
        # those that were served go on with what they have, though each would like four
        served = [shard for shard, end in zip(shards, ends, strict=True) if end is None]
        before = sum(shard.wire.connections for shard in served)
        began = time.monotonic()
        await asyncio.gather(*(shard.work("SELECT pg_sleep(0.05)") for shard in served))
        most = len(served) * (most_tries(time.monotonic() - began) + AT_FIRST)
        tried = sum(shard.wire.connections for shard in served) - before
        assert tried <= most, f"{tried} tries of {len(served)} shards for {TASKS} tasks each"


async def test_a_shard_that_loses_its_connections_to_others_tries_as_one_not_as_its_tasks(
    crowded: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "SECONDS", WAIT)
    async with (
        closing(asyncpg.connect(dsn)) as owner,
        fleet(1, crowded) as (shard,),
        contextlib.AsyncExitStack() as stack,
    ):
        await shard.open()
        await shard.work()
        await owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1",
            urlsplit(crowded).username,
        )
        for _ in range(MOST):
            stack.push_async_callback((await asyncpg.connect(crowded)).close)
        tried = shard.wire.connections
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="no connection left"):
            await shard.work()
        most = most_tries(time.monotonic() - began) + AT_FIRST
        assert shard.wire.connections - tried <= most, "one after the other, but for those lost at first"


async def test_agents_wait_for_a_connection_and_end_with_69_if_none_comes_free(
    db: Database, dsn: str, crowded: str, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await discover(db, api, timeline, "python")
    async with contextlib.AsyncExitStack() as others:
        for _ in range(MOST):
            others.push_async_callback((await asyncpg.connect(crowded)).close)
        for ended in await asyncio.gather(
            *(children.run(agent, command=IMPATIENT, DATABASE_URL=crowded) for agent in ("hunter", "tracker"))
        ):
            check(ended, 69, "unavailable", "no connection left", "too many connections", "Lower DATABASE_POOL_SIZE")
        assert len(api.log) == 0
        async with wire_to(crowded) as wire:
            waiting = await children.start("tracker", DATABASE_URL=wire.dsn(user=urlsplit(crowded).username or ""))
            async with asyncio.timeout(PATIENCE):
                while not wire.connections:
                    await asyncio.sleep(0.02)  # polling: until it has tried
            await others.aclose()
            check(await waiting.end(), 0, "ok")
    gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = $1)"
    async with closing(asyncpg.connect(dsn)) as look:
        await until(look, gone, urlsplit(crowded).username)
    await assert_every_call_is_counted(db, api)
