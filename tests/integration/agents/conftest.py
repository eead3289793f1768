"""Agents against a local YouTube and a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import maia.agents.session
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database, database
from maia.youtube import YouTubeClient
from youtube_sandbox import RunningSandbox, SandboxConfig, running

from ...support.agent_processes import Children
from ...support.agents import HUNTING, NOON, TRACKING, Timeline, pool
from ...support.database_logins import ROLES, address
from ...support.secrets_plugin import shown
from ...support.tcp_proxy import Wire, wire_to


@pytest.fixture
def role() -> str | None:
    """The role of the database that a test's agents have, in its own process and in their own; None: the owner's."""
    return ROLES.agent


WRITTEN = (
    "events",
    "runs",
    "notifications",
    "api_keys",
    "key_suspensions",
    "api_calls",
    "search_queue",
    "count_freezes",
    "breakouts",
    "video_growth",
    "growth_bands",
    "growth_levels",
)


async def written(db: Database) -> list[str]:
    """The rows of all tables that hold what agents make up by themselves; what YouTube says is in the others."""
    rows = [await db.fetch(f'SELECT t::text AS row FROM "{settings.database_schema}".{name} AS t') for name in WRITTEN]
    return ["\n".join(row["row"] for row in table) for table in rows]


@pytest.fixture
async def db(dsn: str, role: str | None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The test's own way to its database, as the owner; agents have theirs, by the settings and the environment."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    settings.reload()
    own = Database()
    async with own.session():
        if role is not None:
            monkeypatch.setenv("DATABASE_URL", address(dsn, role))
            settings.reload()
        async with database.session():
            yield own
        shown("the database", *await written(own))


@pytest.fixture
def timeline(monkeypatch: pytest.MonkeyPatch) -> Timeline:
    """The schedule clock, put to noon Pacific."""
    timeline = Timeline(monkeypatch)
    timeline.set(NOON)
    return timeline


@pytest.fixture
async def api(
    request: pytest.FixtureRequest,
    db: Database,
    vault_folder: Path,
    timeline: Timeline,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RunningSandbox]:
    """A local YouTube on this test's clock; the settings and the environment name it, its keys and the vault.

    An indirect parameter overrides fields of its configuration.
    """
    keys = {key: f"project of {key}" for key in (*HUNTING, *TRACKING)}
    # pauses between tries are real time, and the tests of the client are about them
    monkeypatch.setattr(maia.agents.session, "YouTubeClient", functools.partial(YouTubeClient, backoff=0.01))
    config = SandboxConfig(clock=clock, keys=keys, videos=20_000)
    async with running(dataclasses.replace(config, **getattr(request, "param", {}))) as sandbox:
        monkeypatch.setenv("YOUTUBE_API_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())
        settings.reload()
        yield sandbox


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    """Starts agents as child processes."""
    children = Children(tmp_path)
    yield children
    await children.close()


@pytest.fixture
async def wire(dsn: str) -> AsyncIterator[Wire]:
    """A way to this test's database that can be cut."""
    async with wire_to(dsn) as wire:
        yield wire
