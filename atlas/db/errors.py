"""Map the driver's errors to Atlas's errors.

``map_driver_errors`` wraps every use of the database. Inside it, ``map_address_errors`` wraps the making of
a connection, where the address can be the cause: that error is a ConfigError, which is not retried.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from typing import TYPE_CHECKING

import asyncpg

from atlas.containers import network_advice
from atlas.errors import (
    ConfigError,
    Contended,
    DatabaseUnavailable,
    MissingRight,
    NoConnectionLeft,
    ReadOnly,
    StatementFailed,
)
from atlas.redaction import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator


class TlsRefused(ConfigError):
    """TLS with the server cannot be set up as DATABASE_URL asks for it."""


LOST = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DatabaseDroppedError,  # a new connection reports that it does not exist
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
)
# at the start of a session: the server has no memory, no disk, or a broken one
_SERVER_TROUBLE = (asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError)
_MISCONFIGURED = (
    asyncpg.InvalidAuthorizationSpecificationError,  # also a wrong password
    asyncpg.InvalidCatalogNameError,
)
_PREPARED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)

# PgBouncer reports everything by one SQLSTATE, "protocol violation", whose class is that of a lost connection
_POOLER_REFUSES = re.compile(r"no such (user|database)|does not exist|authentication failed|auth failed|SSL required")
_TLS_WANTED = re.compile(r"no encryption|SSL off|insecure|(SSL|TLS)\b.* required")
# of servers and poolers, with any SQLSTATE
_FULL = re.compile(r"too many (clients|connections)|max client|no more connections|connection slots", re.IGNORECASE)
# what to do if a statement was refused for an external reason
_NO_SPACE = "make space on the server's disk: later runs take up what could not be stored"
_SEE_LOG = "see the server's log"
_TIMED_OUT = "another session blocks it (see pg_stat_activity), or the server's statement_timeout is too short for it"
# a server that goes away during the TLS handshake; any other TLS error is no accident
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


@contextlib.contextmanager
def map_driver_errors(place: str = "", *, statement: str = "") -> Iterator[None]:
    """Turn the driver's errors into Atlas's, whose messages name the server's host and port (``place``).

    A message about a missing right names the right that the ``statement`` needs.
    """
    try:
        yield
    except _MISCONFIGURED as error:
        raise _refused(error) from None
    except ssl.SSLCertVerificationError as error:
        raise TlsRefused(_untrusted(error)) from None
    except LOST as error:
        raise _unavailable(error, place) from None
    except asyncpg.InterfaceError as error:
        # the driver raises this for a closed connection too; anything else is a bug
        if "clos" not in str(error) and "released back to the pool" not in str(error):
            raise
        raise DatabaseUnavailable(f"the connection to the database was lost: {_line(error)}.") from None
    except asyncpg.InternalClientError as error:
        # seen where a server dies while a connection to it is made
        raise DatabaseUnavailable(f"the connection to the database broke: {_line(error)}.") from None
    except _PREPARED:
        raise ConfigError(
            "DATABASE_URL leads to a pooler in transaction mode, where prepared statements get lost: add "
            "pgbouncer=true to its parameters, as in postgresql://user:password@host:6543/database?pgbouncer=true."
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise _not_allowed(error, statement) from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise read_only(f"{_line(error)} ({error.sqlstate})") from error
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
        raise Contended(
            f"transaction aborted by PostgreSQL (deadlock or serialization failure): {_line(error)} ({error.sqlstate})"
        ) from error
    except asyncpg.PostgresError as error:
        said = f"the database refused a statement: {_line(error)} ({error.sqlstate})"
        raise StatementFailed("; ".join(filter(None, (said, _todo(error))))) from error


@contextlib.contextmanager
def map_address_errors() -> Iterator[None]:
    """Map errors that DATABASE_URL can cause to ConfigError, which shows no part of the address."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        hint = " Name the authority's file: sslrootcert=FILE, or sslrootcert=system for those that this machine trusts."
        missing = "root certificate" in str(error)
        raise ConfigError(f"DATABASE_URL: {_line(error)}.{hint * missing}") from None
    except (ssl.SSLCertVerificationError, *_CUT_OFF):
        raise
    except ssl.SSLError as error:
        raise TlsRefused(
            f"DATABASE_URL: TLS with the server cannot be set up: {error.reason or _line(error)}. "
            "Check sslmode, the files that it names, and that the port is PostgreSQL's."
        ) from None
    except asyncpg.ProtocolViolationError as error:
        if (name := refused_parameter(error)) is not None:
            raise ConfigError(f"DATABASE_URL: its pooler does not accept the parameter {name}: leave it out.") from None
        if _POOLER_REFUSES.search(str(error)):
            raise _refused(error) from None
        raise
    except ConnectionError as error:
        if "rejected SSL upgrade" in str(error):
            raise TlsRefused(
                "DATABASE_URL: the server has no TLS, which sslmode asks for, or the port is not PostgreSQL's. Turn "
                "TLS on there or, where the network to it is safe, write sslmode=prefer."
            ) from None
        raise
    except (*LOST, *_MISCONFIGURED):
        raise
    except asyncpg.PostgresError as error:
        trouble = isinstance(error, _SERVER_TROUBLE) or _FULL.search(str(error))
        raise (_unavailable(error) if trouble else _refused(error)) from None
    except (ValueError, LookupError, OverflowError):
        raise ConfigError(
            "DATABASE_URL cannot be read as an address. Write it like postgresql://user:password@host:5432/database; "
            "in user and password, / ? # @ : % are written as %2F %3F %23 %40 %3A %25."
        ) from None


