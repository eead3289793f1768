"""`atlas roles`: what each role may do with a real database, and what not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import migrate

from ..support.commands import atlas
from ..support.database_logins import ROLES, address
from ..support.databases import closing, execute
from ..support.documents import document, sections

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

TABLES = (
    "search_queue", "videos", "channels", "video_stats_log", "api_keys", "key_suspensions", "api_calls", "runs",
    "events", "notifications", "count_freezes",
)  # fmt: skip
VIEWS = ("video_velocity", "video_stats_hourly", "video_stats_daily")
READ = {"search_queue", "videos", "channels", "video_stats_log", "api_calls", "runs", "events", "count_freezes", *VIEWS}
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
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            """
            SELECT relname, privilege FROM pg_class, unnest($2::text[]) AS privilege
            WHERE relnamespace = $3::text::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
                AND relname !~ '^video_stats_log_' AND has_table_privilege($1::text, pg_class.oid, privilege)
            """,
            role,
            sorted(ALL_RIGHTS),
            schema,
        )
    finally:
        await connection.close()
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["relname"], set()).add(row["privilege"])
    return found


@pytest.fixture(params=["agent", "janitor", "reader"])
def role(request: pytest.FixtureRequest) -> str:
    """The name of each role on this server."""
    return str(getattr(ROLES, request.param))


async def test_a_role_has_the_documented_rights_and_no_other(dsn: str, role: str) -> None:
    assert await rights_found(dsn, role) == rights(role)


async def test_every_table_is_in_the_lists(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
        )
    finally:
        await connection.close()
    there = {row["relname"] for row in rows if not row["relname"].startswith("video_stats_log_")}
    assert there == {*TABLES, *VIEWS, "atlas_schema_version"}


FORBIDDEN = {
    "drop": "DROP TABLE videos",
    "drop the snapshots": "DROP TABLE video_stats_log",
    "drop a view": "DROP VIEW video_velocity",
    "drop the schema": "DROP SCHEMA public CASCADE",
    "alter": "ALTER TABLE videos ADD COLUMN more text",
    "alter the owner": "ALTER TABLE videos OWNER TO CURRENT_USER",
    "disable triggers": "ALTER TABLE videos DISABLE TRIGGER ALL",
    "truncate": "TRUNCATE videos",
    "truncate the snapshots": "TRUNCATE video_stats_log",
    "create": "CREATE TABLE more (id text)",
    "create an index": "CREATE INDEX ON videos (title)",
    "create a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "create a trigger": "CREATE TRIGGER t BEFORE UPDATE ON videos EXECUTE FUNCTION tsvector_update_trigger()",
    "create a schema": "CREATE SCHEMA more",
    "create a role": "CREATE ROLE another",
    "write the revision": "UPDATE atlas_schema_version SET version_num = '9999'",
    "read files": "SELECT pg_read_file('/etc/hostname')",
    "run programs": "COPY videos FROM PROGRAM 'true'",
}


async def test_no_role_may_change_what_the_rows_are_in(dsn: str, role: str) -> None:
    async with closing(asyncpg.connect(dsn)) as connection:
        owner = await connection.fetchval("SELECT current_user::text")
    connection = await asyncpg.connect(address(dsn, role))
    try:
        for what, statement in (FORBIDDEN | {"become the owner": f'SET ROLE "{owner}"'}).items():
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
                pytest.fail(f"{role} may {what}")
    finally:
        await connection.close()


async def test_an_agent_deletes_nothing(dsn: str) -> None:
    connection = await asyncpg.connect(address(dsn, ROLES.agent))
    try:
        for table in TABLES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DELETE FROM {table}")
    finally:
        await connection.close()


async def test_a_reader_writes_nothing(dsn: str) -> None:
    connection = await asyncpg.connect(address(dsn, ROLES.reader))
    try:
        for table in TABLES:
            for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"DELETE FROM {table}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        for name in READ:
            assert await connection.fetch(f"SELECT * FROM {name}") == []
        for name in {*TABLES, *VIEWS} - READ:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {name}")
    finally:
        await connection.close()


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


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def names(server: str) -> AsyncIterator[dict[str, str]]:
    """Names of roles that this server has not, by option; they are dropped in the end."""
    names = {option: f"test {option} {uuid4().hex[:8]}" for option in ("agent", "janitor", "reader")}
    yield names
    await execute(server, *(f'DROP ROLE IF EXISTS "{name}"' for name in names.values()))


@pytest.fixture
async def unnamed(names: dict[str, str], empty_dsn: str) -> AsyncIterator[str]:
    """A database with the schema, on whose server those roles do not exist."""
    with settings.override(database_url=empty_dsn):
        await migrate(Database())
    yield empty_dsn
    await execute(empty_dsn, *(f'DROP OWNED BY "{name}"' for name in await there(empty_dsn, names)))


async def there(dsn: str, names: dict[str, str]) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)", list(names.values()))
    finally:
        await connection.close()
    return [row["rolname"] for row in rows]


def options(names: dict[str, str]) -> list[str]:
    return [word for option, name in names.items() for word in (f"--{option}", name)]


async def test_it_creates_the_roles_once_and_restores_their_rights(names: dict[str, str], unnamed: str) -> None:
    done = await atlas("roles", *options(names), DATABASE_URL=unnamed)
    assert (done.code, done.stderr) == (0, "")
    assert done.out.count(" is new; it ") == 3
    first = {option: await rights_found(unnamed, name) for option, name in names.items()}
    assert first == {option: rights(getattr(ROLES, option)) for option in names}
    await execute(
        unnamed,
        f'GRANT DELETE, TRUNCATE ON videos TO "{names["agent"]}"',
        f'REVOKE SELECT ON videos FROM "{names["reader"]}"',
        f'GRANT CREATE ON SCHEMA public TO "{names["janitor"]}"',
    )
    done = await atlas("roles", *options(names), DATABASE_URL=unnamed)
    assert (done.code, done.stderr) == (0, "")
    assert done.out.count(" existed; it ") == 3
    assert {option: await rights_found(unnamed, name) for option, name in names.items()} == first


async def test_what_a_dry_run_prints_does_the_same(names: dict[str, str], unnamed: str) -> None:
    done = await atlas("roles", "--dry-run", *options(names), DATABASE_URL=unnamed)
    assert done.code == 0
    assert await there(unnamed, names) == []
    await execute(unnamed, done.out)
    for option, name in names.items():
        assert await rights_found(unnamed, name) == rights(getattr(ROLES, option))
    again = await atlas("roles", "--dry-run", *options(names), DATABASE_URL=unnamed)
    assert "CREATE ROLE" in done.out
    assert "CREATE ROLE" not in again.out


async def test_tables_of_a_later_release_reach_agents_and_janitor(names: dict[str, str], unnamed: str) -> None:
    await atlas("roles", *options(names), DATABASE_URL=unnamed)
    await execute(unnamed, "CREATE TABLE of_the_next_release (id text)")
    found = {o: (await rights_found(unnamed, n)).get("of_the_next_release") for o, n in names.items()}
    rows = {"SELECT", "INSERT", "UPDATE"}
    assert found == {"agent": rows, "janitor": rows | {"DELETE"}, "reader": None}


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
    done = await atlas("roles", *options(names), DATABASE_URL=unnamed)
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
    done = await atlas("roles", *options(names), DATABASE_URL=unnamed)
    assert (done.code, done.stderr) == (0, "")
    assert await rights_found(unnamed, other) == {}
    assert await rights_found(unnamed, agent) == rights(ROLES.agent)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(address_of(unnamed, other), "CREATE TABLE more (id text)")


UNSAFE = {
    "the owner": ('ALTER TABLE videos OWNER TO "{}"', "is the owner of the tables or their schema"),
    "the owner of the schema": ('ALTER SCHEMA public OWNER TO "{}"', "is the owner of the tables or their schema"),
    "a superuser": ('ALTER ROLE "{}" SUPERUSER', "is a superuser, whose rights cannot be limited"),
    "who has the owner as a member": ('GRANT "{}" TO CURRENT_USER', "has the owner of the tables as a member"),
}


@pytest.mark.parametrize(("given", "why"), UNSAFE.values(), ids=UNSAFE)
async def test_a_role_that_has_to_keep_its_rights_is_refused(
    names: dict[str, str], unnamed: str, other: str, given: str, why: str
) -> None:
    await execute(unnamed, f'GRANT ALL ON videos, channels TO "{other}"', given.format(other))
    before = await rights_found(unnamed, other)
    assert before["channels"] >= ALL_RIGHTS
    for arguments in ([], ["--dry-run"]):
        done = await atlas("roles", *arguments, *options(names | {"janitor": other}), DATABASE_URL=unnamed)
        assert (done.code, done.out) == (78, "")
        assert f"{other} {why}. Name others" in done.stderr
        assert done.stderr.count("\n") == 1
    assert await rights_found(unnamed, other) == before
    assert await there(unnamed, names) == []


async def test_the_user_of_the_command_is_refused(names: dict[str, str], unnamed: str, other: str) -> None:
    await execute(unnamed, f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{other}"')
    before = await rights_found(unnamed, other)
    for arguments in ([], ["--dry-run"]):
        given = options(names | {"agent": other})
        done = await atlas("roles", *arguments, *given, DATABASE_URL=address_of(unnamed, other))
        assert (done.code, done.out) == (78, "")
        assert f"{other} is the user that DATABASE_URL names. Name others" in done.stderr
    assert await rights_found(unnamed, other) == before


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
        done = await atlas("roles", *options(names), DATABASE_URL=theirs, DATABASE_SCHEMA="theirs")
        assert (done.code, done.stderr) == (0, "")
        assert done.out.count(f" {what}; it ") == 3
    for option, name in names.items():
        assert await rights_found(unnamed, name, "theirs") == rights(getattr(ROLES, option))
        assert await rights_found(unnamed, name) == {}


async def test_a_user_who_may_not_create_roles_learns_what_to_do(names: dict[str, str], dsn: str) -> None:
    for arguments in ([], ["--dry-run"]):
        done = await atlas("roles", *arguments, *options(names), DATABASE_URL=address(dsn, ROLES.agent))
        if not arguments:
            assert done.code == 78
            assert "have an administrator run what `atlas roles --dry-run` prints" in done.stderr
            assert done.stderr.count("\n") == 1
        else:
            assert (done.code, done.out.count("CREATE ROLE")) == (0, 3)  # it is the administrator who runs it
    assert await there(dsn, names) == []


async def test_without_tables_it_says_so(names: dict[str, str], empty_dsn: str) -> None:
    done = await atlas("roles", *options(names), DATABASE_URL=empty_dsn)
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
    done = await atlas("roles", *arguments, DATABASE_URL="postgresql://user@127.0.0.1:1/none")
    assert done.code == 2
    assert problem in " ".join(done.stderr.replace("│", " ").split())


async def test_a_reader_uses_the_commands_that_read(dsn: str) -> None:
    reader = address(dsn, ROLES.reader)
    tables = ("videos", "video_stats_log", "video_stats_daily")
    for command in (["status"], ["events"], *(["export", "--table", table] for table in tables)):
        done = await atlas(*command, DATABASE_URL=reader)
        assert done.code == 0, done.stderr


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
