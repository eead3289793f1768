"""Migrations on a real PostgreSQL: from nothing, by many at once, back, and beside relations of others."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import SCHEMA_VERSION, Storage, inspect
from atlas.errors import ConfigError, Contended, SchemaError
from atlas.schema import migrate as migrating
from atlas.schema.migrate import NAMES, expand, migrate
from atlas.snapshots.ddl import SCHEMA_LOCK

from ..support.child_processes import finished
from ..support.earlier_schema import alembic, down
from ..support.snapshot_rows import first_release

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database without the schema, which DATABASE_URL names."""
    with settings.override(database_url=empty_dsn):
        connection = await asyncpg.connect(empty_dsn)
        try:
            yield connection
        finally:
            await connection.close()


async def tables(connection: asyncpg.Connection) -> set[str]:
    """The tables, without the partitions of one."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    return {row["relname"] for row in rows}


TABLES = {
    "search_queue", "videos", "channels", "video_stats_log", "events", "runs", "api_keys", "api_calls",
    "key_suspensions", "notifications", "count_freezes", "atlas_schema_version",
}  # fmt: skip


def test_the_version_that_agents_ask_for_is_the_newest_revision() -> None:
    scripts = ScriptDirectory.from_config(alembic())
    assert scripts.get_heads() == [SCHEMA_VERSION]
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True), "agents compare versions as texts"
    silent = [script.revision for script in scripts.walk_revisions() if not hasattr(script.module, "expands")]
    assert silent == ["0002", "0001"], "a newer revision says whether it only adds: a plan asks for that"


async def test_from_an_empty_database(empty: asyncpg.Connection) -> None:
    done = await migrate(Database())
    assert (done.before, done.after) == (None, SCHEMA_VERSION)
    assert await tables(empty) == TABLES
    async with Database().session() as db:
        assert await db.fetch("SELECT * FROM videos") == []


async def test_a_second_time_changes_nothing(empty: asyncpg.Connection) -> None:
    await migrate(Database())
    await empty.execute("INSERT INTO channels (id, first_seen_at, updated_at) VALUES ('c', now(), now())")
    done = await migrate(Database())
    assert (done.before, done.after) == (SCHEMA_VERSION, SCHEMA_VERSION)
    assert await empty.fetchval("SELECT count(*) FROM channels") == 1


async def test_many_processes_at_once(empty: asyncpg.Connection, empty_dsn: str) -> None:
    code = (
        "import asyncio; from atlas.database import Database; from atlas.schema.migrate import migrate;"
        "print(asyncio.run(migrate(Database())).before)"
    )
    environment = {**os.environ, "DATABASE_URL": empty_dsn}
    ended = await asyncio.gather(*(finished(sys.executable, "-c", code, env=environment) for _ in range(6)))
    assert [(code, err) for code, _, err in ended] == [(0, b"")] * 6
    assert sorted(out.decode().strip() for _, out, _ in ended) == [SCHEMA_VERSION] * 5 + ["None"]
    assert await tables(empty) == TABLES


async def test_a_migration_waits_for_the_one_that_holds_the_lock(empty: asyncpg.Connection) -> None:
    transaction = empty.transaction()
    await transaction.start()
    await empty.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
    waiting = asyncio.create_task(migrate(Database()))
    try:
        async with asyncio.timeout(30):
            while not await empty.fetchval("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                assert not waiting.done()
                await asyncio.sleep(0.01)
        assert await tables(empty) == set()
    finally:
        await transaction.rollback()
    assert (await waiting).before is None
    assert await tables(empty) == TABLES
    assert not await empty.fetchval(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


def test_the_names_that_are_looked_for_are_all_that_a_migration_creates() -> None:
    assert {*NAMES, "atlas_schema_version"} == TABLES | {"video_velocity", "video_stats_hourly", "video_stats_daily"}


THEIRS = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
CONFLICTS = {
    "table": ("CREATE TABLE videos (theirs text)", "videos"),
    "view": ("CREATE VIEW video_velocity AS SELECT 'theirs' AS video_id", "video_velocity"),
    "materialized view": ("CREATE MATERIALIZED VIEW video_stats_daily AS SELECT 1 AS one", "video_stats_daily"),
    "sequence": ("CREATE SEQUENCE runs", "runs"),
    "a type": ("CREATE TYPE events AS ENUM ('theirs')", "events"),
    "an index": ("CREATE TABLE theirs (id integer); CREATE INDEX videos_due ON theirs (id)", "videos_due"),
    "the key of the snapshots": ("CREATE TABLE video_stats_log_pkey (id integer)", "video_stats_log_pkey"),
    "the default partition": ("CREATE TABLE video_stats_log_default (id integer)", "video_stats_log_default"),
    "revisions of others": ("CREATE TABLE atlas_schema_version (id integer)", "atlas_schema_version"),
    "a revision of others": (
        "CREATE TABLE atlas_schema_version (version_num varchar(32));"
        " INSERT INTO atlas_schema_version VALUES ('theirs')",
        "atlas_schema_version",
    ),
    "several revisions": (
        "CREATE TABLE atlas_schema_version (version_num varchar(32));"
        " INSERT INTO atlas_schema_version VALUES ('theirs'), ('0001')",
        "atlas_schema_version",
    ),
    "a view of revisions": ("CREATE VIEW atlas_schema_version AS SELECT 1 AS one", "atlas_schema_version"),
    "a type of revisions": ("CREATE TYPE atlas_schema_version AS ENUM ('theirs')", "atlas_schema_version"),
}


@pytest.mark.parametrize(("statement", "name"), CONFLICTS.values(), ids=CONFLICTS)
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


async def test_other_relations_do_not_matter(empty: asyncpg.Connection) -> None:
    await empty.execute('CREATE TABLE customers (id integer); CREATE VIEW "Videos" AS SELECT 1 AS one')
    await migrate(Database())
    assert await tables(empty) == TABLES | {"customers"}


async def test_downgrade_takes_everything_away_and_the_way_up_is_open_again(empty: asyncpg.Connection) -> None:
    await migrate(Database())
    await down("base")
    assert await tables(empty) == {"atlas_schema_version"}
    assert (await migrate(Database())).before is None
    assert await tables(empty) == TABLES


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
    other = await asyncpg.connect(stranger)
    try:
        await other.execute("INSERT INTO video_stats_log (video_id, observed_at) VALUES ('new', now())")
        assert len(await other.fetch(SNAPSHOTS)) == len(before) + 1
        assert await other.fetchval("SELECT has_column_privilege('video_stats_log', 'views', 'UPDATE')")
        assert not await other.fetchval("SELECT has_table_privilege('video_stats_log', 'DELETE')")
    finally:
        await other.close()


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


async def test_an_agent_on_a_database_without_the_schema_says_what_to_run(empty: asyncpg.Connection) -> None:
    with pytest.raises(SchemaError, match=r"has no Atlas schema\. Run `atlas migrate`"):
        await Database().open()
    assert await tables(empty) == set()


async def test_an_agent_on_an_older_schema_names_both_versions(empty: asyncpg.Connection) -> None:
    await migrate(Database())
    await empty.execute("UPDATE atlas_schema_version SET version_num = '0000'")
    with pytest.raises(
        SchemaError, match=rf"is 0000, older than this release's {SCHEMA_VERSION}\. Run `atlas migrate`"
    ):
        await Database().open()


async def test_an_older_schema_is_brought_up_to_date_where_that_only_adds(empty: asyncpg.Connection) -> None:
    await migrate(Database())
    await down("0002")
    done = await expand(Database())
    assert done is not None
    assert (done.before, done.after) == ("0002", SCHEMA_VERSION)
    await down("0001")
    assert await expand(Database()) is None, "the second revision rebuilds a table"
    assert await empty.fetchval("SELECT version_num FROM atlas_schema_version") == "0001"


async def test_an_expansion_gives_up_where_a_reader_keeps_a_table(
    empty: asyncpg.Connection, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas.schema.migrate._LOCK_WAIT", "100ms")
    monkeypatch.setattr("atlas.schema.migrate._PAUSE", 0.01)
    await migrate(Database())
    await down("0003")
    reader = await asyncpg.connect(empty_dsn)
    try:
        async with reader.transaction():
            await reader.fetch("SELECT FROM search_queue")
            with pytest.raises(Contended, match=r"another transaction holds a table.*Nothing was changed"):
                await expand(Database())
            assert await empty.fetchval("SELECT version_num FROM atlas_schema_version") == "0003"
        done = await expand(Database())
        assert done is not None
        assert done.after == SCHEMA_VERSION
    finally:
        await reader.close()


async def test_an_older_schema_of_another_owner_is_left_as_it_is(empty: asyncpg.Connection, stranger: str) -> None:
    await migrate(Database())
    await down("0003")
    with settings.override(database_url=stranger):
        assert await expand(Database()) is None
    assert await empty.fetchval("SELECT version_num FROM atlas_schema_version") == "0003"


async def test_the_table_of_another_alembic_stays(empty: asyncpg.Connection) -> None:
    await empty.execute(
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('prefect')"
    )
    await migrate(Database())
    assert await empty.fetchval("SELECT version_num FROM alembic_version") == "prefect"


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


async def test_a_user_who_may_not_create_tables_learns_what_to_do(empty: asyncpg.Connection, stranger: str) -> None:
    refused = pytest.raises(ConfigError, match=r"^DATABASE_URL: this user may not create tables\. Run `atlas migrate`")
    with settings.override(database_url=stranger), refused:
        await migrate(Database())
    assert await tables(empty) == set()


async def test_a_server_that_is_too_old_is_refused(empty: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "_OLDEST_SERVER", 990_000)
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: the server is PostgreSQL \d+"):
        await migrate(Database())
    assert await tables(empty) == set()


async def test_invalid_rows_are_refused(db: Database) -> None:
    refused = [
        "INSERT INTO videos (id, first_seen_at, zone) VALUES ('v', now(), 4)",
        "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('', 1, 'user', now())",
        "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('q', 1, 'nobody', now())",
        "INSERT INTO search_queue (query_term, priority, source, added_at, status) VALUES ('q', 1, 'tag', now(), 'x')",
    ]
    for statement in refused:
        with pytest.raises(Exception, match="check constraint"):
            await db.fetch(statement)


async def test_counts_are_bigint_and_times_are_timestamptz(db: Database) -> None:
    rows = await db.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    )
    types = {(row["table_name"], row["column_name"]): row["data_type"] for row in rows}
    for name in ("views", "likes", "comments"):
        assert types["video_stats_log", name] == "bigint"
    assert types["videos", "tags"] == "ARRAY"
    assert not [column for column, kind in types.items() if kind == "timestamp without time zone"]
    for column in ("published_at", "last_updated_at", "due_at", "enriched_at", "archived_at"):
        assert types["videos", column] == "timestamp with time zone"
