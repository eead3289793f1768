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
from typing import Any

from .event_loop import PATIENCE

__all__ = ["ProcessOutput", "child", "end", "finished", "popen", "start"]

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
    """Run a process until the block ends.

    Args:
        command: the program and its arguments.
        stop: the signal that asks a process with children of its own to end; it is killed where it does not.
        options: those of ``asyncio.create_subprocess_exec``. With ``start_new_session`` its whole group is killed.
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
    """Run a process to its end. Return its code and what it wrote to stdout and stderr.

    Args:
        command: the program and its arguments.
        given: its standard input, which is no terminal.
        timeout: seconds after which it is killed, and TimeoutError raised.
        options: those of ``asyncio.create_subprocess_exec``.
    """
    pipes = {"stdin": PIPE if given else asyncio.subprocess.DEVNULL, "stdout": PIPE, "stderr": PIPE}
    async with child(*command, **pipes | options) as process:
        out, err = await asyncio.wait_for(process.communicate(given or None), timeout)
        assert process.returncode is not None
        return process.returncode, out, err


class ProcessOutput:
    """A process at work and what it has written so far, for tests that wait for a line.

    Args:
        process: its stdout is a pipe.
        patience: seconds after which a wait raises TimeoutError.
    """

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
