"""Agents whose tables are in a schema of their own, in a database where no search_path leads to them."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import migrate
from atlas.schema.roles import create_roles
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import NOON, Timeline, value
from ...support.database_logins import ROLES
from ...support.databases import execute

pytestmark = pytest.mark.integration

SCHEMA = "maia_2"


@pytest.fixture
async def dsn(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that has the tables in another schema than `public`."""
    await execute(empty_dsn, f"ALTER DATABASE {urlsplit(empty_dsn).path[1:]} SET search_path TO ''")
    monkeypatch.setenv("DATABASE_SCHEMA", SCHEMA)
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    settings.reload()
    await migrate(Database())
    await create_roles(Database(), ROLES)
    return empty_dsn


async def test_commands_and_cycles_find_everything_there(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    assert (await children.run("queue", "add", "guitar", "piano")).code == 0
    for command in (("plan", "hunter"), ("hunter",), ("keys",), ("queue", "list")):
        ended = await children.run(*command)
        assert ended.code == 0, ended.output
    found = await value(db, f"SELECT count(*) FROM {SCHEMA}.videos")
    assert found > 50
    timeline.set(NOON.replace(hour=22))
    for command in (("plan", "tracker"), ("tracker",)):
        ended = await children.run(*command)
        assert ended.code == 0, ended.output
    assert await value(db, f"SELECT count(*) FROM {SCHEMA}.video_stats_log") == found + 50
    assert await value(db, f"SELECT count(*) FROM {SCHEMA}.runs WHERE outcome = 'ok'") >= 2
    assert not await value(db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
