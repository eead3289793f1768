"""Rows 1 and 5: one shard of an agent against an API that answers at once, beside the same by hand.

Row 1: the Tracker, in cycles of 1,000 videos (20 calls at once) and of 50 (one call), and what judging growth costs it,
also with an API of 100 ms. Row 5: the Hunter, in cycles of 10 searches. Every search finds 50 videos that are new, so
that all of them are enriched, stored and archived.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from harness.benchmarks.bare.hunter import hunt
from harness.benchmarks.bare.tools import bare
from harness.benchmarks.bare.tracker import track
from harness.benchmarks.canned import RESULTS
from harness.benchmarks.comparing import Series, alternate
from harness.benchmarks.lines import STATED, Goal, Line
from harness.benchmarks.tables import due_queries, due_videos
from harness.benchmarks.world import POOL, api, fresh_database
from maia.agents.readings_watch import ReadingsWatch
from maia.agents.session import agent_session
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle

_SEARCHES = 10  # of a cycle, the default
_TRACKERS = {
    False: ((0, 1_000, 20), (0, 50, 250), (100, 1_000, 20), (100, 50, 30)),
    True: ((0, 1_000, 2), (0, 50, 4), (100, 50, 2)),
}
"""By whether a run is quick: milliseconds of the API, videos of a cycle, cycles of a run."""

Cycle = Callable[[], Awaitable[int]]
"""One cycle; returns how many things it did."""
Finish = Callable[[], Awaitable[None]]
"""What is left to do after the last cycle."""
Run = Callable[[Cycle, Finish], Awaitable[float]]
"""Measures a cycle, again and again, and what is left after it; returns its speed."""
Side = Callable[[Run], Awaitable[float]]
"""Opens what a side works with, has a cycle measured, and closes it."""


@dataclass(frozen=True)
class _Row:
    """A row of the table, and how it is measured.

    Attributes:
        things: that are done, such as ``videos``.
        stated: for how many of them the CPU is stated, and what these are called.
        least: the goal for the ratio of the speeds.
        prepare: fills the tables with a number of things to do.
        cycles: of a run; one more warms up.
        batch: things that a cycle does, every time.
    """

    number: int
    what: str
    things: str
    stated: tuple[int, str]
    least: float
    prepare: Callable[[int], Awaitable[None]]
    cycles: int
    batch: int
    runs: int
    quick: bool

    async def lines(self, maia: Side, by_hand: Side, **without: Side) -> list[Line]:
        """Measure the sides. Return a line for the speed, one for the CPU, and one for each thing that Maia is without.

        Args:
            without: by the name of what Maia leaves out, Maia without it.
        """
        speed, cpu = await self._measure({"maia": maia, "bare": by_hand, **without})
        times, called = self.stated
        stated = {name: Series([value * times for value in values]) for name, values in cpu.items()}
        return [
            self._line(speed, "bare", self.what, f"{self.things}/s", "bare loop", Goal.at_least(self.least)),
            self._line(stated, "bare", f"{self.what}: CPU of its process", f"s/{called}", "bare loop", STATED),
            *(self._cost(speed, f"the same, with {name}", name, 0.95) for name in without),
        ]

    async def costs(self, maia: Side, least: float, **without: Side) -> list[Line]:
        """Measure Maia beside itself without something. Return a line for each, with `least` as its goal."""
        speed, _ = await self._measure({"maia": maia, **without})
        return [self._cost(speed, f"{self.what}, with {name}", name, least) for name in without]

    async def _measure(self, sides: Mapping[str, Side]) -> tuple[dict[str, Series], dict[str, list[float]]]:
        """Return each side's things a second, and the seconds of the processor that each thing took."""
        cpu: dict[str, list[float]] = defaultdict(list)

        def measure(name: str, side: Side) -> Callable[[], Awaitable[float]]:
            async def run(cycle: Cycle, finish: Finish) -> float:
                await self.prepare(self.batch * (self.cycles + 1))
                await cycle()
                await finish()
                began, spent = time.perf_counter(), time.process_time()
                done = sum([await cycle() for _ in range(self.cycles)])
                await finish()
                seconds, spent = time.perf_counter() - began, time.process_time() - spent
                assert done == self.batch * self.cycles, f"{name} did {done} of {self.batch * self.cycles}"
                cpu[name].append(spent / done)
                return done / seconds

            return lambda: side(run)

        speed = await alternate(
            self.runs, {name: measure(name, side) for name, side in sides.items()}, warm=not self.quick
        )
        return speed, {name: cpu[name][-self.runs :] for name in speed}

    def _cost(self, speed: Mapping[str, Series], what: str, name: str, least: float) -> Line:
        return self._line(speed, name, what, f"{self.things}/s", f"without {name}", Goal.at_least(least))

    def _line(self, measured: Mapping[str, Series], other: str, what: str, unit: str, beside: str, goal: Goal) -> Line:
        ours, limit = measured["maia"], measured[other]
        return Line(
            self.number, what, ours.median, unit, beside, limit.median, ours.over(limit), goal, ours.noise,
            {name: measured[name].values for name in ("maia", other)},
        )  # fmt: skip


