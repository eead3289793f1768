"""`atlas roles`: what each role may do with a real database, and what not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import NAMES, migrate

from ..support.commands import Done, invoke, invoke_maia
from ..support.database_logins import ROLES, address
from ..support.databases import closing, execute, fresh_database, make_template
from ..support.documents import document, sections
from ..support.growth_rows import add_riser

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

VIEWS = ("video_velocity", "video_stats_hourly", "video_stats_daily")
TABLES = tuple({*NAMES} - {*VIEWS})
READ = {
    "search_queue", "videos", "channels", "video_stats_log", "api_calls", "runs", "events", "count_freezes",
    "video_growth", "breakouts", "growth_bands", "growth_levels", *VIEWS,
}  # fmt: skip
ALL_RIGHTS = {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}


def rights(role: str) -> dict[str, set[str]]:
    """What a role may do with each table and view, as it is documented."""
    views = {"SELECT", "DELETE"} if role == ROLES.janitor else {"SELECT"}
    found = {"atlas_schema_version": {"SELECT"}, **dict.fromkeys(VIEWS, views), "video_velocity": {"SELECT"}}
    if role == ROLES.reader:
        return found | {name: {"SELECT"} for name in READ}
    rows = {"SELECT", "INSERT", "UPDATE"} | ({"DELETE"} if role == ROLES.janitor else set())
    return found | dict.fromkeys(TABLES, rows)


async def rights_found(dsn: str, role: str, schema: str = "public") -> dict[str, set[str]]:
    """What a role may do with each table and view of the schema, but for the parts of the snapshots."""
    async with closing(asyncpg.connect(dsn)) as connection:
        rows = await connection.fetch(
            """
            SELECT relname, array_agg(privilege) FILTER (WHERE has_table_privilege($1::text, pg_class.oid, privilege))
            FROM pg_class, unnest($2::text[]) AS privilege
            WHERE relnamespace = $3::text::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
                AND relname !~ '^video_stats_log_' GROUP BY 1
            """,
            role,
            sorted(ALL_RIGHTS),
            schema,
        )
    return {name: set(found) for name, found in rows if found}


@pytest.fixture(params=["agent", "janitor", "reader"])
def role(request: pytest.FixtureRequest) -> str:
    """The name of each role on this server."""
    return str(getattr(ROLES, request.param))


async def test_a_role_has_the_documented_rights_and_no_other(dsn: str, role: str) -> None:
    assert await rights_found(dsn, role) == rights(role)


FORBIDDEN = (
    "DROP TABLE videos",
    "DROP TABLE video_stats_log",
    "DROP VIEW video_velocity",
    "DROP SCHEMA public CASCADE",
    "ALTER TABLE videos ADD COLUMN more text",
    "ALTER TABLE videos OWNER TO CURRENT_USER",
    "ALTER TABLE videos DISABLE TRIGGER ALL",
    "TRUNCATE videos",
    "TRUNCATE video_stats_log",
    "CREATE TABLE more (id text)",
    "CREATE INDEX ON videos (title)",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER t BEFORE UPDATE ON videos EXECUTE FUNCTION tsvector_update_trigger()",
    "CREATE SCHEMA more",
    "CREATE ROLE another",
    "UPDATE atlas_schema_version SET version_num = '9999'",
    "SELECT pg_read_file('/etc/hostname')",
    "COPY videos FROM PROGRAM 'true'",
)


async def test_no_role_may_change_what_the_rows_are_in(dsn: str, role: str) -> None:
    async with closing(asyncpg.connect(dsn)) as connection:
        owner = await connection.fetchval("SELECT current_user::text")
    await refused(address(dsn, role), *FORBIDDEN, f'SET ROLE "{owner}"')


async def refused(dsn: str, *statements: str) -> None:
    async with closing(asyncpg.connect(dsn)) as connection:
        for statement in statements:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
                pytest.fail(f"{urlsplit(dsn).username} may {statement}")


async def test_an_agent_deletes_nothing_and_a_reader_writes_nothing(dsn: str) -> None:
    deletes = [f"DELETE FROM {table}" for table in TABLES]
    await refused(address(dsn, ROLES.agent), *deletes)
    reader = address(dsn, ROLES.reader)
    await refused(reader, *deletes, *(f"INSERT INTO {table} DEFAULT VALUES" for table in TABLES))
    await refused(reader, *(f"SELECT * FROM {name}" for name in {*TABLES, *VIEWS} - READ))
    async with closing(asyncpg.connect(reader)) as connection:
        for name in READ:
            assert await connection.fetch(f"SELECT * FROM {name}") == []


async def test_rights_reach_the_parts_of_the_snapshots_that_come_later(dsn: str) -> None:
    """Rows of any time: in partitions that are there, in the default one, in chunks that are made by them."""
    async with (
        closing(asyncpg.connect(address(dsn, ROLES.agent))) as agent,
        closing(asyncpg.connect(address(dsn, ROLES.janitor))) as janitor,
        closing(asyncpg.connect(address(dsn, ROLES.reader))) as reader,
    ):
        await agent.execute(
            "INSERT INTO video_stats_log (video_id, observed_at, views)"
            " SELECT 'v', now() + week * interval '1 week', 1 FROM generate_series(-20, 20) AS week"
        )
        assert await reader.fetchval("SELECT count(*) FROM video_stats_log") == 41
        for view in VIEWS:
            await reader.fetch(f"SELECT * FROM {view}")
        await agent.execute("UPDATE video_stats_log SET views = 2")
        assert await janitor.execute("DELETE FROM video_stats_log") == "DELETE 41"


@pytest.fixture
async def names(server: str) -> AsyncIterator[dict[str, str]]:
    """Names of roles that this server has not, by option; they are dropped in the end."""
    names = {option: f"test {option} {uuid4().hex[:8]}" for option in ("agent", "janitor", "reader")}
    yield names
    await execute(server, *(f'DROP ROLE IF EXISTS "{name}"' for name in names.values()))


@pytest.fixture(scope="module")
def migrated(server: str) -> Iterator[str]:
    """A template in which no role has any right."""
    name = f"atlas_roles_{os.getpid()}"
    asyncio.run(make_template(server, name))
    yield name
    asyncio.run(execute(server, f"DROP DATABASE {name}"))


@pytest.fixture
async def unnamed(server: str, migrated: str, names: dict[str, str]) -> AsyncIterator[str]:
    """A database with the schema, on whose server those roles do not exist."""
    async with fresh_database(server, migrated) as dsn:
        yield dsn


async def there(dsn: str, names: dict[str, str]) -> list[str]:
    async with closing(asyncpg.connect(dsn)) as connection:
        rows = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)", list(names.values()))
    return [row["rolname"] for row in rows]


async def roles(dsn: str, names: dict[str, str], *arguments: str, **settings: str) -> Done:
    words = [word for option, name in names.items() for word in (f"--{option}", name)]
    return await invoke("roles", *arguments, *words, DATABASE_URL=dsn, **settings)


async def all_rights(dsn: str, names: dict[str, str], schema: str = "public") -> dict[str, dict[str, set[str]]]:
    return {option: await rights_found(dsn, name, schema) for option, name in names.items()}


DOCUMENTED = {option: rights(getattr(ROLES, option)) for option in ("agent", "janitor", "reader")}


async def test_it_creates_the_roles_once_and_restores_their_rights(names: dict[str, str], unnamed: str) -> None:
    done = await roles(unnamed, names)
    assert (done.code, done.stderr, done.out.count(" is new; it ")) == (0, "", 3)
    assert await all_rights(unnamed, names) == DOCUMENTED
    await execute(
        unnamed,
        f'GRANT DELETE, TRUNCATE ON videos TO "{names["agent"]}"',
        f'REVOKE SELECT ON videos FROM "{names["reader"]}"',
        f'GRANT CREATE ON SCHEMA public TO "{names["janitor"]}"',
    )
    done = await roles(unnamed, names)
    assert (done.code, done.stderr, done.out.count(" existed; it ")) == (0, "", 3)
    assert await all_rights(unnamed, names) == DOCUMENTED
    await execute(unnamed, "CREATE TABLE of_the_next_release (id text)")
    found = {o: found.get("of_the_next_release") for o, found in (await all_rights(unnamed, names)).items()}
    rows = {"SELECT", "INSERT", "UPDATE"}
    assert found == {"agent": rows, "janitor": rows | {"DELETE"}, "reader": None}


async def test_what_a_dry_run_prints_does_the_same(names: dict[str, str], unnamed: str) -> None:
    done = await roles(unnamed, names, "--dry-run")
    assert (done.code, "CREATE ROLE" in done.out) == (0, True)
    assert await there(unnamed, names) == []
    await execute(unnamed, done.out)
    assert await all_rights(unnamed, names) == DOCUMENTED
    assert "CREATE ROLE" not in (await roles(unnamed, names, "--dry-run")).out


@pytest.fixture
async def other(unnamed: str) -> AsyncIterator[str]:
    """A role that is none of Maia's, and can log in."""
    name = f"test other {uuid4().hex[:8]}"
    await execute(unnamed, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'unasked'")
    yield name
    # what it owns or has granted belongs to the owner of the database then, or is gone
    await execute(unnamed, f'REASSIGN OWNED BY "{name}" TO CURRENT_USER', f'DROP OWNED BY "{name}" CASCADE')
    await execute(unnamed, f'DROP ROLE "{name}"')


def address_of(dsn: str, login: str) -> str:
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{quote(login)}:unasked@{parts.netloc.rpartition('@')[2]}").geturl()


ATTRIBUTES = [
    'CREATE ROLE "{agent}" BYPASSRLS REPLICATION',
    'CREATE ROLE "{janitor}" CREATEROLE CREATEDB',
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
]
TO_PUBLIC = [
    "GRANT INSERT, DELETE, TRUNCATE ON videos TO PUBLIC",
    "GRANT REFERENCES, TRIGGER ON video_stats_log TO PUBLIC",
    "GRANT UPDATE (title) ON channels TO PUBLIC",
]
MEMBERSHIP = ['GRANT SELECT, UPDATE, DELETE ON videos TO "{other}"', 'GRANT "{other}" TO "{agent}"']
BY_ANOTHER = [
    'CREATE ROLE "{reader}"',
    'GRANT USAGE ON SCHEMA public TO "{other}"',
    'GRANT SELECT, DELETE ON videos TO "{other}" WITH GRANT OPTION',
    'SET ROLE "{other}"; GRANT SELECT, DELETE ON videos TO "{reader}"',
]
EXCESS = {
    "attributes": (
        ATTRIBUTES,
        [
            "agent: bypass row-level security", "agent: create in the schema", "agent: replicate the whole server",
            "janitor: create databases", "janitor: create in the schema", "janitor: create roles",
            "reader: create in the schema",
        ],
    ),
    "PUBLIC": (
        TO_PUBLIC,
        [
            "agent: DELETE, TRUNCATE on videos", "agent: REFERENCES, TRIGGER on video_stats_log",
            "janitor: REFERENCES, TRIGGER on video_stats_log", "janitor: TRUNCATE on videos",
            "reader: DELETE, INSERT, TRUNCATE on videos", "reader: REFERENCES, TRIGGER on video_stats_log",
            "reader: UPDATE on channels",
        ],
    ),
    "a member": (['CREATE ROLE "{agent}"', *MEMBERSHIP], ["agent: DELETE on videos"]),
    "a member who does not inherit": (['CREATE ROLE "{agent}" NOINHERIT', *MEMBERSHIP], ["agent: DELETE on videos"]),
    "by another's grant": (BY_ANOTHER, ["reader: DELETE on videos"]),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "excess"), EXCESS.values(), ids=EXCESS)
