"""The keeper: the detached process that runs the server of a folder (``python -m atlas.db.embedded._keeper``).

A client launches it. It takes the keeper's lock, detaches, starts the server, and then about once a second

- stops the server and ends if no client had the clients' lock for the grace time,
- starts the server again if it died while it has clients, whose connection pools then reconnect,
- stops the server and ends if its folder was removed or replaced, or on SIGTERM.

A killed keeper leaves the server running; the next keeper adopts it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.db.embedded._binaries import Binaries
from atlas.db.embedded._folder import PORT, Folder
from atlas.db.embedded._lock import FileLock
from atlas.errors import AtlasError
from atlas.times import iso

if TYPE_CHECKING:
    from types import FrameType

_LOCK_PATIENCE = 2.0  # seconds; a client that checks the lock has it for an instant
_MAX_LAUNCHES = 8  # within _LAUNCH_WINDOW; then the keeper gives up
_LAUNCH_WINDOW = 10.0  # seconds
_LAUNCH_SPACING = 0.25  # seconds; processes of a killed server need a moment to end
_STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))  # fast, immediate, by force


def server_settings(socket_dir: Path) -> dict[str, str]:
    """Return PostgreSQL's settings, given at each start: the folder of an older release gets them too."""
    return {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "max_connections": "200",
        "shared_buffers": "128MB",
        "autovacuum": "on",
        # The defaults, set explicitly because turning them off is tempting: then a killed server, not only a power
        # failure, loses the commits of the last half second.
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_checkpoints": "off",
        # An error may show the log: it names what failed, but not the statement with its values.
        "log_min_error_statement": "panic",
    }


class Keeper:
    """Runs the server of one folder until it has had no client for ``grace`` seconds."""

    def __init__(self, folder: Folder, binaries: Binaries, grace: float) -> None:
        self.folder = folder
        self.binaries = binaries
        self.grace = grace
        self.lock = FileLock(folder.keeper_lock)
        self.clients = FileLock(folder.clients_lock)
        self.stopping = False
        self._child: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        self._socket_dir: Path | None = None
        self._launches: deque[float] = deque(maxlen=_MAX_LAUNCHES)
        self._wake, self._waker = os.pipe()

    def take_lock(self) -> bool:
        """Return whether this process is the keeper of the folder now."""
        deadline = time.monotonic() + _LOCK_PATIENCE
        while not self.lock.acquire():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def listen(self) -> None:
        """Make ``wait`` return at once when the server ends or a signal comes."""

        def stop(_signum: int, _frame: FrameType | None) -> None:
            self.stopping = True

        for end in (self._wake, self._waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, stop)
        # Handlers rather than SIG_IGN, which the server would inherit.
        for signum in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda _signum, _frame: None)

    def run(self) -> int:
        """Run the server until no client needs it. Return the exit code: 1 if the server does not stay up."""
        running = self.folder.running()
        if running:
            self._adopted, self._socket_dir = running.pid, running.socket_dir
            self.log(f"adopted the server {running.pid} of a keeper that was killed")
        idle_since = None
        try:
            self.make_data()
            while not self.stopping and self.lock.is_current():
                now = time.monotonic()
                if not self.clients.acquire():
                    idle_since = None
                elif idle_since is None:
                    idle_since = now
                if idle_since is not None and now - idle_since >= self.grace:
                    break  # keep the clients' lock: a client that starts now waits for the stop
                self.clients.release()

                if self.alive():
                    self.wait(min(1.0, max(self.grace / 4, 0.02)))
                elif self._launches and now - self._launches[-1] < _LAUNCH_SPACING:
                    self.wait(0.05)
                elif len(self._launches) == _MAX_LAUNCHES and now - self._launches[0] < _LAUNCH_WINDOW:
                    self.log("the server does not stay up; the keeper ends")
                    return 1
                else:
                    self._launches.append(now)
                    self.launch()
            return 0
        finally:
            self.stop()
            self.lock.erase()

    def make_data(self) -> None:
        """Create a missing data folder under another name and rename it, so that it is never incomplete."""
        for leftover in self.folder.path.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.folder.data_version() is not None:
            return
        with contextlib.suppress(FileNotFoundError):
            self.folder.data.rmdir()  # only an empty one
        new = tempfile.mkdtemp(prefix="data.new-", dir=self.folder.path)
        # The builtin provider sorts and folds case alike on every system, whatever locales are installed.
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        made = self.binaries.command(
            "initdb", f"--pgdata={new}", "--username=postgres", "--auth=trust", "--no-instructions", *locale
        )
        subprocess.run(made, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
        Path(new).rename(self.folder.data)

    def launch(self) -> None:
        """Start the server, which may end again at once: see ``alive``."""
        self._socket_dir = socket_dir = self.folder.socket_dir()
        for leftover in socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)
        environment = dict(os.environ)
        stale = self.folder.recorded()
        if stale is not None:
            # The server is dead, but if another process has its pid now, PostgreSQL refuses to start. pg_ctl sets this
            # variable for the same reason; unlike removing the file, it keeps PostgreSQL's check for the dead server's
            # shared memory.
            environment["PG_GRANDPARENT_PID"] = str(stale.pid)
            self.end_orphans()
        settings = [part for name, value in server_settings(socket_dir).items() for part in ("-c", f"{name}={value}")]
        command = self.binaries.command("postgres", "-D", str(self.folder.data), *settings)
        self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603 - our own command
        self._adopted = None

    def alive(self) -> bool:
        """Return whether the server process lives."""
        if self._child is not None:
            return self._child.poll() is None
        if self._adopted is not None:
            running = self.folder.running()
            return running is not None and running.pid == self._adopted
        return False

    def end_orphans(self) -> None:
        """Kill the backends of a killed server: one in a long query does not notice, and prevents a new server
        from starting. Without /proc, the launches are repeated until they have ended."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                title = (process / "cmdline").read_bytes()
                if title.startswith(b"postgres: ") and (process / "cwd").readlink() == self.folder.data:
                    os.kill(int(process.name), signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server, gently first, and wait until it is gone."""
        for signum, patience in _STOPS:
            if not self.alive():
                break
            pid = self._child.pid if self._child is not None else self._adopted
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            deadline = time.monotonic() + patience
            while self.alive() and time.monotonic() < deadline:
                self.wait(0.02)
        if self._socket_dir is not None and self._socket_dir.parent != self.folder.path:
            with contextlib.suppress(OSError):  # leave nothing in the temporary folder
                self._socket_dir.rmdir()

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until a signal."""
        if select.select([self._wake], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)

    @staticmethod
    def log(text: str) -> None:
        """Write one line to the log."""
        sys.stderr.write(f"{iso(datetime.now(UTC))} [{os.getpid()}] KEEPER:  {text}\n")
        sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Take the lock, detach, and run the server. The launching process gets 0 once the folder has a keeper."""
    parser = argparse.ArgumentParser(prog="atlas.db.embedded._keeper")
    parser.add_argument("path", type=Path)
    parser.add_argument("--binaries", type=Path, required=True, help="the folder with initdb and postgres")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds without any client")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        keeper = Keeper(Folder(options.path), Binaries(options.binaries), options.grace)
        if not keeper.take_lock():
            return 0
        # The child has the same open file and keeps the lock; init collects it when it ends.
        if os.fork():
            os._exit(0)
        keeper.lock.sign()
        keeper.listen()
        return keeper.run()
    except (AtlasError, OSError, subprocess.CalledProcessError) as error:
        Keeper.log(f"{type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
