"""Rows 9, 11 and 12, out of one run: one Tracker updates a million videos, then works on for ten minutes.

The shard is ``maia tracker`` in a process of its own, as a user starts it, on an embedded PostgreSQL with the settings
that the product gives it, against the canned API, which takes 100 ms for each answer. It has a batch of its own size;
all else is the default. All videos are due when it starts, and it ends when none is: each has one new snapshot then,
which is checked.

- **Row 9** reads the process's memory from /proc, when 10,000 videos are written and before it ends.
- **Row 11** is the wall time from the start of the process to its end, for the one shard that there is. Beside it
  stands what the API's latency alone would take with as many calls at once.
- **Row 12** takes the sizes and counters of that same run. Beside them stand the same snapshots, inserted once more
  into a table of the same shape by one statement, without any claim. Then the same shard goes on for ten minutes, with
  a schedule clock that makes every video due again sooner than the shard can come round, and the size of the table of
  the videos is looked at every few seconds: autovacuum keeps up if it does not grow in the last third any more.
"""

from __future__ import annotations

import dataclasses
import resource
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from atlas.config import Settings
from atlas.database import database
from harness.benchmarks.lines import Goal, Line
from harness.benchmarks.long.costs import (
    MOST,
    TableGrowth,
    bare_insert,
    fill,
    halves,
    largest,
    size_of_snapshots,
    size_of_videos,
    watch,
    wear,
)  # fmt: skip
from harness.benchmarks.long.shard import Tracker
from harness.benchmarks.world import agent_environment, api, fresh_database
from harness.driver.proc import parent_of, tree_seconds

_LATENCY = 0.1  # seconds
_CALL = 50  # videos
_CALLS_AT_ONCE = int(Settings.model_fields["youtube_concurrency"].default)
_BATCH = 1_000
_ENOUGH = 60.0  # minutes, after which a run that has not ended will not do so


@dataclass(frozen=True)
class _Size:
    """How large the run is.

    Attributes:
        early: updates after which the memory is measured for the comparison.
        minutes: of updates without a pause, for autovacuum.
        every: seconds between two looks at the table.
        halves: batches of 50 whose two writes are measured apart.
        clock: schedule seconds a second in these minutes: a day is over before a shard has read every video.
        plateau: the goal for the table in the last third of these minutes, beside the middle one. A quick run is over
            before autovacuum looks for the first time.
    """

    videos: int
    early: int
    minutes: float
    every: float
    halves: int
    clock: int
    plateau: Goal


_WHOLE = _Size(videos=MOST, early=10_000, minutes=10.0, every=3.0, halves=100, clock=1_440, plateau=Goal.at_most(1.05))
_QUICK = _Size(videos=10_000, early=1_000, minutes=5 / 60, every=0.5, halves=10, clock=86_400, plateau=Goal("stated"))


@dataclass
class _Run:
    """The result of the run of a million.

    Attributes:
        wear: the growth of the database's counters.
        size, table: bytes of the snapshots, and of the table of the videos before and after.
        bare: the same snapshots without claims.
        cpu: seconds of the shard, the database and the API.
        halves: what the two writes of a video cost.
    """

    tracker: Tracker
    wear: Mapping[str, int]
    size: Mapping[str, int]
    bare: TableGrowth
    cpu: Mapping[str, float]
    halves: Mapping[str, Mapping[str, float]]
    table: Mapping[str, int]


async def measure(*, runs: int, quick: bool) -> list[Line]:  # noqa: ARG001  one run: it is long enough
    """Measure rows 9, 11 and 12."""
    size = _QUICK if quick else _WHOLE
    async with fresh_database(), _connected() as connection:
        await fill(connection, size.videos)
        with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
            run = await _million(connection, size, Path(folder) / "million.log")
            lines = [*_memory(run, size), _minutes(run, size), *_growth(run, size)]
            return [*lines, *await _ten_minutes(connection, run, size, Path(folder) / "minutes.log")]


@asynccontextmanager
async def _connected() -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect()
    try:
        yield connection
    finally:
        await connection.close()


async def _tracker(url: str, log: Path, *options: str, **environment: str) -> Tracker:
    given = await agent_environment(url, log.parent, **environment)
    return Tracker(["--batch-size", str(_BATCH), *options], given, log)


async def _million(connection: asyncpg.Connection, size: _Size, log: Path) -> _Run:
    server = parent_of(connection.get_server_pid())
    table = {"before": await size_of_videos(connection)}
    before, cpu_before, children_before = await wear(connection), tree_seconds(server), _children()
    with api(_LATENCY) as url:
        # real time, as a clock of its own: a faster one follows, which a database of the real clock's refuses
        now = datetime.now(UTC).isoformat()
        tracker = await _tracker(url, log, "--max-minutes", str(_ENOUGH), ATLAS_CLOCK=f"1x@{now}={now}")
        await tracker.run(connection)
    after, database_cpu = await wear(connection), tree_seconds(server) - cpu_before
    table["after"] = await size_of_videos(connection)
    shard_cpu = tracker.samples[-1].cpu
    cpu = {"shard": shard_cpu, "database": database_cpu, "api": _children() - children_before - shard_cpu}
    await _each_once(connection, size.videos)
    snapshots = await size_of_snapshots(connection)
    bare = await bare_insert(connection)
    claim, update = await halves(size.halves)
    taken = {"claim": dataclasses.asdict(claim), "update": dataclasses.asdict(update)}
    return _Run(tracker, {name: after[name] - before[name] for name in after}, snapshots, bare, cpu, taken, table)


