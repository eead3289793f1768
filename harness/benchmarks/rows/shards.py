"""Row 6: 1, 2, 4 and 8 shards with one call in flight each, at an API that takes 100 ms, beside one shard alone.

Each shard is a process of its own, as in a container. The limit is N times one shard, until the cores are full: one
shard's share of the cores says how many of them fit, and no number of shards can do more than these. The shards share
the cores with PostgreSQL and the API, whose part counts as theirs. How the clock runs: `harness.benchmarks.fleet`.

No double claim: after each run, the rows that all shards claimed are as many as the different rows that were written,
and none was written twice. Each row is due once in a run.
"""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial

from atlas.database import database
from harness.benchmarks.comparing import alternate
from harness.benchmarks.fleet import Measured, Work, steady
from harness.benchmarks.lines import STATED, Goal, Line
from harness.benchmarks.tables import due_queries, due_videos
from harness.benchmarks.world import POOL, api, fresh_database

__all__ = ["measure"]

LATENCY = 0.1  # seconds
NOISY = 0.1  # of the cores: where other processes use more, the line says so
SHARDS = {"tracker": (1, 2, 4, 8), "hunter": (1, 8)}

_WRITTEN = {
    "tracker": "SELECT count(*) FROM video_stats_log",
    "hunter": "SELECT count(*) FROM search_queue WHERE last_searched_at IS NOT NULL",
}
_TWICE = "SELECT count(*) - count(DISTINCT video_id) AS n FROM video_stats_log"
_CLAIMED = {"tracker": "targets", "hunter": "topics"}
_UNIT = {"tracker": "videos/s", "hunter": "searches/s"}


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """A line for each agent and number of shards."""
    works = [Work("tracker", 50, 8 if quick else 40, _WRITTEN["tracker"])]
    if not quick:
        works.append(Work("hunter", 1, 20, _WRITTEN["hunter"]))
    lines = []
    async with fresh_database():
        with api(LATENCY) as url:
            given = {
                "DATABASE_URL": await database.dsn(),
                "YOUTUBE_API_BASE_URL": url,
                "YOUTUBE_API_KEY_POOL_JSON": POOL,
                "YOUTUBE_CONCURRENCY": "1",
                "VAULT_PROVIDER": "off",
            }
            for work in works:
                lines += await _row(work, (1, 2) if quick else SHARDS[work.agent], given, 1 if quick else runs)
    return lines


async def _row(work: Work, numbers: tuple[int, ...], given: dict[str, str], runs: int) -> list[Line]:
    seen: dict[int, list[Measured]] = defaultdict(list)
    measures: dict[str, Callable[[], Awaitable[float]]] = {
        str(number): partial(_run, work, number, given, seen) for number in numbers
    }
    found = await alternate(runs, measures, warm=False)  # the clock begins when the shards are warm
    one, lines = found["1"].median, []
    fit = 1 / statistics.median(run.used for run in seen[1])
    for number in numbers:
        series, used = found[str(number)], statistics.median(run.used for run in seen[number])
        limit = one * min(number, fit)
        others = statistics.median(run.others for run in seen[number])
        beside = f"{number} x one shard" if number <= fit else "all that the cores fit"
        beside += f"; cores {used:.0%} used" + (f", by others {others:.0%}" if others >= NOISY else "")
        lines.append(
            Line(
                6, f"{work.agent}: {number} shard{'s' * (number > 1)}", series.median, _UNIT[work.agent], beside, limit,
                None if number == 1 else series.median / limit, STATED if number == 1 else Goal.at_least(0.9),
                series.noise,
                {
                    "runs": list(series.values), "cores_used": [run.used for run in seen[number]],
                    "cores_used_by_others": [run.others for run in seen[number]],
                    "seconds": [run.seconds for run in seen[number]], "shards_that_fit": fit,
                    "cores": os.cpu_count(),
                    "rows": number * work.batch * work.cycles, "claimed": [_claimed(work, run) for run in seen[number]],
                },
            )
        )  # fmt: skip
    return lines


async def _run(work: Work, shards: int, given: dict[str, str], seen: dict[int, list[Measured]]) -> float:
    rows = shards * work.batch * work.cycles
    await (due_videos(rows) if work.agent == "tracker" else due_queries(rows))
    measured = await steady(work, shards, given)
    await _no_double_claim(work, measured, rows)
    seen[shards].append(measured)
    return measured.speed


def _claimed(work: Work, measured: Measured) -> int:
    """How many rows all shards say that they claimed."""
    return sum(stats[_CLAIMED[work.agent]] for stats in measured.stats)


async def _no_double_claim(work: Work, measured: Measured, rows: int) -> None:
    """Every row was claimed by one shard once, and written once."""
    claimed = _claimed(work, measured)
    (written,) = await database.fetch(_WRITTEN[work.agent])
    (twice,) = await database.fetch(_TWICE)
    if not claimed == written["count"] == rows or twice["n"]:
        raise RuntimeError(f"{rows} were due, {claimed} claimed, {written['count']} written, {twice['n']} of it twice")
