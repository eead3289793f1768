"""What the driver's errors mean. The only place that knows them: they leave it as Atlas's.

``translated`` is for all that is done with the database, ``making`` within it while a connection is made, when an
error can be the fault of the address: a ConfigError then, which nobody waits for, since trying again does not help.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from typing import TYPE_CHECKING

import asyncpg

from atlas.errors import ConfigError, Contended, DatabaseUnavailable, NoConnectionLeft, StatementFailed, scrub

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOST", "TlsRefused", "making", "no_connection_left", "refused_parameter", "translated"]


class TlsRefused(ConfigError):
    """TLS with the server does not come about as it is to be."""


LOST = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
# of a session's start: the server has no memory, no disk, or a broken one
_AILING = (asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError)
_MISCONFIGURED = (
    asyncpg.InvalidAuthorizationSpecificationError,  # also a wrong password
    asyncpg.InvalidCatalogNameError,
)
_PREPARED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)

# PgBouncer has one SQLSTATE for all that it says itself, "protocol violation", which is also a lost connection's class
_POOLER_REFUSES = re.compile(r"no such (user|database)|does not exist|authentication failed|auth failed|SSL required")
_TLS_WANTED = re.compile(r"no encryption|SSL off|insecure|(SSL|TLS)\b.* required")
# of servers and poolers, whatever SQLSTATE it comes with
_FULL = re.compile(r"too many (clients|connections)|max client|no more connections|connection slots", re.IGNORECASE)
# what somebody has to do where a statement is refused for no fault of its own
_NO_SPACE = "make space on the server's disk: later runs take up what could not be stored"
_SEE_LOG = "see the server's log"
_TIMED_OUT = (
    "another session holds what it needs (see pg_stat_activity), or the server's statement_timeout is too short for it"
)
# how a server that goes away in the middle of TLS's first words looks; anything else there is no accident
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors into Atlas's."""
    try:
        yield
    except _MISCONFIGURED as error:
        raise _refused(error) from None
    except ssl.SSLCertVerificationError as error:
        raise TlsRefused(_untrusted(error)) from None
    except LOST as error:
        raise _unavailable(error) from None
    except asyncpg.InterfaceError as error:
        # the driver says "closed" by this class too, and of a connection that was lost while a transaction held it that
        # it is "released back to the pool"; anything else of it is a fault of ours
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
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
        raise Contended(f"the database let another transaction go first: {_line(error)} ({error.sqlstate})") from error
    except asyncpg.PostgresError as error:
        said = f"the database refused a statement: {_line(error)} ({error.sqlstate})"
        raise StatementFailed("; ".join(filter(None, (said, _todo(error))))) from error


@contextlib.contextmanager
def making() -> Iterator[None]:
    """What an address can be blamed for. Shows nothing of it but what the server or TLS says."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise ConfigError(f"DATABASE_URL: {_line(error)}.{_trust_hint(error)}") from None
    except (ssl.SSLCertVerificationError, *_CUT_OFF):
        raise
    except ssl.SSLError as error:
        raise TlsRefused(
            f"DATABASE_URL: TLS with the server does not come about: {error.reason or _line(error)}. "
            "Check sslmode, the files that it names, and that the port is PostgreSQL's."
        ) from None
    except asyncpg.ProtocolViolationError as error:
        if (name := refused_parameter(error)) is not None:
            raise ConfigError(
                f"DATABASE_URL: the pooler that it leads to does not take the parameter {name}: leave it out."
            ) from None
        if _POOLER_REFUSES.search(str(error)):
            raise _refused(error) from None
        raise
    except ConnectionError as error:
        if "rejected SSL upgrade" in str(error):
            raise TlsRefused(
                "DATABASE_URL: the server has no TLS, which sslmode asks for. Turn it on there or, where the way to it "
                "is safe, write sslmode=prefer."
            ) from None
        raise
    except (*LOST, *_MISCONFIGURED):
        raise
    except asyncpg.PostgresError as error:
        ailing = isinstance(error, _AILING) or _FULL.search(str(error))
        raise (_unavailable(error) if ailing else _refused(error)) from None
    except (ValueError, LookupError, OverflowError):
        raise ConfigError(
            "DATABASE_URL cannot be read as an address. Write it like postgresql://user:password@host:5432/database; "
            "in user and password, / ? # @ : % are written as %2F %3F %23 %40 %3A %25."
        ) from None


def refused_parameter(error: BaseException) -> str | None:
    """The parameter of a session's start that a pooler does not take, if that is what an error says.

    Where sslmode leaves it open, the driver tries again without TLS: what it was told first is the cause then.
    """
    found = re.search(r"unsupported startup parameter(?: in options)?: (\w+)", f"{error} {error.__cause__}")
    return found and found[1]


def no_connection_left(error: BaseException) -> NoConnectionLeft | None:
    """What to raise where a server or a pooler says that it is full; None where it says something else."""
    line = _line(error)
    # a server's own SQLSTATE says so in whatever language the message is
    if not isinstance(error, asyncpg.TooManyConnectionsError) and not _FULL.search(line):
        return None
    return NoConnectionLeft(
        f"the database has no connection left: {line}. "
        "Lower DATABASE_POOL_SIZE or the number of shards, or use a pooler."
    )


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    if (full := no_connection_left(error)) is not None:
        return full
    line = _line(error)
    if isinstance(error, _AILING):
        return DatabaseUnavailable(f"the database takes no connection: {line}; {_todo(error) or _SEE_LOG}.")
    return DatabaseUnavailable(
        f"the database cannot be reached: {line}. Check that it runs and that DATABASE_URL names its host and port."
    )


def _todo(error: BaseException) -> str:
    if isinstance(error, asyncpg.DiskFullError):
        return _NO_SPACE
    if isinstance(error, asyncpg.QueryCanceledError) and "statement timeout" in str(error):
        return _TIMED_OUT
    return ""


def _refused(error: BaseException) -> ConfigError:
    first = error.__cause__  # what was said to the try with TLS, where sslmode leaves it open
    line = _line(first if isinstance(first, asyncpg.PostgresError) else error)
    todo = "Add sslmode=require to it." if _TLS_WANTED.search(line) else "Check user, password and database."
    return ConfigError(f"DATABASE_URL: the server refused it: {line}. {todo}")


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    said = f"DATABASE_URL: the server's certificate is not trusted: {scrub(error.verify_message).rstrip('.')}."
    if "match" in error.verify_message:
        return f"{said} Name the host as the certificate does, or do without that check (sslmode=verify-ca)."
    return (
        f"{said} Name the file of the authority that signed it: sslrootcert=FILE, "
        "or sslrootcert=system for those that this machine trusts."
    )


def _trust_hint(error: BaseException) -> str:
    if "root certificate" not in str(error):
        return ""
    return " Name the authority's file: sslrootcert=FILE, or sslrootcert=system for those that this machine trusts."


def _line(error: BaseException) -> str:
    return scrub(" ".join(str(error).split()) or type(error).__name__)
