"""Migrations on a real PostgreSQL: from nothing, by many at once, back, and beside relations of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import SCHEMA_VERSION, Storage, inspect
from atlas.errors import ConfigError, Contended, SchemaError, StatementFailed
from atlas.schema import migrate as migrating
from atlas.schema.migrate import NAMES, expand, migrate
from atlas.snapshots.ddl import SCHEMA_LOCK

from ..support.databases import closing
from ..support.earlier_schema import alembic, down
from ..support.forked_commands import run_forked
from ..support.snapshot_rows import first_release

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database without the schema, which DATABASE_URL names."""
    with settings.override(database_url=empty_dsn):
        async with closing(asyncpg.connect(empty_dsn)) as connection:
            yield connection


@pytest.fixture
async def migrated(empty: asyncpg.Connection) -> asyncpg.Connection:
    done = await migrate(Database())
    assert (done.before, done.after) == (None, SCHEMA_VERSION)
    return empty


@pytest.fixture
async def stranger(empty: asyncpg.Connection, empty_dsn: str) -> AsyncIterator[str]:
    """The DSN of a user who may do nothing in the database but connect."""
    name = f"atlas_test_{empty.get_server_pid()}"
    await empty.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'stranger'")
    head, _, rest = empty_dsn.partition("://")
    try:
        yield f"{head}://{name}:stranger@{rest.rpartition('@')[2]}"
    finally:
        await empty.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def tables(connection: asyncpg.Connection) -> set[str]:
    """The tables, without the partitions of one."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    return {row["relname"] for row in rows}


async def version(connection: asyncpg.Connection) -> object:
    return await connection.fetchval("SELECT version_num FROM atlas_schema_version")


TABLES = {*NAMES, "atlas_schema_version"} - {"video_velocity", "video_stats_hourly", "video_stats_daily"}


def test_the_version_that_agents_ask_for_is_the_newest_revision() -> None:
    scripts = ScriptDirectory.from_config(alembic())
    assert scripts.get_heads() == [SCHEMA_VERSION]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True), "agents compare versions as texts"
    silent = [script.revision for script in scripts.walk_revisions() if not hasattr(script.module, "expands")]
    assert silent == ["0002", "0001"], "a newer revision says whether it only adds: a plan asks for that"


async def test_a_second_time_changes_nothing(migrated: asyncpg.Connection) -> None:
    assert await tables(migrated) == TABLES
    await migrated.execute("INSERT INTO channels (id, first_seen_at, updated_at) VALUES ('c', now(), now())")
    done = await migrate(Database())
    assert (done.before, done.after) == (SCHEMA_VERSION, SCHEMA_VERSION)
    async with Database().session() as db:
        assert len(await db.fetch("SELECT * FROM channels")) == 1


async def test_many_processes_at_once(empty: asyncpg.Connection, empty_dsn: str) -> None:
    ended = await run_forked(*[("atlas", "migrate")] * 4, at_once=4, DATABASE_URL=empty_dsn)
    assert [done.code for done in ended] == [0] * 4, ended
    assert sum(f"is {SCHEMA_VERSION} now" in done.out for done in ended) == 1
    assert await tables(empty) == TABLES


async def test_a_migration_waits_for_the_one_that_holds_the_lock(empty: asyncpg.Connection) -> None:
    async with empty.transaction():
        await empty.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
        waiting = asyncio.create_task(migrate(Database()))
        async with asyncio.timeout(30):
            while not await empty.fetchval("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                assert not waiting.done()
                await asyncio.sleep(0.01)
        assert await tables(empty) == set()
    assert (await waiting).before is None
    assert await tables(empty) == TABLES
    assert not await empty.fetchval(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


THEIRS = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
REVISIONS = "CREATE TABLE atlas_schema_version (version_num varchar(32)); INSERT INTO atlas_schema_version VALUES "
CONFLICTS = {
    "CREATE TABLE videos (theirs text)": "videos",
    "CREATE VIEW video_velocity AS SELECT 'theirs' AS video_id": "video_velocity",
    "CREATE MATERIALIZED VIEW video_stats_daily AS SELECT 1 AS one": "video_stats_daily",
    "CREATE SEQUENCE runs": "runs",
    "CREATE TYPE events AS ENUM ('theirs')": "events",
    "CREATE TABLE theirs (id integer); CREATE INDEX videos_due ON theirs (id)": "videos_due",
    "CREATE TABLE video_stats_log_pkey (id integer)": "video_stats_log_pkey",
    "CREATE TABLE video_stats_log_default (id integer)": "video_stats_log_default",
    "CREATE TABLE atlas_schema_version (id integer)": "atlas_schema_version",
    f"{REVISIONS} ('theirs')": "atlas_schema_version",
    f"{REVISIONS} ('theirs'), ('0001')": "atlas_schema_version",
    "CREATE VIEW atlas_schema_version AS SELECT 1 AS one": "atlas_schema_version",
    "CREATE TYPE atlas_schema_version AS ENUM ('theirs')": "atlas_schema_version",
}


@pytest.mark.parametrize(("statement", "name"), CONFLICTS.items(), ids=CONFLICTS)
async def test_relations_of_others_with_the_same_names_are_named_and_left_alone(
    empty: asyncpg.Connection, statement: str, name: str
) -> None:
    await empty.execute(statement)
    before = await empty.fetch(THEIRS)
    with pytest.raises(ConfigError, match=rf"names that Atlas needs: .*{name}.*DATABASE_SCHEMA"):
        await migrate(Database())
    assert await empty.fetch(THEIRS) == before
    if name == "atlas_schema_version":
        assert (await inspect(empty)).schema is None
        with pytest.raises(SchemaError, match=r"has no Atlas schema\. Run `atlas migrate`"):
            await Database().open()


async def test_other_relations_do_not_matter_and_downgrade_takes_all_of_ours_away(empty: asyncpg.Connection) -> None:
    theirs = {"customers", "alembic_version"}
    await empty.execute('CREATE TABLE customers (id integer); CREATE VIEW "Videos" AS SELECT 1 AS one')
    await empty.execute("CREATE TABLE alembic_version AS SELECT 'prefect' AS version_num")
    await migrate(Database())
    assert await tables(empty) == TABLES | theirs
    await down("base")
    assert await tables(empty) == {"atlas_schema_version"} | theirs
    assert (await migrate(Database())).before is None
    assert await tables(empty) == TABLES | theirs
    assert await empty.fetchval("SELECT version_num FROM alembic_version") == "prefect"


SNAPSHOTS = "SELECT * FROM video_stats_log ORDER BY video_id, observed_at"


async def fill(connection: asyncpg.Connection) -> list[Any]:
    """Snapshots of the last 60 days."""
    await connection.execute(
        "INSERT INTO video_stats_log (video_id, observed_at, views, likes) "
        "SELECT 'v' || n, now() - make_interval(days => d, secs => n), n, nullif(d, 3) "
        "FROM generate_series(1, 50) AS n, generate_series(0, 60) AS d"
    )
    rows: list[Any] = await connection.fetch(SNAPSHOTS)
    return rows


async def test_snapshots_of_the_first_release_get_partitions_and_keep_their_readers(
    empty: asyncpg.Connection, stranger: str
) -> None:
    await first_release(empty)
    name = stranger.partition("://")[2].partition(":")[0]
    await empty.execute(f"GRANT SELECT, INSERT ON video_stats_log TO {name}")
    await empty.execute(f"GRANT UPDATE (views) ON video_stats_log TO {name}")
    before = await fill(empty)
    done = await migrate(Database(), try_timescaledb=False)
    assert (done.before, done.after, done.storage) == ("0001", SCHEMA_VERSION, Storage.PARTITIONED)
    assert await empty.fetch(SNAPSHOTS) == before
    assert await empty.fetchval("SELECT count(*) FROM ONLY video_stats_log_default") == 0
    async with closing(asyncpg.connect(stranger)) as other:
        await other.execute("INSERT INTO video_stats_log (video_id, observed_at) VALUES ('new', now())")
        assert len(await other.fetch(SNAPSHOTS)) == len(before) + 1
        assert await other.fetchval("SELECT has_column_privilege('video_stats_log', 'views', 'UPDATE')")
        assert not await other.fetchval("SELECT has_table_privilege('video_stats_log', 'DELETE')")


async def test_the_way_back_to_the_first_release_keeps_every_snapshot(empty: asyncpg.Connection) -> None:
    done = await migrate(Database())
    await empty.execute("GRANT SELECT, DELETE ON video_stats_log TO pg_monitor")  # a role that every server has
    before = await fill(empty)
    await down("0001")
    assert await empty.fetch(SNAPSHOTS) == before
    assert await empty.fetchval("SELECT has_table_privilege('pg_monitor', 'video_stats_log', 'DELETE')")
    assert not {table for table in await tables(empty) if table.startswith("video_stats_log_")}
    if done.storage is Storage.PARTITIONED:
        assert await empty.fetchval("SELECT relkind::text FROM pg_class WHERE relname = 'video_stats_log'") == "r"
    with pytest.raises(asyncpg.UniqueViolationError):
        await empty.execute("INSERT INTO video_stats_log SELECT * FROM video_stats_log LIMIT 1")
    again = await migrate(Database())
    assert (again.before, again.storage) == ("0001", done.storage)
    assert await empty.fetch(SNAPSHOTS) == before


async def test_an_agent_on_an_older_schema_or_none_says_what_to_run(empty: asyncpg.Connection) -> None:
    with pytest.raises(SchemaError, match=r"has no Atlas schema\. Run `atlas migrate`"):
        await Database().open()
    assert await tables(empty) == set()
    await migrate(Database())
    await empty.execute("UPDATE atlas_schema_version SET version_num = '0000'")
    older = rf"is 0000, older than this release's {SCHEMA_VERSION}\. Run `atlas migrate`"
    with pytest.raises(SchemaError, match=older):
        await Database().open()


async def test_an_older_schema_is_brought_up_to_date_where_that_only_adds(
    migrated: asyncpg.Connection, stranger: str, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "_LOCK_WAIT", "100ms")
    monkeypatch.setattr(migrating, "_PAUSE", 0.01)
    await down("0003")
    with settings.override(database_url=stranger):
        assert await expand(Database()) is None, "it is another owner's"
    async with closing(asyncpg.connect(empty_dsn)) as reader, reader.transaction():
        await reader.fetch("SELECT FROM search_queue")
        with pytest.raises(Contended, match=r"another transaction, such as .* has locked a table.*Nothing was changed"):
            await expand(Database())
    assert await version(migrated) == "0003"
    done = await expand(Database())
    assert done is not None
    assert (done.before, done.after) == ("0003", SCHEMA_VERSION)
    await down("0001")
    assert await expand(Database()) is None, "the second revision rebuilds a table"
    assert await version(migrated) == "0001"


async def test_who_cannot_migrate_learns_why(
    empty: asyncpg.Connection, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = pytest.raises(ConfigError, match=r"^DATABASE_URL: this user may not create tables\. Run `atlas migrate`")
    with settings.override(database_url=stranger), refused:
        await migrate(Database())
    monkeypatch.setattr(migrating, "_OLDEST_SERVER", 990_000)
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: the server is PostgreSQL \d+"):
        await migrate(Database())
    assert await tables(empty) == set()


async def test_invalid_rows_are_refused(db: Database) -> None:
    for statement in (
        "INSERT INTO videos (id, first_seen_at, zone) VALUES ('v', now(), 4)",
        "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('', 1, 'user', now())",
        "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('q', 1, 'nobody', now())",
        "INSERT INTO search_queue (query_term, priority, source, added_at, status) VALUES ('q', 1, 'tag', now(), 'x')",
    ):
        with pytest.raises(StatementFailed, match="check constraint"):
            await db.fetch(statement)
