"""Child processes of tests: each is started in a block that ends it, with its pipes, whatever happens inside.

No other module of the tests may start one by itself (tests/harness/test_children.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from .event_loop import PATIENCE

PIPE = asyncio.subprocess.PIPE


async def start(*command: Any, **options: Any) -> asyncio.subprocess.Process:
    """Start a process that the caller ends with ``end``; tests use ``child``."""
    return await asyncio.create_subprocess_exec(*command, **options)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the process if it still runs, close its pipes and wait for its end. Safe to repeat."""
    process._transport.close()  # type: ignore[attr-defined]  # kills; a grandchild may hold the other end of a pipe
    await process.wait()


@contextlib.asynccontextmanager
async def child(
    *command: Any, stop: signal.Signals | None = None, **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process until the block ends; with the option ``start_new_session`` its whole group is killed.

    ``stop``: the signal that asks a process with children of its own to end; it is killed where it does not.
    """
    process = await start(*command, **options)
    try:
        yield process
    finally:
        if process.returncode is None and stop is not None:
            process.send_signal(stop)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), PATIENCE)
        if process.returncode is None and options.get("start_new_session"):
            os.killpg(process.pid, signal.SIGKILL)
        await end(process)


async def finished(
    *command: Any, given: bytes = b"", timeout: float = PATIENCE, **options: Any
) -> tuple[int, bytes, bytes]:
    """Run a process to its end with the standard input ``given``. Return its code, stdout and stderr.

    It is killed after ``timeout`` seconds, and TimeoutError raised.
    """
    pipes = {"stdin": PIPE if given else asyncio.subprocess.DEVNULL, "stdout": PIPE, "stderr": PIPE}
    async with child(*command, **pipes | options) as process:
        out, err = await asyncio.wait_for(process.communicate(given or None), timeout)
        assert process.returncode is not None
        return process.returncode, out, err


class ProcessOutput:
    """A process at work and what it has written so far to a pipe; a wait raises TimeoutError after ``patience``."""

    def __init__(self, process: asyncio.subprocess.Process, patience: float = PATIENCE) -> None:
        self.process = process
        self.said = ""
        self._patience = patience

    async def until(self, pattern: str) -> None:
        """Return once something that it wrote fits a regular expression."""
        assert self.process.stdout is not None
        async with asyncio.timeout(self._patience):
            while not re.search(pattern, self.said):
                line = await self.process.stdout.readline()
                assert line, f"it ended without saying {pattern!r}:\n{self.said}"
                self.said += line.decode()

    async def end(self) -> int:
        """Return its exit code, once it has ended."""
        assert self.process.stdout is not None
        async with asyncio.timeout(self._patience):
            self.said += (await self.process.stdout.read()).decode()
            return await self.process.wait()


def alive(folder: Path) -> list[str]:
    """Return the other processes that have a folder in their arguments, environment or working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            about = [arguments, (process / "environ").read_bytes(), os.fsencode((process / "cwd").readlink())]
            if process.name != str(os.getpid()) and any(os.fsencode(folder) + b"/" in text + b"/" for text in about):
                found.append(f"{process.name} {arguments.decode(errors='replace')}")
    return found


@contextlib.contextmanager
def popen(command: Sequence[Any], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process until the block ends, for tests that are not coroutines."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None and options.get("start_new_session"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