def _children() -> float:
    """Return the CPU seconds of the children that have ended: the API and the shards; the server is none."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _each_once(connection: asyncpg.Connection, videos: int) -> None:
    """Raise RuntimeError unless every video has exactly one snapshot."""
    found = await connection.fetchrow(
        "SELECT count(*) AS written, count(DISTINCT video_id) AS videos FROM video_stats_log", timeout=600
    )
    if (found["written"], found["videos"]) != (videos, videos):
        raise RuntimeError(f"{found['written']} snapshots of {found['videos']} videos; {videos} of as many are right")


def _memory(run: _Run, size: _Size) -> list[Line]:
    early, late = run.tracker.after(size.early), run.tracker.samples[-1]
    details = {"early": dataclasses.asdict(early), "late": dataclasses.asdict(late), "batch": _BATCH}
    return [
        Line(
            9, f"memory of one shard after {size.videos:,} updates", late.resident, "MB",
            beside=f"MB after {size.early:,}", limit=early.resident, judged=late.resident / early.resident,
            goal=Goal.at_most(1.1), details=details,
        ),
        Line(
            9, "memory of one shard: the most that it ever had", late.highest, "MB", judged=late.highest,
            goal=Goal.at_most(120, " MB"),
        ),
    ]  # fmt: skip


def _minutes(run: _Run, size: _Size) -> Line:
    seconds, calls = run.tracker.seconds, size.videos / _CALL
    minutes = seconds / 60
    alone = calls * _LATENCY / _CALLS_AT_ONCE / 60
    details = {
        "shards": 1, "batch": _BATCH, "calls_at_once": _CALLS_AT_ONCE, "seconds": seconds, "cpu": dict(run.cpu),
        "videos_per_second": size.videos / seconds, "per_million": minutes * 1e6 / size.videos,
        "samples": [dataclasses.astuple(sample) for sample in run.tracker.samples[:: max(1, size.videos // 10_000)]],
    }  # fmt: skip
    return Line(
        11, f"{size.videos:,} updates, API of 100 ms, 1 shard, --batch-size {_BATCH:,}", minutes, "runner minutes",
        beside=f"{_CALLS_AT_ONCE} calls at once, latency alone", limit=alone, judged=minutes,
        goal=Goal.at_most(5, " runner minutes"), details=details,
    )  # fmt: skip


def _growth(run: _Run, size: _Size) -> list[Line]:
    per_million = 1e6 / size.videos / 1e6
    stored, bare = sum(run.size.values()), run.bare.rows + run.bare.indexes
    wal, bare_wal = run.wear["wal_bytes"] / size.videos, run.bare.wal / size.videos
    return [
        Line(
            12, "a million snapshots, rows and index", stored * per_million, "MB", beside="MB, bare insert",
            limit=bare * per_million, judged=stored / bare,
            details={"size": dict(run.size), "bare": dataclasses.asdict(run.bare)},
        ),
        Line(
            12, "write-ahead log of a video's claim and update, first reading", wal, "bytes",
            beside="bytes, bare insert", limit=bare_wal, judged=wal / bare_wal,
            details={"wear": dict(run.wear), "halves": run.halves, "videos_table": run.table},
        ),
        Line(
            12, "dead rows that both leave", run.wear["updated"] / size.videos, "rows", beside="rows, bare insert",
            limit=0.0,
        ),
        _stayed(run.wear, size.videos, "first reading"),
    ]  # fmt: skip


def _stayed(wear: Mapping[str, int], updates: int, when: str) -> Line:
    # an update never can: it writes due_at, which the claim's index is made of
    hot = 100 * wear["updated_hot"] / max(1, updates)
    return Line(12, f"claims that touch no index (HOT), {when}", hot, "%")


async def _ten_minutes(connection: asyncpg.Connection, run: _Run, size: _Size, log: Path) -> list[Line]:
    # it begins a day and some hours ahead: all that the first run wrote is due again
    now = datetime.now(UTC)
    clock = f"{size.clock}x@{now.isoformat()}={(now + timedelta(hours=30)).isoformat()}"
    before = await wear(connection)
    with api(_LATENCY) as url:
        tracker = await _tracker(url, log, "--max-minutes", str(round(size.minutes, 2)), ATLAS_CLOCK=clock)
        async with _connected() as other:
            looks = await watch(connection, tracker.run(other, every=size.every), size.every)
    after = await wear(connection)
    grown = {name: after[name] - before[name] for name in after}
    updates, middle, last = tracker.updates, largest(looks, 1), largest(looks, 2)
    wal, bare_wal = grown["wal_bytes"] / max(1, updates), run.bare.wal / size.videos
    details = {
        "looks": [dataclasses.asdict(look) for look in looks], "wear": grown, "updates": updates,
        "per_second": updates / tracker.seconds, "memory": dataclasses.asdict(tracker.samples[-1]),
        "dead_most": max(look.dead for look in looks),
    }  # fmt: skip
    when = "ten minutes" if size is _WHOLE else "some seconds"
    return [
        Line(
            12, f"write-ahead log of a video's claim and update, {when}", wal, "bytes", beside="bytes, bare insert",
            limit=bare_wal, judged=wal / bare_wal,
        ),
        _stayed(grown, updates, when),
        Line(
            12, f"table of the videos, last third of {when}", last / 1e6, "MB", beside="MB, middle third",
            limit=middle / 1e6, judged=last / middle, goal=size.plateau, details=details,
        ),
    ]  # fmt: skip
