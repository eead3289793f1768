"""`atlas migrate` where others live already: it works beside them, or says what is in its way and touches nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from atlas.config import settings as configured
from atlas.database import Database
from atlas.db.server_info import SCHEMA_VERSION, inspect
from atlas.errors import ConfigError, SchemaError
from atlas.schema import name_conflicts
from atlas.schema.migrate import migrate

pytestmark = pytest.mark.integration

T = TypeVar("T")

RELATIONS = {
    name for names in (name_conflicts.RELATIONS, name_conflicts.INDEXES) for group in names.values() for name in group
}
OURS = sorted(RELATIONS | {name_conflicts.VERSION_TABLE, "video_stats_log_mirror"})
THEIRS = [
    "customers",
    "videos_of_ours",
    "video",
    "Videos",
    "runs ",
    "données",
    "video_stats_log_2026",
    "alembic_version",
]

KINDS = {
    "table": "CREATE TABLE {name} (id integer PRIMARY KEY, note text); INSERT INTO {name} VALUES (1, 'theirs')",
    "alike": "CREATE TABLE {name} (video_id text, observed_at timestamptz, views bigint, job uuid, purpose text)",
    "versions": "CREATE TABLE {name} (version_num varchar(32)); INSERT INTO {name} VALUES ('theirs'), ('0001')",
    "version": "CREATE TABLE {name} (version_num varchar(32)); INSERT INTO {name} VALUES ('theirs')",
    "view": "CREATE VIEW {name} AS SELECT 'theirs'::text AS video_id FROM pg_class",
    "materialized": "CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS one",
    "sequence": "CREATE SEQUENCE {name}",
    "enum": "CREATE TYPE {name} AS ENUM ('theirs')",
    "domain": "CREATE DOMAIN {name} AS text CHECK (value <> '')",
    "composite": "CREATE TYPE {name} AS (one integer)",
    "function": "CREATE FUNCTION {name}() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "index": "CREATE TABLE {other} (id integer); CREATE INDEX {name} ON {other} (id)",
    "partitioned": "CREATE TABLE {name} (id integer) PARTITION BY RANGE (id)",
}

# what there is, as the catalog has it: names, definitions and, of tables, their rows
LOOK = """
    SELECT format('%s %s %s', relkind, relname, (
        SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0
    )), pg_class.oid, CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(pg_class.oid) END
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'type ' || typname, oid, NULL FROM pg_type WHERE typnamespace = 'public'::regnamespace
    UNION ALL SELECT 'function ' || proname, oid, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
ROWS = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"


class Server:
    """One database, emptied for each example; its own event loop, since examples are no coroutines."""

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        self.eyes: asyncpg.Connection = self.run(asyncpg.connect(dsn))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self.eyes.close())
        self._runner.close()

    async def _empty(self) -> None:
        await self.eyes.execute("SET client_min_messages = error; DROP EXTENSION IF EXISTS timescaledb CASCADE")
        await self.eyes.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    async def _fill(self, things: dict[str, str]) -> None:
        for number, (name, kind) in enumerate(things.items()):
            await self.eyes.execute(KINDS[kind].format(name=f'"{name}"', other=f"other_{number}"))

    def fill(self, things: dict[str, str]) -> None:
        self.run(self._empty())
        self.run(self._fill(things))

    async def _look(self) -> tuple[set[tuple[Any, ...]], dict[str, list[Any]]]:
        things = {tuple(row) for row in await self.eyes.fetch(LOOK)}
        tables = [row[0] for row in await self.eyes.fetch(ROWS)]
        return things, {table: await self.eyes.fetch(f"SELECT * FROM {table}") for table in tables}

    def look(self) -> tuple[set[tuple[Any, ...]], dict[str, list[Any]]]:
        return self.run(self._look())


@pytest.fixture
def server_of_others(empty_dsn: str) -> Iterator[Server]:
    with configured.override(database_url=empty_dsn):
        server = Server(empty_dsn)
        yield server
        server.close()


things = st.dictionaries(
    st.sampled_from(OURS) | st.sampled_from(THEIRS), st.sampled_from(sorted(KINDS)), min_size=1, max_size=4
)
few = settings(
    max_examples=45, deadline=None, database=None, print_blob=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@few
@given(there=things)
@example(there={"video_velocity": "view"})
@example(there={"video_stats_log_replaced": "table"})
@example(there={"video_stats_log_moving": "alike"})
@example(there={"video_stats_log_pkey": "index"})
@example(there={"video_stats_log_pkey": "table"})
@example(there={"atlas_schema_version": "version"})
@example(there={"atlas_schema_version": "versions"})
@example(there={"atlas_schema_version": "view"})
@example(there={"atlas_schema_version": "enum"})
@example(there={"atlas_schema_version": "domain"})
@example(there={"video_stats_log_mirror": "function"})
@example(there={"videos": "enum"})
def test_nothing_of_others_is_changed_and_what_stands_in_the_way_is_named(
    server_of_others: Server, there: dict[str, str]
) -> None:
    """Seen to catch: names, or the types among them, that are not looked for; one name left out of the list; a table of
    revisions that is taken for Atlas's whatever its columns are, or whatever it holds.
    """
    server_of_others.fill(there)
    before, rows = server_of_others.look()
    try:
        done = server_of_others.run(migrate(Database(), try_timescaledb=False))
    except ConfigError as error:
        assert error.exit_code == 78
        assert "DATABASE_SCHEMA" in str(error)
        assert [name for name in there if name in OURS and name in str(error)], str(error)
        assert server_of_others.look() == (before, rows), "a migration that is refused has changed something"
    else:
        # what is in nobody's way stays, beside the schema of this release
        assert (done.before, done.after) == (None, SCHEMA_VERSION)
        after, rows_after = server_of_others.look()
        assert before <= after
        assert {table: rows_after[table] for table in rows} == rows
        in_the_way = [name for name, kind in there.items() if name in RELATIONS and kind in {"table", "view", "index"}]
        assert not in_the_way
        assert there.get("video_stats_log_mirror") != "function", "a later conversion would drop it"


@settings(few, max_examples=15)
@given(there=things)
@example(there={"atlas_schema_version": "table"})
@example(there={"atlas_schema_version": "view"})
@example(there={"atlas_schema_version": "version"})
@example(there={"atlas_schema_version": "composite"})
@example(there={"atlas_schema_version": "enum"})
def test_a_look_at_others_tables_takes_them_for_no_schema_of_atlas(
    server_of_others: Server, there: dict[str, str]
) -> None:
    """Seen to catch: a status that ends in the server's error, where the table of revisions is another's."""
    server_of_others.fill(there)
    found = server_of_others.run(inspect(server_of_others.eyes))
    assert found.schema is None
    with pytest.raises(SchemaError, match=r"has no Atlas schema\. Run `atlas migrate`"):
        server_of_others.run(Database().open())


def test_the_names_that_are_looked_for_are_all_that_a_migration_makes(server_of_others: Server) -> None:
    """Seen to catch: a table that a revision makes and that nobody looks for."""
    server_of_others.fill({})
    server_of_others.run(migrate(Database(), try_timescaledb=False))
    made = server_of_others.run(
        server_of_others.eyes.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND NOT relispartition"
        )
    )
    by_the_server = {
        f"{name}_{what}" for names in name_conflicts.RELATIONS.values() for name in names for what in ("pkey",)
    }
    by_the_server |= {"search_queue_query_term_key", "atlas_schema_version_pkc"}
    assert {row["relname"] for row in made} - by_the_server <= set(OURS)
