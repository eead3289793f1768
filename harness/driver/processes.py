"""Processes of a run: started in groups of their own, noted down, and ended whatever happens.

Standard library only: `make clean` uses it without the virtual environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LAST_LINES = 12
_GLANCE = 0.05  # seconds between two looks at a process
_STOPS = ((signal.SIGINT, 6.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))  # and how long each may take


class Busy(Exception):
    """Another run is at work in the folder; the message says which."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock the folder for this process. Raises Busy where another run has it; a killed one leaves it free."""
    descriptor = os.open(folder / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            raise Busy(f"a demo is running in {folder} already (process {owner})") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def end_owner(folder: Path, patience: float = 60.0) -> None:
    """End the run that has the folder, as Ctrl-C would. Raises Busy if it is still there after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    asked = False
    while True:
        try:
            with alone(folder):
                return
        except Busy:
            owner = int((folder / "demo.lock").read_text(encoding="ascii").strip() or 0)
            if owner and not asked:
                asked = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(owner, signal.SIGTERM)
            if time.monotonic() > deadline:
                raise
            time.sleep(_GLANCE)


@dataclass
class Child:
    """A process; its name is for people, such as ``hunter 0/2``, and its output goes to the log."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def last_lines(self) -> list[str]:
        return _last_lines(self.log)

    async def wait(self, patience: float) -> int | None:
        """Return its exit code; None if it still runs after ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while (code := self.process.poll()) is None and time.monotonic() < deadline:  # noqa: ASYNC110  a process, no event
            await asyncio.sleep(_GLANCE)
        return code


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        return []


def end_of_log(problem: str, log: Path) -> str:
    """Return the message of an error: a problem, and the end of the log that explains it."""
    return "\n    ".join([f"{problem} The end of its log ({log}):", *_last_lines(log)])


@dataclass
class Children:
    """All processes of one run. Their command lines name its folder: so a process is known again."""

    folder: Path
    running: list[Child] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Child:
        """Start a process. Its output is appended to the log.

        It gets a session of its own, so that Ctrl-C in the terminal reaches this process alone, which then ends its
        children regularly. Nothing is awaited in here: a signal cannot come between the start and the note of it.
        """
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  our own command
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder,
                env=dict(environment), start_new_session=True,
            )  # fmt: skip
        child = Child(name, log, process)
        self.running = [other for other in self.running if other.process.poll() is None]
        self.running.append(child)
        self._note()
        return child

    async def stop(self) -> list[str]:
        """End all: SIGINT, so that shards release their claims, then SIGTERM, then SIGKILL. Return who was killed."""
        killed: list[str] = []
        for signum, patience in _STOPS:
            alive = [child for child in self.running if child.process.poll() is None]
            if not alive:
                break
            if signum == signal.SIGKILL:
                killed = [child.name for child in alive]
            for child in alive:
                _signal_group(child.process.pid, signum)
            deadline = time.monotonic() + patience
            while any(c.process.poll() is None for c in alive) and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(_GLANCE)
        self.running = [child for child in self.running if child.process.poll() is None]
        self._note()
        return killed

    def _note(self) -> None:
        """Write down which processes run, for the run after one that was killed."""
        text = "".join(f"{child.process.pid}\n" for child in self.running)
        new = self.folder / "processes.new"
        new.write_text(text, encoding="ascii")
        new.replace(self.folder / "processes")


@contextlib.asynccontextmanager
async def stopped_at_the_end(children: Children, say: Callable[[str, str], None]) -> AsyncIterator[Children]:
    """Stop all children when the block ends, and say which had to be killed."""
    try:
        yield children
    finally:
        if killed := await children.stop():
            say(f"had to be killed: {', '.join(killed)}", "red")


def end_leftovers(folder: Path, patience: float = 10.0) -> int:
    """End the processes that a killed run has left running. Return their number."""
    try:
        noted = [int(line) for line in (folder / "processes").read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return 0
    left = [pid for pid in noted if _ours(pid, folder)]
    for pid in left:
        _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(_ours(pid, folder) for pid in left) and time.monotonic() < deadline:
        time.sleep(_GLANCE)
    for pid in left:
        if _ours(pid, folder):
            _signal_group(pid, signal.SIGKILL)
    (folder / "processes").unlink(missing_ok=True)
    return len(left)


def _ours(pid: int, folder: Path) -> bool:
    """Return whether this process is still one of the folder's: its number may be another's by now."""
    return f"{folder}{os.sep}" in _command_line(pid)


def _command_line(pid: int) -> str:
    """Return the arguments of a process; empty if there is none, or a dead one."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
        except OSError:
            return ""
    shown = subprocess.run(  # noqa: S603  fixed arguments
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout


def _signal_group(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)