async def test_excess_rights_are_reported(
    names: dict[str, str], unnamed: str, other: str, statements: list[str], excess: list[str]
) -> None:
    await execute(unnamed, *(statement.format(other=other, **names) for statement in statements))
    done = await roles(unnamed, names)
    assert done.code == 0
    expected = [line.split(": ") for line in excess]
    assert done.stderr.splitlines() == [f"{names[role]} may do more than it needs: {may}" for role, may in expected]


async def test_rights_that_a_role_passed_on_are_revoked(names: dict[str, str], unnamed: str, other: str) -> None:
    agent = names["agent"]
    await execute(
        unnamed,
        f'CREATE ROLE "{agent}"',
        f'GRANT SELECT, DELETE ON videos TO "{agent}" WITH GRANT OPTION',
        f'GRANT USAGE, CREATE ON SCHEMA public TO "{agent}" WITH GRANT OPTION',
        f'SET ROLE "{agent}"; GRANT SELECT, DELETE ON videos TO "{other}"; GRANT CREATE ON SCHEMA public TO "{other}"',
    )
    assert await rights_found(unnamed, other) == {"videos": {"SELECT", "DELETE"}}
    done = await roles(unnamed, names)
    assert (done.code, done.stderr) == (0, "")
    assert await rights_found(unnamed, other) == {}
    assert await rights_found(unnamed, agent) == rights(ROLES.agent)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(address_of(unnamed, other), "CREATE TABLE more (id text)")


