"""Shards of an agent as processes of their own, and how much they do a second once all of them are at work.

The clock begins when every shard has logged its first cycles, and stops when the first of them has only its last one
to do: at both moments the database is asked what is done, and the kernel what CPU time it took. So neither the start of
a process counts nor its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas.database import database
from harness.benchmarks.cores import machine_seconds, parent_of, tree_seconds

__all__ = ["Measured", "Work", "steady"]

_WARM = 2  # cycles of each shard before the clock begins
_PATIENCE = 120.0  # seconds: only a defect lasts so long


@dataclass(frozen=True)
class Work:
    """What shards are to do.

    Attributes:
        agent: whose.
        batch: rows of a cycle.
        cycles: of each shard.
        done: SQL that counts what all of them have done so far.
    """

    agent: str
    batch: int
    cycles: int
    done: str


@dataclass(frozen=True)
class Measured:
    """What came of it.

    Attributes:
        speed: things a second, of all shards.
        used: share of this machine's cores that shards, PostgreSQL, API and this process used.
        others: share of them that other processes used.
        seconds: for how long it was measured.
        stats: of the whole run, shard by shard, from their result files.
    """

    speed: float
    used: float
    others: float
    seconds: float
    stats: list[dict[str, Any]]


@dataclass(frozen=True)
class _Moment:
    when: float
    done: int
    ours: float
    all: float

    @classmethod
    async def now(cls, done: str) -> _Moment:
        (row,) = await database.fetch(
            f"SELECT extract(epoch FROM clock_timestamp())::float8 AS at, ({done}) AS done, pg_backend_pid() AS pid"
        )
        server = await asyncio.to_thread(parent_of, row["pid"])
        ours = await asyncio.to_thread(tree_seconds, os.getpid(), server)
        return cls(row["at"], row["done"], ours, machine_seconds())


async def steady(work: Work, shards: int, environment: Mapping[str, str]) -> Measured:
    """Runs the shards to their end. Raises RuntimeError where one does not end well."""
    at_work, ending = asyncio.Barrier(shards + 1), asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        homes = [Path(folder, str(shard)) for shard in range(shards)]
        for home in homes:
            home.mkdir()
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            running = [
                group.create_task(_shard(work, f"{shard}/{shards}", environment, home, at_work, ending))
                for shard, home in enumerate(homes)
            ]
            await at_work.wait()
            first = await _Moment.now(work.done)
            await ending.wait()
            last = await _Moment.now(work.done)
    seconds = last.when - first.when
    cores = seconds * (os.cpu_count() or 1)
    ours = last.ours - first.ours
    others = max(0.0, last.all - first.all - ours)
    stats = [run.result() for run in running]
    return Measured((last.done - first.done) / seconds, ours / cores, others / cores, seconds, stats)


async def _shard(
    work: Work, name: str, environment: Mapping[str, str], home: Path, at_work: asyncio.Barrier, ending: asyncio.Event
) -> dict[str, Any]:
    """Its stats."""
    result = home / "result.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "maia", work.agent, "--shard", name, "--batch-size", str(work.batch),
        "--cycles", str(work.cycles), "--result-file", str(result),
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(home), **environment}, cwd=home,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = []
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode()
            said.append(text)
            if f" cycle {_WARM}, " in text:
                await at_work.wait()
            if f" cycle {work.cycles - 1}, " in text:
                ending.set()
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code:
        raise RuntimeError(f"the {work.agent} {name} ended with {code}:\n{''.join(said)[-3000:]}")
    found: dict[str, Any] = json.loads(result.read_text())["stats"]
    return found
