"""One Tracker as a user starts it, and what the kernel says of its memory and its time on the cores."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from harness.benchmarks.cores import cpu_of

__all__ = ["Sample", "Tracker"]

_MEMORY = {"VmRSS": "resident", "VmHWM": "highest"}
# settled with the same commit that stores the answer: 50 videos each
_UPDATES = "SELECT coalesce(sum(settled), 0)::bigint * 50 FROM api_calls"


@dataclass(frozen=True)
class Sample:
    """What a shard was at one moment.

    Attributes:
        seconds: since its start.
        updates: videos written by then.
        resident: VmRSS, MB (millions of bytes).
        highest: VmHWM, the most that it ever was, MB.
        cpu: seconds on the cores, user and system.
    """

    seconds: float
    updates: int
    resident: float
    highest: float
    cpu: float


def _memory(pid: int) -> dict[str, float]:
    """What is in memory of a living process, in MB."""
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {_MEMORY[name]: int(value.split()[0]) * 1024 / 1e6 for name, _, value in lines if name in _MEMORY}


@dataclass
class Tracker:
    """``maia tracker`` in a process of its own.

    Attributes:
        options: of its command line.
        environment: all that it is given besides PATH and HOME.
        seconds: from its start until it has ended.
        updates: videos written in that time.
    """

    options: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    updates: int = 0

    async def run(self, connection: asyncpg.Connection, every: float = 0.1) -> None:
        """Starts it and looks at it until it ends.

        Args:
            connection: asked how many videos are written.
            every: seconds between two looks.

        Raises:
            RuntimeError: it ended with another code than 0; its last words are in the message.
        """
        base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        before: int = await connection.fetchval(_UPDATES)
        began = time.monotonic()
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "maia", "tracker", *self.options,
                env={**base, **self.environment}, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.log.parent,  # no .env of whoever measures
            )  # fmt: skip
        ended = asyncio.create_task(self._ended(process, began))
        try:
            while not ended.done():
                await self._look(connection, process.pid, began, before)
                await asyncio.wait([ended], timeout=every)
        finally:
            if not ended.done():
                process.kill()
            await ended
        self.updates = await connection.fetchval(_UPDATES) - before
        if process.returncode:
            words = self.log.read_text(errors="replace")[-2_000:]
            raise RuntimeError(f"the tracker ended with {process.returncode}:\n{words}")

    async def _ended(self, process: asyncio.subprocess.Process, began: float) -> None:
        await process.wait()
        self.seconds = time.monotonic() - began

    async def _look(self, connection: asyncpg.Connection, pid: int, began: float, before: int) -> None:
        updates: int = await connection.fetchval(_UPDATES) - before
        try:
            memory, cpu = _memory(pid), cpu_of(pid)
        except (FileNotFoundError, ProcessLookupError):
            return
        if len(memory) == len(_MEMORY):  # one that has ended and is not waited for yet has none
            self.samples.append(Sample(time.monotonic() - began, updates, **memory, cpu=cpu))

    def after(self, updates: int) -> Sample:
        """The first look when so many videos were written; the last one where it did not come so far."""
        return next((sample for sample in self.samples if sample.updates >= updates), self.samples[-1])
