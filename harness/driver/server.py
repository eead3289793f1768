"""A PostgreSQL of one's own out of the embedded binaries, that can be told how large it is, and be lost.

The embedded server that users get is looked after: it comes back by itself, and its settings are fixed. This one is
for whoever wants to see a database that is small, full or gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from atlas.db.embedded._binaries import Binaries

__all__ = ["Server", "ServerFailed", "temporary_server"]

_PATIENCE = 60.0  # seconds; it may have to recover, on a busy machine
_GLANCE = 0.02  # seconds between two looks
_STARTING = (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, asyncpg.InternalClientError)


class ServerFailed(Exception):
    """The server does not come up; the message ends with what it said."""


@dataclass
class Server:
    """A server of a folder, on a port of 127.0.0.1. Its user is ``postgres`` and is asked no password.

    Attributes:
        folder: of its own; its data and its log are in it.
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
        """The address of a database of it."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self, *options: str) -> None:
        """Makes the data folder. ``options`` are more of initdb's, such as ``--wal-segsize=1``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = Binaries.find().command(
            "initdb", f"--pgdata={self.data}", "--username=postgres", "--auth=trust", "--no-instructions", "--no-sync",
            "--encoding=UTF8", "--locale=C", *options,
        )  # fmt: skip
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if made.returncode:
            raise ServerFailed(f"initdb failed: {made.stderr.strip()}")

    async def start(self) -> None:
        """Starts it, and returns once it takes connections."""
        if self.port == 0:
            self.port = free_port()
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
        self.process = self._launch(command)
        await self._ready(self.process)

    def _launch(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603  our own command
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    async def _ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(*_STARTING):
                connection = await asyncpg.connect(self.dsn(), timeout=5)
                await connection.close()
                return
            await asyncio.sleep(_GLANCE)
        self.crash()
        raise ServerFailed("\n    ".join([f"PostgreSQL did not come up. The end of {self.log}:", *self.last_lines()]))

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def crash(self) -> None:
        """Loses it at once, as a machine is lost: no goodbye to anybody, no checkpoint. Returns when it is gone."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Shuts it down in order, and returns when it is gone."""
        self._end(signal.SIGINT)

    def freeze(self) -> None:
        """Has it stand still, with all its processes: it takes connections, and answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
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
        process = self.process
        if process is None:
            return
        process.send_signal(signum)  # nothing is sent to one that has ended
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_lines(self, number: int = 12) -> Sequence[str]:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-number:]
        return []


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def temporary_server(**settings: str) -> AsyncIterator[Server]:
    """A new server that runs, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="maia-server-") as folder:
        server = Server(Path(folder) / "postgres", settings)
        await asyncio.to_thread(server.create)
        await server.start()
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)
