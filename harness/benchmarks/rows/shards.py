"""Row 6: 1, 2, 4 and 8 shards with one call in flight each, at an API that takes 100 ms, beside one shard alone.

Each shard is a process of its own, as in a container. The limit is N times one shard, until the cores are full: one
shard's share of the cores says how many of them fit. The shards share the cores with PostgreSQL and the API, whose part
counts as theirs.

The clock starts when every shard has logged its first cycles, and stops when the first of them has only its last one to
do: at both moments the database is asked what is done, and the kernel what CPU time it took. So neither the start of a
process counts nor its end.

No double claim: after each run, the rows that all shards claimed are as many as the different rows that were written,
and none was written twice. Each row is due once in a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from atlas.database import database
from harness.benchmarks.comparing import Series, alternate
from harness.benchmarks.lines import STATED, Goal, Line
from harness.benchmarks.tables import due_queries, due_videos
from harness.benchmarks.world import agent_environment, api, fresh_database
from harness.driver.proc import machine_seconds, parent_of, tree_seconds

LATENCY = 0.1  # seconds
NOISY = 0.1  # of the cores: where other processes use more, the line says so
_WARM = 2  # cycles of each shard before the clock starts
_PATIENCE = 120.0  # seconds: only a defect lasts so long
_TWICE = "SELECT count(*) - count(DISTINCT video_id) AS n FROM video_stats_log"


@dataclass(frozen=True)
class ShardWork:
    """What shards are to do.

    Attributes:
        batch: rows of a cycle.
        cycles: of each shard.
        written: SQL that counts what all of them have done so far.
        claimed: the name of the rows that a shard claimed in its result file.
    """

    agent: str
    things: str
    batch: int
    cycles: int
    shards: tuple[int, ...]
    written: str
    claimed: str


TRACKER = ShardWork(
    "tracker", "videos", 50, 40, (1, 2, 4, 8), "SELECT count(*) FROM video_stats_log", "targets"
)  # fmt: skip
HUNTER = ShardWork(
    "hunter", "searches", 1, 20, (1, 8), "SELECT count(*) FROM search_queue WHERE last_searched_at IS NOT NULL",
    "topics",
)  # fmt: skip
QUICK = ShardWork("tracker", "videos", 50, 8, (1, 2), TRACKER.written, "targets")


@dataclass(frozen=True)
class Measured:
    """The result of a run.

    Attributes:
        speed: things a second, of all shards.
        used: share of this machine's cores that shards, PostgreSQL, API and this process used.
        others: share of them that other processes used.
        stats: of each shard, from its result file.
    """

    speed: float
    used: float
    others: float
    seconds: float
    stats: list[dict[str, Any]]


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Return a line for each agent and number of shards."""
    lines = []
    async with fresh_database():
        with api(LATENCY) as url:
            for work in (QUICK,) if quick else (TRACKER, HUNTER):
                lines += await _row(work, url, 1 if quick else runs)
    return lines


async def _row(work: ShardWork, url: str, runs: int) -> list[Line]:
    seen: dict[int, list[Measured]] = defaultdict(list)

    async def run(shards: int) -> float:
        rows = shards * work.batch * work.cycles
        await (due_videos(rows) if work.agent == "tracker" else due_queries(rows))
        measured = await _steady(work, shards, url)
        await _no_double_claim(work, measured, rows)
        seen[shards].append(measured)
        return measured.speed

    measures: dict[str, Callable[[], Awaitable[float]]] = {str(number): partial(run, number) for number in work.shards}
    found = await alternate(runs, measures, warm=False)  # the clock starts when the shards are warm
    one = found["1"].median
    fit = 1 / statistics.median(run.used for run in seen[1])
    return [_line(work, number, found[str(number)], seen[number], one, fit) for number in work.shards]


def _line(work: ShardWork, number: int, series: Series, seen: list[Measured], one: float, fit: float) -> Line:
    limit = one * min(number, fit)
    used, others = (statistics.median(values) for values in zip(*((run.used, run.others) for run in seen), strict=True))
    beside = f"{number} x one shard" if number <= fit else "all that the cores fit"
    beside += f"; cores {used:.0%} used" + (f", by others {others:.0%}" if others >= NOISY else "")
    return Line(
        6, f"{work.agent}: {number} shard{'s' * (number > 1)}", series.median, f"{work.things}/s", beside, limit,
        None if number == 1 else series.median / limit, STATED if number == 1 else Goal.at_least(0.9), series.noise,
        {
            "runs": list(series.values), "cores_used": [run.used for run in seen],
            "cores_used_by_others": [run.others for run in seen], "seconds": [run.seconds for run in seen],
            "shards_that_fit": fit, "cores": os.cpu_count(), "rows": number * work.batch * work.cycles,
            "claimed": [_claimed(work, run) for run in seen],
        },
    )  # fmt: skip


def _claimed(work: ShardWork, measured: Measured) -> int:
    return sum(stats[work.claimed] for stats in measured.stats)


async def _no_double_claim(work: ShardWork, measured: Measured, rows: int) -> None:
    """Raise RuntimeError unless every row was claimed by one shard once, and written once."""
    claimed = _claimed(work, measured)
    (written,) = await database.fetch(work.written)
    (twice,) = await database.fetch(_TWICE)
    if not claimed == written["count"] == rows or twice["n"]:
        raise RuntimeError(f"{rows} were due, {claimed} claimed, {written['count']} written, {twice['n']} of it twice")


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
        ours = await asyncio.to_thread(tree_seconds, os.getpid(), parent_of(row["pid"]))
        return cls(row["at"], row["done"], ours, machine_seconds())


async def _steady(work: ShardWork, shards: int, url: str) -> Measured:
    """Run the shards to their end. Raises RuntimeError where one does not end well."""
    at_work, ending = asyncio.Barrier(shards + 1), asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            running = [
                group.create_task(_shard(work, f"{shard}/{shards}", url, Path(folder, str(shard)), at_work, ending))
                for shard in range(shards)
            ]
            await at_work.wait()
            first = await _Moment.now(work.written)
            await ending.wait()
            last = await _Moment.now(work.written)
    seconds = last.when - first.when
    cores = seconds * (os.cpu_count() or 1)
    ours = last.ours - first.ours
    others = max(0.0, last.all - first.all - ours)
    stats = [run.result() for run in running]
    return Measured((last.done - first.done) / seconds, ours / cores, others / cores, seconds, stats)


async def _shard(
    work: ShardWork, name: str, url: str, home: Path, at_work: asyncio.Barrier, ending: asyncio.Event
) -> dict[str, Any]:
    """Run a shard. Return its stats."""
    home.mkdir()  # noqa: ASYNC240  an empty folder
    result = home / "result.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "maia", work.agent, "--shard", name, "--batch-size", str(work.batch),
        "--cycles", str(work.cycles), "--result-file", str(result), "--verbose",  # each cycle has a line
        env=await agent_environment(url, home, YOUTUBE_CONCURRENCY="1"), cwd=home, stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    log = []
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            log.append(line.decode())
            if f" cycle {_WARM}, " in log[-1]:
                await at_work.wait()
            if f" cycle {work.cycles - 1}, " in log[-1]:
                ending.set()
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code:
        raise RuntimeError(f"the {work.agent} {name} ended with {code}:\n{''.join(log)[-3000:]}")
    found: dict[str, Any] = json.loads(result.read_text())["stats"]
    return found