UNSAFE = {
    'ALTER TABLE videos OWNER TO "{}"': "is the owner of the tables or their schema",
    'ALTER SCHEMA public OWNER TO "{}"': "is the owner of the tables or their schema",
    'ALTER ROLE "{}" SUPERUSER': "is a superuser, whose rights cannot be limited",
    'GRANT "{}" TO CURRENT_USER': "has the owner of the tables as a member",
    'GRANT ALL ON videos TO "{}"': "is the user that DATABASE_URL names",
}


@pytest.mark.parametrize(("given", "why"), UNSAFE.items(), ids=UNSAFE)
async def test_a_role_that_has_to_keep_its_rights_is_refused(
    names: dict[str, str], unnamed: str, other: str, given: str, why: str
) -> None:
    await execute(unnamed, f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{other}"', given.format(other))
    before = await rights_found(unnamed, other)
    assert before["channels"] >= ALL_RIGHTS
    user = address_of(unnamed, other) if "DATABASE_URL" in why else unnamed
    for arguments in ([], ["--dry-run"]):
        done = await roles(user, names | {"janitor": other}, *arguments)
        assert (done.code, done.out) == (78, "")
        assert f"{other} {why}. Name others" in done.stderr
        assert done.stderr.count("\n") == 1
    assert await rights_found(unnamed, other) == before
    assert await there(unnamed, names) == []


async def test_an_owner_who_is_no_superuser_repeats_it_in_a_schema_of_its_own(
    names: dict[str, str], unnamed: str, other: str
) -> None:
    """Who makes a role is a member of it from PostgreSQL 16 on, which says nothing against the role."""
    database = urlsplit(unnamed).path.lstrip("/")
    await execute(
        unnamed,
        f'ALTER ROLE "{other}" CREATEROLE',
        f'GRANT CREATE ON DATABASE "{database}" TO "{other}"',
    )
    theirs = address_of(unnamed, other)
    with settings.override(database_url=theirs, database_schema="theirs"):
        await migrate(Database(), try_timescaledb=False)
    for what in ("is new", "existed"):
        done = await roles(theirs, names, DATABASE_SCHEMA="theirs")
        assert (done.code, done.stderr, done.out.count(f" {what}; it ")) == (0, "", 3)
    assert await all_rights(unnamed, names, "theirs") == DOCUMENTED
    assert await all_rights(unnamed, names) == {option: {} for option in names}


async def test_what_is_missing_is_named_with_what_to_do(names: dict[str, str], dsn: str, empty_dsn: str) -> None:
    user = address(dsn, ROLES.agent)  # who may not create roles
    done = await roles(user, names)
    assert (done.code, done.stderr.count("\n")) == (78, 1)
    assert "have an administrator run what `atlas roles --dry-run` prints" in done.stderr
    done = await roles(user, names, "--dry-run")
    assert (done.code, done.out.count("CREATE ROLE")) == (0, 3)  # it is the administrator who runs it
    assert await there(dsn, names) == []
    done = await roles(empty_dsn, names)
    assert (done.code, "Run `atlas migrate` first" in done.stderr) == (78, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--agent", ""], "a role needs a name"),
        (["--agent", "x" * 64], "at most 63 bytes"),
        (["--agent", "ä" * 32], "at most 63 bytes"),
        (["--reader", "pg_read_all_data"], "keeps for itself"),
        (["--reader", "public"], "keeps for itself"),
        (["--agent", "maia", "--reader", "maia"], "three roles need three names"),
    ],
)
async def test_invalid_names_are_a_usage_error(arguments: list[str], problem: str) -> None:
    done = await invoke("roles", *arguments, DATABASE_URL="postgresql://user@127.0.0.1:1/none")
    assert done.code == 2
    assert problem in " ".join(done.stderr.replace("│", " ").split())


