"""The client's side: join the server of a folder, or start it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from atlas.db.embedded._binaries import Binaries
from atlas.db.embedded._folder import KEEPER, PORT, Folder
from atlas.db.embedded._lock import FileLock
from atlas.errors import ConfigError, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_POLL = 0.01  # seconds
_ANSWER = 5.0  # seconds within which a healthy server answers
_MAX_LAUNCHES = 5  # of keepers, in one start
_LOG_LIMIT = 1 << 20  # bytes; a longer log is moved aside before the next start
# The keeper and the server outlive their client and get only these variables: others may hold keys. COVERAGE_* measures
# the keeper in tests; LD_PRELOAD and FAKETIME* give the server the clock of a client under libfaketime.
_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD")
_ENVIRONMENT_PREFIXES = ("COVERAGE_", "FAKETIME")


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server, which stays up at least until ``leave`` or the end of this process; its DSN has no secret."""

    path: Path
    dsn: str
    version: str
    _registration: FileLock = field(repr=False)

    async def leave(self) -> None:
        """End the use of the server, which stops after its last client; a second call does nothing."""
        self._registration.release()


async def start(
    path: Path,
    *,
    chosen: bool = True,
    grace: float = 5.0,
    timeout: float = 60.0,  # noqa: ASYNC109 - a whole deadline, passed on as one
    silent: float = 30.0,
) -> EmbeddedServer:
    """Join the server of a folder, or start it. Any number of processes may do so at once.

    Unless the user has ``chosen`` the folder, a log line names it. A server that this call starts stops after ``grace``
    seconds without a client. The call takes at most ``timeout`` seconds, and waits ``silent`` seconds for the answer of
    a server that has started. Raises ConfigError if the ``embedded`` extra is missing or user or folder are unsuitable,
    and DatabaseUnavailable, with the last lines of the log, if the server does not start.
    """
    binaries = Binaries.find()
    folder = Folder(path)
    folder.create()
    if not chosen and folder.data_version() is None:
        logger.warning(
            "DATABASE_URL is not set: a new embedded PostgreSQL is created in %s. To use another database, set "
            "DATABASE_URL in the environment or in .env; for another folder, set ATLAS_EMBEDDED_PATH",
            folder.path,
        )
    elif not chosen:
        logger.info("DATABASE_URL is not set: the embedded PostgreSQL in %s is used", folder.path)
    deadline = time.monotonic() + timeout
    # Once this client is registered, no keeper stops the server.
    registration = FileLock(folder.clients_lock)
    await _acquire(registration, folder, deadline, shared=True)
    try:
        dsn, version = await _join(folder, deadline) or await _bring_up(folder, binaries, grace, deadline, silent)
    except BaseException:
        registration.release()
        raise
    return EmbeddedServer(folder.path, dsn, version, registration)


