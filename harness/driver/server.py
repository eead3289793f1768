"""A PostgreSQL of its own out of the embedded binaries, that can be small, frozen, restarted and lost.

The embedded server of users comes back by itself, and its settings are fixed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from atlas.db.embedded._binaries import Binaries
from harness.driver.processes import end_of_log

_PATIENCE = 60.0  # seconds; it may have to recover, on a busy machine
_GLANCE = 0.02  # seconds between two looks
_STARTING = (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, asyncpg.InternalClientError)


class ServerFailed(Exception):
    """The server does not start; the message has the end of its log."""


@dataclass
class Server:
    """A server of a folder, on a port of 127.0.0.1. Its user is ``postgres`` and is asked no password.

    Attributes:
        settings: of the server, such as ``max_connections``, for its next start.
        port: stays the same when it is started again.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def dsn(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self, *options: str) -> None:
        """Make the data folder. ``options`` are more of initdb's, such as ``--wal-segsize=1``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = Binaries.find().command(
            "initdb", f"--pgdata={self.data}", "--username=postgres", "--auth=trust", "--no-instructions", "--no-sync",
            "--encoding=UTF8", "--locale=C", *options,
        )  # fmt: skip
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if made.returncode:
            raise ServerFailed(f"initdb failed: {made.stderr.strip()}")

    async def start(self) -> None:
        """Start it. Return once it takes connections. Raises ServerFailed."""
        if self.port == 0:
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                self.port = found.getsockname()[1]
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
            **self.settings,
        }
        words = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        command = Binaries.find().command("postgres", "-D", str(self.data), *words)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220, S603  our own command
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(*_STARTING):
                connection = await asyncpg.connect(self.dsn(), timeout=5)
                await connection.close()
                return
            await asyncio.sleep(_GLANCE)
        self.crash()
        raise ServerFailed(end_of_log("PostgreSQL did not start.", self.log))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection for a proxy. Raises OSError while the server is away."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def crash(self) -> None:
        """Lose it at once, as a machine is lost: no word to its clients, no checkpoint. Return when it is gone."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Shut it down in order. Return when it is gone."""
        self._end(signal.SIGINT)

    def stop_leftover(self) -> None:
        """Stop what a process that was killed has left running in this folder."""
        command = Binaries.find().command("pg_ctl", "stop", f"--pgdata={self.data}", "--mode=immediate")
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603  our own command

    async def restart(self, signum: signal.Signals) -> None:
        """End it by a signal and start it again.

        Args:
            signum: SIGINT breaks its sessions off, SIGQUIT lets it crash, SIGKILL leaves its processes without it.
        """
        await asyncio.to_thread(self._end, signum)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return await self.start()
            except ServerFailed:  # processes that SIGKILL has left still have its memory
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_GLANCE)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it, with all its processes: it takes connections, and answers nothing."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, signum: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(signum)  # first: then it starts no other
        command = ["pgrep", "-P", str(self.process.pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        for pid in found.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signum)

    def _end(self, signum: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(signum)  # nothing is sent to one that has ended
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
