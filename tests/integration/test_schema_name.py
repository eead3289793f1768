"""DATABASE_SCHEMA: tables elsewhere than in `public`, in a database that others use too.

Nothing is found by a search_path here: that of this database names no schema at all.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

import atlas
from atlas import events
from atlas.adapters.keys import KeyDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import ReportDAO
from atlas.config import settings
from atlas.database import Database, database
from atlas.db.queries import names, sql
from atlas.db.server_info import SCHEMA_VERSION, inspect
from atlas.errors import ConfigError
from atlas.keyring import KeyRing
from atlas.models.rows import Presence, VideoUpdate
from atlas.models.youtube import Video
from atlas.quota.buckets import Bucket
from atlas.schema.migrate import NAMES, migrate
from atlas.schema.roles import create_roles

from ..support.clock_settings import running_from
from ..support.commands import invoke
from ..support.database_logins import ROLES, address
from ..support.databases import closing, execute
from ..support.forked_commands import run_forked
from ..support.pgbouncer import pgbouncer

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

ONE, OTHER = "order", "maia_2"
"""A word of SQL, and one that is none."""


@pytest.fixture
async def shared(empty_dsn: str) -> str:
    """A database where sessions find nothing by themselves, with the tables of Atlas in two schemas."""
    await execute(empty_dsn, f"ALTER DATABASE {urlsplit(empty_dsn).path[1:]} SET search_path TO ''")
    for name in (ONE, OTHER):
        with settings.override(database_url=empty_dsn, database_schema=name):
            done = await migrate(Database())
            assert (done.before, done.after) == (None, SCHEMA_VERSION)
    return empty_dsn


@pytest.fixture
async def look(shared: str) -> AsyncIterator[asyncpg.Connection]:
    async with closing(asyncpg.connect(shared)) as connection:
        yield connection


NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)
"""Pacific: no quota day ends meanwhile."""


async def work_of_a_day() -> dict[str, Any]:
    """Do a bit of everything that agents do with the database; return the counts that `atlas status` shows."""
    with settings.override(atlas_clock=running_from(NOON)):
        return await _work()


async def _work() -> dict[str, Any]:
    async with database.session():
        await QueueDAO().add(["one topic", "another"])
        hunter = MaiaDAO("hunter 0/1")
        topics = await hunter.fetch_hunter_batch(1)
        ring = KeyRing("hunting")
        await ring.settle([await ring.acquire(Bucket.SEARCH)])
        video = Video(
            id="v", channel_id="c", channel_title="C", published_at=NOON, views=1, tags=["a tag", "another tag"]
        )
        async with hunter.transaction():
            await hunter.ingest_video_metadata(video)
            await hunter.add_to_search_queue(video.tags or [])
            await hunter.update_search_state(topics[0]["id"], None, 1, "waiting")
        await database.fetch(f'UPDATE "{settings.database_schema}".videos SET due_at = first_seen_at')
        tracker = MaiaDAO("tracker 0/1")
        targets = await tracker.fetch_tracker_targets(10)
        given = VideoUpdate(id=targets[0]["id"], presence=Presence.PRESENT, views=2, likes=None, comments=None)
        await tracker.update_video_stats_batch([given])
        await events.emit(events.EventType.CHURN, store=database)
        totals = await ReportDAO().totals()
        async with closing(database.connect()) as connection:
            found = await inspect(connection)
    assert found.schema == SCHEMA_VERSION
    counted = {name: getattr(totals, name).number for name in ("videos", "channels", "snapshots")}
    return counted | {"calls": totals.calls[Bucket.SEARCH].settled}


async def test_two_schemas_in_one_database_do_not_see_each_other(
    shared: str, look: asyncpg.Connection, tmp_path: Path
) -> None:
    keys = {"youtube_api_key_pool_json": '{"hunting": ["a-key"]}'}
    with pgbouncer(shared, tmp_path) as pooler:
        address = pooler.dsn(shared)
        with settings.override(database_url=address, database_schema=ONE, **keys):
            assert await work_of_a_day() == {"videos": 1, "channels": 1, "snapshots": 2, "calls": 1}
            assert await KeyDAO().resume("0" * 12) == []
        with settings.override(database_url=address, database_schema=OTHER, **keys):
            async with database.session():
                totals = await ReportDAO().totals()
                assert (totals.videos.number, totals.snapshots.number, totals.events.number) == (0, 0, 0)
                assert await MaiaDAO().fetch_hunter_batch(10) == []
            assert await work_of_a_day() == {"videos": 1, "channels": 1, "snapshots": 2, "calls": 1}
    rows = await look.fetch(
        "SELECT schemaname, count(*) AS tables FROM pg_tables WHERE tablename = ANY ($1) GROUP BY 1",
        list(NAMES),
    )
    assert dict(rows) == dict.fromkeys((ONE, OTHER), len(NAMES) - 3)
    assert not await look.fetch("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace")


WORDS = {"time": "observed_at", "space": ONE, "kept": "video_stats_hourly", "view": "video_velocity", "tags": "tags"}
"""What stands for the words of statements, where the name of any table does not do."""


def statement(name: str, extension: str | None) -> str | None:
    """A statement of Atlas; None where it is of TimescaleDB, which is not there."""
    words = set(re.findall(r"\$([a-z_]+)", (Path(atlas.__file__).parent / "sql" / f"{name}.sql").read_text()))
    if "extension" in words and extension is None:
        return None
    filled = {word: WORDS.get(word, "video_stats_log") for word in words - {"schema"}}
    return sql(name, **filled | ({"extension": extension} if extension and "extension" in words else {}))


async def test_every_statement_names_the_schema_of_what_it_uses(look: asyncpg.Connection) -> None:
    extension = await look.fetchval(
        "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'timescaledb'"
    )
    looked = 0
    with settings.override(database_schema=ONE):
        for name in names():
            text = statement(name, extension)
            if text is None or name == "roles/grant_rights":
                continue
            try:
                await look.prepare(text)
            except asyncpg.UndefinedTableError as error:
                # some tables are there for a while only, and some are TimescaleDB's
                assert re.search(r'relation "\w+\.\w+" does not exist', str(error)), f"{name}: {error}"
            except asyncpg.ObjectNotInPrerequisiteStateError as error:
                assert "cannot delete from view" in str(error), f"{name}: {error}"  # what it is for stands elsewhere
            looked += 1
    assert looked > 50


async def test_commands_use_the_schema(shared: str) -> None:
    given = {"DATABASE_URL": shared, "DATABASE_SCHEMA": "fresh", "YOUTUBE_API_KEY_POOL_JSON": '["a-key"]'}
    migrated, status = await run_forked(("atlas", "migrate"), ("atlas", "status"), at_once=1, **given)
    assert (migrated.code, status.code) == (0, 0), (migrated, status)
    assert SCHEMA_VERSION in status.out
    (hunter,) = await run_forked(("maia", "hunter"), **given | {"DATABASE_SCHEMA": "empty_one"})
    assert (hunter.code, "has no Atlas schema named 'empty_one'. Run `atlas migrate`" in hunter.stderr) == (78, True), (
        hunter
    )
    status = await invoke("status", **given | {"DATABASE_SCHEMA": "pg_mine"})
    assert (status.code, status.stderr.count("DATABASE_SCHEMA: ")) == (78, 1), status


async def test_agents_need_no_right_but_to_the_rows(shared: str) -> None:
    pool = '{"hunting": ["a-key"]}'
    with settings.override(database_url=shared, database_schema=ONE):
        await create_roles(Database(), ROLES)
    agent = address(shared, ROLES.agent)
    with settings.override(database_url=agent, database_schema=ONE, youtube_api_key_pool_json=pool):
        assert (await work_of_a_day())["snapshots"] == 2
    with (
        settings.override(database_url=agent, database_schema=OTHER, youtube_api_key_pool_json=pool),
        pytest.raises(ConfigError, match=f"permission denied for schema {OTHER}.*GRANT maia_agent"),
    ):
        await Database().open()
