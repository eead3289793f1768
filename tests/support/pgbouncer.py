"""A PgBouncer of the test's own, in transaction mode, in front of the server that a DSN names."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from atlas.db.embedded._binaries import foreign_user

from .child_processes import popen
from .event_loop import PATIENCE

__all__ = ["Pooler", "pgbouncer"]


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    port: int
    log: Path

    def dsn(self, dsn: str, query: str = "", *, host: str = "127.0.0.1") -> str:
        """The database of a DSN, by way of this one. It asks no password, and takes any name for that of its user."""
        path = urlsplit(dsn).path
        return f"postgresql://anybody:unasked@{host}:{self.port}{path}" + (f"?{query}" if query else "")


@contextlib.contextmanager
def pgbouncer(server: str, folder: Path, **settings: str | int) -> Iterator[Pooler]:
    """A PgBouncer that leads to any database of a server as the user of its DSN, until the block ends.

    ``folder`` is its own, and ``settings`` are those of its section [pgbouncer], over those that are here.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("pgbouncer is not installed (Debian, Ubuntu: apt install pgbouncer)")
    if _version(program) >= (1, 21):
        settings.setdefault("max_prepared_statements", 0)  # newer ones can look after them: as it is without
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "pgbouncer.log"
    deadline = time.monotonic() + PATIENCE
    while True:  # until the port that was free is free still
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        ini = folder / "pgbouncer.ini"
        ini.touch(mode=0o600)  # it may hold a password
        ini.write_text(_configuration(server, log, {"listen_port": port, **settings}))
        # killed at once, whoever is connected: what a signal means to it depends on its release
        with popen([*foreign_user(), program, "--quiet", str(ini)], stderr=subprocess.DEVNULL) as process:
            if _listens(process, port, deadline):
                yield Pooler(port, log)
                return
        assert "in use" in log.read_text(), log.read_text()


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in said.split()[1].split("."))


def _configuration(server: str, log: Path, settings: dict[str, str | int]) -> str:
    address = urlsplit(server)
    asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
    way = {
        "host": asked.get("host") or address.hostname or "127.0.0.1",
        "port": asked.get("port") or address.port or 5432,
        "user": unquote(address.username or asked.get("user", "postgres")),
        "password": unquote(address.password or ""),
    }
    given = {
        "listen_addr": "127.0.0.1",
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": 2,
        # the next transaction is another server connection's: what is left in a session is not found again
        "server_round_robin": 1,
        "max_client_conn": 500,
        "logfile": log,
        "syslog": 0,
        **settings,
    }
    words = " ".join("{}='{}'".format(name, str(value).replace("'", "''")) for name, value in way.items() if value)
    lines = ["[databases]", f"* = {words}", "[pgbouncer]", *(f"{name} = {value}" for name, value in given.items())]
    return "\n".join(lines) + "\n"


def _listens(process: subprocess.Popen[bytes], port: int, deadline: float) -> bool:
    """Waits until it takes connections. False: it has ended."""
    while process.poll() is None:
        assert time.monotonic() < deadline, "PgBouncer does not come up"
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), PATIENCE):
            return True
        time.sleep(0.01)
    return False
