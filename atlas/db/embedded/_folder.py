"""The folder of an embedded server: where its things are, who may enter, and which process serves it."""

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

__all__ = ["KEEPER", "PORT", "Folder", "Postmaster", "private_folder"]

KEEPER = "atlas.db.embedded._keeper"  # the module that the keeper runs, by which its process is known
PORT = 5432  # only part of the socket's name: every folder has its own socket folder
_LONGEST_SOCKET_PATH = 103  # bytes; macOS has room for 104 with the closing zero, Linux for 108
_ELSEWHERE = "choose another folder, or set DATABASE_URL to a PostgreSQL server"


def private_folder(path: Path) -> Path:
    """Makes a folder that only its owner may enter, or accepts one that is so already. An existing one is not changed.

    Raises:
        ConfigError: what stands there is no folder, belongs to another user, or is open to others.
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
    """What a ``postmaster.pid`` says.

    Attributes:
        pid: process id of the server.
        socket_dir: folder of its socket, None before the server has opened it.
        ready: whether it takes connections.
    """

    pid: int
    socket_dir: Path | None
    ready: bool

    @classmethod
    def parse(cls, text: str) -> Postmaster | None:
        """Reads the lines that PostgreSQL documents as pid, data folder, start time, port, socket folder, addresses,
        shared memory key and status. None when not even the pid is there."""
        lines = text.splitlines()
        try:
            pid = abs(int(lines[0]))
        except (IndexError, ValueError):
            return None
        socket_dir = Path(lines[4]) if len(lines) > 4 and lines[4] else None
        return cls(pid, socket_dir, ready=len(lines) > 7 and lines[7].strip() == "ready")


@dataclass(frozen=True)
class Folder:
    """Where everything of one embedded server is. Build it with ``Folder.at``.

    Attributes:
        path: absolute, without symbolic links, so that every process means the same server by it.
    """

    path: Path

    @classmethod
    def at(cls, path: Path) -> Folder:
        """The folder at ``path``, which need not exist yet."""
        return cls(Path(path).expanduser().resolve())

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What keeper and server have to say."""
        return self.path / "postgres.log"

    @property
    def clients_lock(self) -> Path:
        """Lock file: held shared by every client, and exclusively by a keeper that is stopping the server."""
        return self.path / "clients.lock"

    @property
    def start_lock(self) -> Path:
        """Lock file: held by the one client that brings the server up, or takes it down."""
        return self.path / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Lock file: held and signed by the keeper as long as it lives."""
        return self.path / "keeper.lock"

    def create(self) -> None:
        """Makes the folder and what is missing above it, each for its owner only.

        Raises:
            ConfigError: it cannot be made or written, or its data belongs to another user.
        """
        trial = FileLock(self.clients_lock)
        try:
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir(mode=0o700, exist_ok=True)
            if self.data.exists():
                private_folder(self.data)
            trial.acquire(shared=True)  # some network folders know no locks
            trial.release()
        except OSError as error:
            raise ConfigError(
                f"the embedded PostgreSQL cannot use {self.path}: {error.strerror}; {_ELSEWHERE}"
            ) from error

    def data_version(self) -> str | None:
        """Major version of the PostgreSQL that made the data, None when there is none yet."""
        try:
            return (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def socket_dir(self) -> Path:
        """The private folder for a server's socket, made when missing: ``run``, or one under the temp folder when the
        path is too long for a socket or holds a comma (which separates hosts in a DSN).

        Raises:
            ConfigError: it exists and is not private to this user.
        """
        here = self.path / "run"
        if "," not in str(here) and _fits(here):
            return private_folder(here)
        return private_folder(self._temporary_socket_dir())

    def _temporary_socket_dir(self) -> Path:
        # The inode is part of the name: a folder that was removed and made again does not share it with its
        # predecessor, whose server takes its socket along when it ends.
        identity = f"{self.path}:{self.path.stat().st_ino}"
        name = f"pleiades-{os.geteuid()}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
        wanted = Path(tempfile.gettempdir()) / name
        return wanted if _fits(wanted) and "," not in str(wanted) else Path("/tmp") / name  # noqa: S108 - private_folder checks it

    def recorded(self) -> Postmaster | None:
        """What ``postmaster.pid`` says; the process may be long gone."""
        try:
            return Postmaster.parse((self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None

    def running(self) -> Postmaster | None:
        """The server process of this folder if there is one now, ready or not. A recorded id that belongs to another
        process by now, or to a dead one that nobody has collected, does not count."""
        recorded = self.recorded()
        if recorded is None or f"postgres -D {self.data} " not in command_line(recorded.pid):
            return None
        return recorded

    def keeping(self) -> int | None:
        """Process id of the folder's keeper, None when there is none or it has not signed yet."""
        pid = FileLock(self.keeper_lock).signature()
        return pid if pid and f"{KEEPER} {self.path} " in command_line(pid) else None

    def in_use(self) -> bool:
        """Whether a keeper has ever been at work here."""
        return self.keeper_lock.exists()

    def log_tail(self, since: int = 0, lines: int = 12) -> str:
        """The log's last lines, not counting what stood before byte ``since``."""
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
    """The arguments a process was started with, each followed by a space; empty when it does not exist or is dead."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
        except OSError:
            return ""
    shown = subprocess.run(  # noqa: S603 - fixed arguments
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return f"{shown.stdout.strip()} "
