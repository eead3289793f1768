"""What errors mean that only managed hosts give: those of their own documentation, whose servers no test has."""

from __future__ import annotations

import asyncpg
import pytest

from atlas.db.errors import map_address_errors, map_driver_errors, no_connection_left
from atlas.db.queries import sql
from atlas.errors import (
    AtlasError,
    ConfigError,
    DatabaseUnavailable,
    MissingRight,
    NoConnectionLeft,
    ReadOnly,
    StatementFailed,
)

Internal, Violation = asyncpg.InternalServerError, asyncpg.ProtocolViolationError
Unauthorized = asyncpg.InvalidAuthorizationSpecificationError


@pytest.mark.parametrize(
    ("error", "becomes", "says"),
    [
        # Supavisor
        (Internal("MaxClientsInSessionMode: max clients reached - in"), NoConnectionLeft, "Lower DATABASE_POOL_SIZE"),
        (Internal("Max client connections reached"), NoConnectionLeft, "no connection left"),
        (Internal("Tenant or user not found"), ConfigError, "Tenant or user not found"),
        (Internal("SSL connection is required"), ConfigError, "Add sslmode=require"),
        # Neon
        (asyncpg.PostgresError("connection is insecure (try `sslmode=require`)"), ConfigError, "Add sslmode=require"),
        # servers
        (asyncpg.TooManyConnectionsError("remaining connection slots"), NoConnectionLeft, "Lower DATABASE_POOL_SIZE"),
        (asyncpg.DiskFullError("could not write init file: No space left"), DatabaseUnavailable, "make space"),
        (asyncpg.OutOfMemoryError("out of memory"), DatabaseUnavailable, "see the server's log"),
        (asyncpg.CannotConnectNowError("the database system is starting up"), DatabaseUnavailable, "starting up"),
        (Unauthorized('no pg_hba.conf entry for "192.0.2.1", no encryption'), ConfigError, "Add sslmode=require"),
        (Unauthorized('no pg_hba.conf entry for "192.0.2.1", SSL encryption'), ConfigError, "Check user, password and"),
        (
            ConnectionError('PostgreSQL server at "h:80" rejected SSL upgrade'),
            ConfigError,
            "no TLS, which sslmode asks for, or the port is not PostgreSQL's. ",
        ),
        (
            asyncpg.InsufficientPrivilegeError('permission denied for database "maia"'),
            ConfigError,
            'permission denied for database "maia". As the owner of the database, run GRANT CONNECT ON DATABASE "maia"',
        ),
        # PgBouncer, whose own words are all of one SQLSTATE
        (Violation("query_wait_timeout"), DatabaseUnavailable, "query_wait_timeout"),
        (Violation("no such user"), ConfigError, "Check user, password and database"),
        (Violation("server login has been failing, try again later"), DatabaseUnavailable, "again"),
        (Violation("unsupported startup parameter in options: search_path"), ConfigError, "search_path: leave it out"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, Exception) else None,
)
def test_what_is_said_while_a_connection_is_made(error: Exception, becomes: type[AtlasError], says: str) -> None:
    with pytest.raises(becomes) as caught, map_driver_errors(), map_address_errors():
        raise error
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (asyncpg.DiskFullError("could not extend file: No space left on device"), "make space on the server's disk"),
        (asyncpg.QueryCanceledError("canceling statement due to statement timeout"), "statement_timeout"),
    ],
)
def test_a_refused_statement_says_what_to_do_where_it_is_not_to_blame(error: Exception, says: str) -> None:
    with pytest.raises(StatementFailed, match=says), map_driver_errors():
        raise error


@pytest.mark.parametrize("message", ["tut mir leid, schon zu viele Verbindungen", "現在クライアント数が多すぎます"])
def test_a_server_is_full_in_any_language(message: str) -> None:
    error = asyncpg.TooManyConnectionsError(message)
    assert isinstance(no_connection_left(error), NoConnectionLeft)
    with pytest.raises(NoConnectionLeft, match="Lower DATABASE_POOL_SIZE"), map_driver_errors(), map_address_errors():
        raise error
    assert no_connection_left(asyncpg.CannotConnectNowError(message)) is None


DENIED = "permission denied for table {}"


@pytest.mark.parametrize(
    ("message", "statement", "says"),
    [
        (DENIED.format("runs"), "runs/start_run", "lacks INSERT on table runs: .* GRANT maia_agent TO"),
        (DENIED.format("events"), "runs/start_run", "lacks INSERT on table events"),
        (DENIED.format("runs"), "runs/finish_run", "lacks UPDATE on table runs"),
        (DENIED.format("search_queue"), "queue/remove_queries", "lacks UPDATE and DELETE on .* GRANT maia_janitor TO"),
        (DENIED.format("videos"), "hunter/known_videos", r"lacks SELECT on table videos: .* maia_reader \(to read"),
        (
            DENIED.format("api_keys"),
            "quota/key_projects",
            "lacks SELECT on table api_keys: .* GRANT maia_agent TO",
        ),
        (DENIED.format("videos"), "", "lacks a right: permission denied for table videos"),
        ("permission denied for schema public", "runs/start_run", "lacks a right: permission denied for schema public"),
        ("keine Berechtigung für Tabelle runs", "runs/start_run", "lacks a right: keine Berechtigung"),
        ("must be owner of table videos", "", "must be owner of table videos. Run it as the owner"),
    ],
)
def test_a_missing_right_is_named_with_the_role_that_has_it(message: str, statement: str, says: str) -> None:
    with pytest.raises(MissingRight, match=says), map_driver_errors(statement=sql(statement) if statement else ""):
        raise asyncpg.InsufficientPrivilegeError(message)


@pytest.mark.parametrize(
    ("error", "becomes", "code"),
    [
        (asyncpg.InsufficientPrivilegeError(DENIED.format("runs")), MissingRight, 78),
        (asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"), ReadOnly, 69),
        (asyncpg.AdminShutdownError("terminating connection due to administrator command"), DatabaseUnavailable, 69),
        (asyncpg.CannotConnectNowError("the database system is in recovery mode"), DatabaseUnavailable, 69),
        (asyncpg.DatabaseDroppedError("terminating connection because database was dropped"), DatabaseUnavailable, 69),
        (asyncpg.IdleSessionTimeoutError("terminating connection due to idle-session"), DatabaseUnavailable, 69),
        (asyncpg.InvalidCatalogNameError('database "maia" does not exist'), ConfigError, 78),
        (asyncpg.InvalidPasswordError('password authentication failed for user "maia"'), ConfigError, 78),
        (asyncpg.UndefinedTableError('relation "runs" does not exist'), StatementFailed, 1),
        (asyncpg.DiskFullError("could not extend file"), StatementFailed, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_class_of_failure_has_its_code(error: Exception, becomes: type[AtlasError], code: int) -> None:
    with pytest.raises(becomes) as caught, map_driver_errors():
        raise error
    assert type(caught.value).exit_code == code


def test_a_server_that_cannot_be_reached_is_named() -> None:
    for error, said in ((OSError("Name or service not known"), "Name or"), (TimeoutError(), "no answer in time")):
        with pytest.raises(DatabaseUnavailable) as caught, map_driver_errors("db.example:6543"):
            raise error
        assert str(caught.value).startswith(f"the database at db.example:6543 cannot be reached: {said}")