async def stop(path: Path, *, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - a whole deadline
    """Stop the server of a folder, even if it has clients, and wait until it is down.

    Raises DatabaseUnavailable where it still runs after ``timeout`` seconds.
    """
    folder = Folder(path)
    if not folder.keeper_lock.exists():
        return  # there never was a keeper
    folder.create()
    deadline = time.monotonic() + timeout
    starting, keeper = FileLock(folder.start_lock), FileLock(folder.keeper_lock)
    await _acquire(starting, folder, deadline)
    try:
        signalled: set[int] = set()
        while True:
            kept, running = keeper.taken(), folder.running()
            if not kept and running is None:
                return
            # A keeper would start the server again, so the signal goes to the keeper where there is one.
            pid, signum = (folder.keeping(), signal.SIGTERM) if kept else (running and running.pid, signal.SIGINT)
            if pid and pid not in signalled:
                signalled.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            if time.monotonic() > deadline:
                raise _unavailable(folder, "it does not stop")
            await asyncio.sleep(_POLL)
    finally:
        starting.release()


async def _acquire(lock: FileLock, folder: Folder, deadline: float, *, shared: bool = False) -> None:
    while not lock.acquire(shared=shared):
        if time.monotonic() > deadline:
            raise _unavailable(folder, f"{lock.path.name} stays locked by another process")
        await asyncio.sleep(_POLL)


async def _join(folder: Folder, deadline: float) -> tuple[str, str] | None:
    """Return DSN and version of a server that has a keeper and answers a query."""
    if not FileLock(folder.keeper_lock).taken():
        return None
    recorded = folder.recorded()
    if recorded is None or not recorded.ready or recorded.socket_dir is None:
        return None
    # Without the port, asyncpg would use PGPORT.
    dsn = f"postgresql://postgres@/postgres?host={quote(str(recorded.socket_dir))}&port={PORT}"
    version = await _ask_version(dsn, deadline)
    return (dsn, version) if version else None


async def _ask_version(dsn: str, deadline: float) -> str | None:
    import asyncpg  # noqa: PLC0415 - the keeper imports this package too, and has to start fast

    connection = None
    try:
        async with asyncio.timeout(min(_ANSWER, max(deadline - time.monotonic(), _POLL))):
            connection = await asyncpg.connect(dsn)
            version = str(await connection.fetchval("SHOW server_version"))
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return None  # dead, still starting, recovering, or full: tried again until the deadline
    else:
        return version
    finally:
        if connection is not None:
            connection.terminate()  # nothing to do when it is closed


async def _bring_up(
    folder: Folder, binaries: Binaries, grace: float, deadline: float, silent: float
) -> tuple[str, str]:
    """Wait for the server. The client that gets the start lock launches a keeper if there is none."""
    log_start, launches, silent_since = 0, 0, time.monotonic()
    starting, keeper = FileLock(folder.start_lock), FileLock(folder.keeper_lock)
    try:
        while time.monotonic() < deadline:
            if starting.acquire() and not keeper.taken():
                # A keeper that ended by itself, unlike a killed one, would fail for the same reason again.
                if launches == _MAX_LAUNCHES or (launches and keeper.signature() is None):
                    raise _unavailable(folder, "it ended while it was starting", log_start)
                log_start = await asyncio.to_thread(_launch_keeper, folder, binaries, grace)
                launches += 1
            server = await _join(folder, deadline)
            if server:
                return server
            recorded = folder.recorded()
            if recorded is None or not recorded.ready or not keeper.taken():
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > silent:
                raise _unavailable(folder, f"it is up, and gave no answer within {silent:.0f} s", log_start)
            await asyncio.sleep(_POLL)
    finally:
        starting.release()
    raise _unavailable(folder, "it did not answer in time", log_start)


def _launch_keeper(folder: Folder, binaries: Binaries, grace: float) -> int:
    """Launch a keeper. Return the byte of the log at which its part begins."""
    made_by, major = folder.data_version(), binaries.major_version()
    if made_by not in (None, major):
        raise ConfigError(
            f"{folder.data} was made by PostgreSQL {made_by}, but the embedded one is {major}: "
            "move the folder away to begin a new one, or set DATABASE_URL to a PostgreSQL server"
        )
    folder.socket_dir()  # raises here, rather than in the keeper's log
    if folder.log.exists() and folder.log.stat().st_size > _LOG_LIMIT:
        folder.log.replace(folder.log.with_suffix(".log.1"))
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        begin = os.fstat(log).st_size
        options = (f"--binaries={binaries.path}", f"--grace={grace}")
        command = [sys.executable, "-m", KEEPER, str(folder.path), *options]
        # In a session of its own, the server does not get Ctrl-C from the client's terminal.
        subprocess.run(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            cwd="/", env=dict(_environment()), start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)
    return begin


def _environment() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES):
            yield name, value
    yield "PYTHONPATH", str(Path(__file__).parents[3])  # the folder of this package, however the client imported it


def _unavailable(folder: Folder, what: str, log_start: int = 0) -> DatabaseUnavailable:
    said = folder.log_tail(log_start)
    return DatabaseUnavailable(
        f"the embedded PostgreSQL in {folder.path} is not available: {what}"
        + (f". The end of {folder.log.name}:\n{said}" if said else f" ({folder.log.name} is empty)")
    )
