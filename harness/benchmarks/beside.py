"""An agent beside its bare loop: alternating runs of some cycles each, speed and CPU."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from harness.benchmarks.comparing import Series, alternate
from harness.benchmarks.lines import STATED, Goal, Line

__all__ = ["Compared", "Cycle", "Run", "compare", "speed_of"]

Cycle = Callable[[], Awaitable[int]]
"""One cycle; how many things it did."""
Run = Callable[[Cycle], Awaitable[float]]
"""Measures a cycle, again and again."""


@dataclass(frozen=True)
class Compared:
    """Speeds, in things a second, and CPU seconds of this process for each thing."""

    speed: Mapping[str, Series]
    cpu: Mapping[str, Series]

    def lines(self, row: int, what: str, things: str, batch: tuple[int, str], *, least: float) -> list[Line]:
        """Two lines of the table: the first side's speed beside the second's, and its CPU.

        Args:
            row: of the table.
            what: is measured.
            things: that are done, such as ``videos``.
            batch: for how many of them the CPU is stated, and what these are called.
            least: the ratio of the speeds that is the goal.
        """
        times, called = batch
        return [
            self._line(self.speed, row, what, f"{things}/s", Goal.at_least(least)),
            self._line(self.cpu, row, f"{what}: CPU of its process", f"s/{called}", STATED, times),
        ]

    def _line(self, measured: Mapping[str, Series], row: int, what: str, unit: str, goal: Goal, times: int = 1) -> Line:
        ours, limit = measured.values()
        return Line(
            row, what, ours.median * times, unit, "bare loop", limit.median * times, ours.median / limit.median,
            goal, ours.noise, {name: [value * times for value in series.values] for name, series in measured.items()},
        )  # fmt: skip


async def speed_of(cycle: Cycle, cycles: int) -> tuple[float, float, int]:
    """Things a second of some cycles, after one to warm up; CPU seconds of each; and how many there were."""
    await cycle()
    began, spent = time.perf_counter(), time.process_time()
    done = sum([await cycle() for _ in range(cycles)])
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    return done / seconds, spent / done, done


async def compare(
    sides: Mapping[str, Callable[[Run], Awaitable[float]]],
    *,
    prepare: Callable[[int], Awaitable[None]],
    cycles: int,
    a_cycle: int,
    runs: int,
) -> Compared:
    """Measures two sides.

    Args:
        sides: name → opens what the side works with, has a cycle measured, and closes it.
        prepare: fills the tables with so many things to do.
        cycles: of a run; one more warms up.
        a_cycle: how many things a cycle does, every time.
        runs: of each side; one more warms up.
    """
    cpu: dict[str, list[float]] = defaultdict(list)

    def measure(name: str) -> Callable[[], Awaitable[float]]:
        async def run(cycle: Cycle) -> float:
            await prepare(a_cycle * (cycles + 1))
            speed, spent, done = await speed_of(cycle, cycles)
            assert done == a_cycle * cycles, f"{name} did {done} of {a_cycle * cycles}"
            cpu[name].append(spent)
            return speed

        return lambda: sides[name](run)

    speed = await alternate(runs, {name: measure(name) for name in sides})
    return Compared(speed, {name: Series(cpu[name][1:]) for name in sides})  # the first warmed up