async def test_a_reader_uses_the_commands_that_read(dsn: str) -> None:
    reader = address(dsn, ROLES.reader)
    tables = ("videos", "video_stats_log", "video_stats_daily")
    for command in (["status"], ["events"], *(["export", "--table", table] for table in tables)):
        done = await invoke(*command, DATABASE_URL=reader)
        assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("keys", "quota"),
    [("", "no key in YOUTUBE_API_KEY_POOL_JSON"), ('["one", "two", "three"]', "may not read about keys")],
)
async def test_a_reader_uses_maias_commands_that_read(
    db: Database, dsn: str, tmp_path: Path, keys: str, quota: str
) -> None:
    await add_riser(db, "some_video1", 0, 50)
    await QueueDAO().add(["Lofi"])
    run = uuid4()
    await db.fetch("INSERT INTO runs (id, agent, started_at) VALUES ($1, 'hunter', now())", run)
    said = {}
    for line in (
        "status", "status --json", "top", "runs", "runs last", "show some_video1", "show UCaaaaaaaaaaaaaaaaaaaaaa",
        "query fastest", "queue list", "queue list --by yield", f"report --output {tmp_path}/page.html",
    ):  # fmt: skip
        done = await invoke_maia(*line.split(), DATABASE_URL=address(dsn, ROLES.reader), YOUTUBE_API_KEY_POOL_JSON=keys)
        assert (line, done.code, done.stderr) == (line, 0, "")
        said[line] = " ".join(done.out.split())
    assert quota in said["status"]
    assert "may not read about keys" in said["queue list --by yield"]
    assert "some_video1" in (tmp_path / "page.html").read_text()


async def test_an_agents_login_is_created_as_the_document_says(dsn: str) -> None:
    (block,) = [
        block for section in sections(document("docs/databases.md")) for block in section.blocks
        if any("IN ROLE maia_agent" in line for line in block.lines)
    ]  # fmt: skip
    made, login = "\n".join(block.lines), f"test_login_{uuid4().hex[:8]}"
    assert "hunters" in made
    made = made.replace("hunters", login).replace("maia_agent", ROLES.agent)
    await execute(dsn, made)
    try:
        parts = urlsplit(dsn)
        given = parts._replace(netloc=f"{login}:unasked@{parts.netloc.rpartition('@')[2]}").geturl()
        assert login in given
        found = await rights_found(dsn, login)
        assert found == rights(ROLES.agent)
    finally:
        await execute(dsn, f"DROP ROLE {login}")