async def _nothing() -> None:
    """Nothing is left to do."""


async def measure_tracker(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 1."""
    lines = []
    for latency, batch, cycles in _TRACKERS[quick]:
        what = f"Tracker, one shard, {batch:,} videos a cycle" + (f", API of {latency} ms" if latency else "")
        row = _Row(1, what, "videos", (1_000, "1,000 videos"), 0.80, due_videos, cycles, batch, runs, quick)
        async with fresh_database():
            with (
                api(latency / 1_000) as url,
                settings.override(youtube_api_base_url=url, youtube_api_key_pool_json=POOL),
            ):
                lines += await _compare_trackers(row, url, latency)
    return lines


async def _compare_trackers(row: _Row, url: str, latency: int) -> list[Line]:
    async def cycle() -> int:
        return int((await run_tracker_cycle(row.batch))["updated"])

    async def maia(run: Run, dao: type[MaiaDAO] = MaiaDAO) -> float:
        async with agent_session("tracker") as session:
            session.repeats = True
            readings = session.readings = ReadingsWatch(dao())
            return await run(cycle, lambda: readings.finish(session.shutdown))

    async def without_judging(run: Run) -> float:
        return await maia(run, _NotJudging)

    async def by_hand(run: Run) -> float:
        async with bare(await database.dsn(), url) as tools:
            return await run(lambda: track(tools, row.batch), _nothing)

    if latency:
        return await row.costs(maia, 0.9, judging=without_judging)
    return await row.lines(maia, by_hand, judging=without_judging)


class _NotJudging(MaiaDAO):
    """Judges no growth: what the Tracker is compared with to state what judging costs it."""

    async def judge_growth(self, ids: Sequence[str], since: datetime) -> list[str]:  # noqa: ARG002
        return []

    async def learn_growth(self) -> bool:
        return False


async def measure_hunter(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 5."""
    what = f"Hunter, one shard, {_SEARCHES} searches a cycle, wholly stored and archived"
    with tempfile.TemporaryDirectory(prefix="maia-bench-vault-") as name:
        folder = Path(name)

        async def prepare(searches: int) -> None:
            for side in ("maia", "bare"):
                shutil.rmtree(folder / side, ignore_errors=True)
            await due_queries(searches)

        row = _Row(5, what, "searches", (1, "search"), 0.60, prepare, 3 if quick else 20, _SEARCHES, runs, quick)
        async with fresh_database():
            return await _compare_hunters(row, folder)


async def _compare_hunters(row: _Row, folder: Path) -> list[Line]:
    async def cycle() -> int:
        stats = await run_hunter_cycle(row.batch)
        searches: int = stats["searches"]
        assert {stats[of] for of in ("videos_new", "videos_enriched", "archived")} == {RESULTS * searches}, stats
        return searches

    async def maia(run: Run) -> float:
        given = {"youtube_api_key_pool_json": POOL, "vault_provider": "local", "vault_path": folder / "maia"}
        with api(0, new=RESULTS) as url, settings.override(youtube_api_base_url=url, **given):
            async with agent_session("hunter"):
                return await run(cycle, _nothing)

    async def by_hand(run: Run) -> float:
        with api(0, new=RESULTS) as url:
            async with bare(await database.dsn(), url) as tools:
                return await run(lambda: hunt(tools, row.batch, folder / "bare"), _nothing)

    return await row.lines(maia, by_hand)