def refused_parameter(error: BaseException) -> str | None:
    """Return the startup parameter that a pooler does not accept, if the error names one.

    If sslmode allows both, the driver tries again without TLS: then the first answer is the cause of the error.
    """
    found = re.search(r"unsupported startup parameter(?: in options)?: (\w+)", f"{error} {error.__cause__}")
    return found and found[1]


def no_connection_left(error: BaseException) -> NoConnectionLeft | None:
    """Return the error to raise if a server or a pooler has no connection left; None for any other error."""
    line = _line(error)
    # a server has an SQLSTATE for it; its message may be in any language
    if not isinstance(error, asyncpg.TooManyConnectionsError) and not _FULL.search(line):
        return None
    return NoConnectionLeft(
        f"the database has no connection left: {line}. "
        "Lower DATABASE_POOL_SIZE or the number of shards, or use a pooler."
    )


_TO_PRIMARY = "DATABASE_URL has to name the primary server"
_SETTING = (
    "default_transaction_read_only is on for the server, the database or the user; some hosts set it when the disk is "
    "full"
)


def read_only(said: str, *, standby: bool | None = None) -> ReadOnly:
    """Return the error for a database that accepts no writes; ``standby`` is None where it is not known."""
    if standby is None:
        cause = f"If its server is a standby, {_TO_PRIMARY}. Otherwise {_SETTING}."
    else:
        cause = f"Its server is a standby: {_TO_PRIMARY}." if standby else f"The setting {_SETTING}."
    return ReadOnly(f"the database is read-only: {said}. {cause}")


def describe_server(place: str) -> str:
    """Return the server's name in messages."""
    return f"the database at {place}" if place else "the database"


# the tables that maia_reader has no right on
_NOT_FOR_READERS = {"api_keys", "key_suspensions", "notifications"}
_DENIED = re.compile(r"permission denied for (?P<kind>\w+(?: view)?) (?P<name>\S+)")


def _not_allowed(error: BaseException, statement: str) -> MissingRight:
    """Return the error that names the missing right, from the table in the server's message and the statement."""
    line = _line(error)
    if "must be" in line:
        return MissingRight(f"DATABASE_URL: its user may not do this: {line}. Run it as the owner of the tables.")
    denied = _DENIED.search(line)
    rights = _rights(statement, denied["name"]) if denied and denied["kind"] in {"table", "view"} else []
    said = (
        f"lacks {' and '.join(rights)} on {denied['kind']} {denied['name']}" if denied and rights else "lacks a right"
    )
    if "DELETE" in rights:
        todo = "GRANT maia_janitor TO this user"
    elif rights == ["SELECT"] and denied and denied["name"] not in _NOT_FOR_READERS:
        todo = "GRANT maia_reader (to read only) or maia_agent TO this user"
    else:
        todo = "GRANT maia_agent TO this user (maia_janitor for a command that deletes)"
    return MissingRight(
        f"DATABASE_URL: its user {said}: {line}. As the owner of the tables, run `atlas roles`, then {todo}."
    )


def _rights(statement: str, table: str) -> list[str]:
    name = rf"(?:\"?\w+\"?\.)?\"?{re.escape(table)}\b"
    inserts = re.search(rf"\bINSERT INTO {name}", statement)
    updates = re.search(rf"\bUPDATE (?:ONLY )?{name}", statement) or (
        re.search(r"\bFOR (?:NO KEY )?UPDATE\b|\bFOR (?:KEY )?SHARE\b", statement)
        or (inserts and re.search(r"\bDO UPDATE\b", statement))
    )
    deletes = re.search(rf"\bDELETE FROM (?:ONLY )?{name}", statement)
    needed = {"INSERT": inserts, "UPDATE": updates, "DELETE": deletes}
    return [right for right, found in needed.items() if found] or (["SELECT"] if statement else [])


def _unavailable(error: BaseException, place: str = "") -> DatabaseUnavailable:
    if (full := no_connection_left(error)) is not None:
        return full
    line = _line(error)
    if isinstance(error, _SERVER_TROUBLE):
        return DatabaseUnavailable(f"the database accepts no connection: {line}; {_todo(error) or _SEE_LOG}.")
    return DatabaseUnavailable(
        f"{describe_server(place)} cannot be reached: {line}. "
        f"Check that it runs and that DATABASE_URL names its host and port.{network_advice(place)}"
    )


def _todo(error: BaseException) -> str:
    if isinstance(error, asyncpg.DiskFullError):
        return _NO_SPACE
    if isinstance(error, asyncpg.QueryCanceledError) and "statement timeout" in str(error):
        return _TIMED_OUT
    return ""


def _refused(error: BaseException) -> ConfigError:
    first = error.__cause__  # the answer to the attempt with TLS, if sslmode allows both
    line = _line(first if isinstance(first, asyncpg.PostgresError) else error)
    todo = "Add sslmode=require to it." if _TLS_WANTED.search(line) else "Check user, password and database."
    if isinstance(error, asyncpg.UndefinedObjectError):  # a startup parameter of the address
        todo = "Leave that parameter out of the address: it is not a setting of PostgreSQL."
    if isinstance(error, asyncpg.InsufficientPrivilegeError) and (denied := _DENIED.search(line)):
        todo = f"As the owner of the database, run GRANT CONNECT ON DATABASE {denied['name']} TO this user."
    return ConfigError(f"DATABASE_URL: the server refused it: {line}. {todo}")


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    said = f"DATABASE_URL: the server's certificate is not trusted: {scrub(error.verify_message).rstrip('.')}."
    if "match" in error.verify_message:
        return f"{said} Name the host as the certificate does, or leave that check out (sslmode=verify-ca)."
    return (
        f"{said} Name the file of the authority that signed it: sslrootcert=FILE, "
        "or sslrootcert=system for the authorities that this machine trusts."
    )


def _line(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return scrub(" ".join(str(error).split()) or type(error).__name__)
