"""The folder of an embedded server: its files, its permissions, and the processes that serve it."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from atlas.db.embedded._lock import FileLock
from atlas.errors import ConfigError

KEEPER = "atlas.db.embedded._keeper"  # the module that the keeper runs, which identifies its process
PORT = 5432  # only part of the socket's name: every folder has its own socket folder
_LONGEST_SOCKET_PATH = 103  # bytes; macOS has room for 104 with the closing zero, Linux for 108
_ELSEWHERE = "choose another folder, or set DATABASE_URL to a PostgreSQL server"


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter, or accept one; never change one.

    Raises ConfigError where it is no folder, belongs to another user, or is open to others.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigError(
                f"{path} has to be a folder of user {os.geteuid()} with permissions 0700, but it is "
                f"{stat.filemode(found.st_mode)} and belongs to user {found.st_uid}; {_ELSEWHERE}"
            ) from None
    return path


@dataclass(frozen=True)
class Postmaster:
    """The content of ``postmaster.pid``."""

    pid: int
    socket_dir: Path | None  # None before the server has opened its socket
    ready: bool  # whether it accepts connections

    @classmethod
    def parse(cls, text: str) -> Postmaster | None:
        """Parse the file, which may be half written; None without a process id."""
        # pid, data folder, start time, port, socket folder, addresses, shared memory key, status
        lines = text.splitlines()
        try:
            pid = abs(int(lines[0]))
        except (IndexError, ValueError):
            return None
        socket_dir = Path(lines[4]) if len(lines) > 4 and lines[4] else None
        return cls(pid, socket_dir, ready=len(lines) > 7 and lines[7].strip() == "ready")


class Folder:
    """The files of one embedded server."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()  # one path for all processes
        self.data = self.path / "data"
        self.log = self.path / "postgres.log"
        self.clients_lock = self.path / "clients.lock"  # shared by clients, or exclusive for a keeper that stops
        self.start_lock = self.path / "start.lock"  # of the client that starts or stops the server
        self.keeper_lock = self.path / "keeper.lock"  # locked and signed by the running keeper

    def create(self) -> None:
        """Make the folder and the missing ones above it, for their owner only.

        Raises ConfigError where it cannot be made or written, or where its data belongs to another user.
        """
        trial = FileLock(self.clients_lock)
        try:
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(mode=0o700, exist_ok=True)
            if self.data.exists():
                private_folder(self.data)
            trial.acquire(shared=True)  # some network file systems have no locks
            trial.release()
        except OSError as error:
            raise ConfigError(
                f"the embedded PostgreSQL cannot use {self.path}: {error.strerror}; {_ELSEWHERE}"
            ) from error

    def data_version(self) -> str | None:
        """Return the major version of the PostgreSQL that made the data; None where there is none yet."""
        try:
            return (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def socket_dir(self) -> Path:
        """Return the private folder of the socket, made when missing. Raises ConfigError where it is not private.

        It is ``run``, or one in the temporary folder where the path is too long for a socket or contains a comma,
        which separates hosts in a DSN.
        """
        here = self.path / "run"
        if "," not in str(here) and _fits(here):
            return private_folder(here)
        return private_folder(self._temporary_socket_dir())

    def _temporary_socket_dir(self) -> Path:
        # The name contains the inode, so that a folder that was removed and made again has a new socket: the old server
        # removes its own when it ends.
        identity = f"{self.path}:{self.path.stat().st_ino}"
        name = f"pleiades-{os.geteuid()}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
        wanted = Path(tempfile.gettempdir()) / name
        return wanted if _fits(wanted) and "," not in str(wanted) else Path("/tmp") / name  # noqa: S108 - private_folder checks it

    def recorded(self) -> Postmaster | None:
        """Return the content of ``postmaster.pid``; the process may have ended since."""
        try:
            return Postmaster.parse((self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None

    def running(self) -> Postmaster | None:
        """Return the server that runs in this folder. The recorded process id may be another process's by now."""
        recorded = self.recorded()
        if recorded is None or f"postgres -D {self.data} " not in command_line(recorded.pid):
            return None
        return recorded

    def keeping(self) -> int | None:
        """Return the keeper's process id; None where there is none, or it has not signed yet."""
        pid = FileLock(self.keeper_lock).signature()
        return pid if pid and f"{KEEPER} {self.path} " in command_line(pid) else None

    def log_tail(self, since: int = 0, lines: int = 12) -> str:
        """Return the last lines of the log after byte ``since``."""
        try:
            with self.log.open("rb") as log:
                log.seek(since)
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def _fits(socket_dir: Path) -> bool:
    return len(os.fsencode(socket_dir / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET_PATH


def command_line(pid: int) -> str:
    """Return the arguments of a process, each followed by a space; empty if there is no such process."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
        except OSError:
            return ""
    shown = subprocess.run(  # noqa: S603 - fixed arguments
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return f"{shown.stdout.strip()} "
