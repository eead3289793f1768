"""Agents against a local YouTube and a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import maia.session
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from maia.sandbox import RunningSandbox, SandboxConfig, running
from maia.youtube import YouTubeClient

from ...wire import Wire, wire_to
from .harness import HUNTING, NOON, TRACKING, Timeline, pool
from .processes import Children


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
    monkeypatch.setattr(maia.session, "YouTubeClient", functools.partial(YouTubeClient, backoff=0.01))
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
