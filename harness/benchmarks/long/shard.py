"""One Tracker as a user starts it, and what the kernel says of its memory and its CPU time."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from harness.driver.proc import cpu_of, memory_of

# settled with the same commit that stores the answer: 50 videos each
_UPDATES = "SELECT coalesce(sum(settled), 0)::bigint * 50 FROM api_calls"


@dataclass(frozen=True)
class Sample:
    """A shard at one moment.

    Attributes:
        seconds: since its start.
        updates: videos written by then.
        resident, highest: its memory, and the most that it ever had, in MB (millions of bytes).
        cpu: seconds, user and system.
    """

    seconds: float
    updates: int
    resident: float
    highest: float
    cpu: float


@dataclass
class Tracker:
    """``maia tracker`` in a process of its own.

    Attributes:
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
        """Start it and take samples until it ends. Raises RuntimeError with the end of its log if it fails."""
        before: int = await connection.fetchval(_UPDATES)
        began = time.monotonic()
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "maia", "tracker", *self.options, env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.log.parent,  # without a .env
            )  # fmt: skip
        ended = asyncio.create_task(self._ended(process, began))
        try:
            while not ended.done():
                updates: int = await connection.fetchval(_UPDATES) - before
                try:
                    resident, highest = memory_of(process.pid)
                    seconds = time.monotonic() - began
                    sample = Sample(seconds, updates, resident / 1e6, highest / 1e6, cpu_of(process.pid))
                    self.samples.append(sample)
                except (FileNotFoundError, ProcessLookupError, KeyError):
                    pass  # it has ended
                await asyncio.wait([ended], timeout=every)
        finally:
            if not ended.done():
                process.kill()
            await ended
        self.updates = await connection.fetchval(_UPDATES) - before
        if process.returncode:
            raise RuntimeError(f"the tracker ended with {process.returncode}:\n{self.log.read_text()[-2_000:]}")

    async def _ended(self, process: asyncio.subprocess.Process, began: float) -> None:
        await process.wait()
        self.seconds = time.monotonic() - began

    def after(self, updates: int) -> Sample:
        """Return the first sample with this number of updates, or else the last one."""
        return next((sample for sample in self.samples if sample.updates >= updates), self.samples[-1])
