"""Measure things against each other in one run: in turn, so that changes of the machine affect all."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """The figures of one thing, run by run."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, other: Series) -> float:
        """Return the median of this divided by another, run by run.

        Runs of one number follow each other closely, so that a machine that changes its speed changes both.
        """
        return statistics.median(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True))

    @property
    def noise(self) -> float:
        """Half of the distance between the largest and the smallest, divided by the median."""
        return (max(self.values) - min(self.values)) / 2 / self.median if self.median else 0.0


async def alternate(
    runs: int, measures: Mapping[str, Callable[[], Awaitable[float]]], *, warm: bool = True
) -> dict[str, Series]:
    """Call each measure ``runs`` times in turn: a b, b a, a b, and so on; if ``warm``, once before, for nothing."""
    if warm:
        for measure in measures.values():
            await measure()
    found: dict[str, list[float]] = {name: [] for name in measures}
    for run in range(runs):
        for name in measures if run % 2 == 0 else reversed(list(measures)):
            found[name].append(await measures[name]())
    return {name: Series(values) for name, values in found.items()}
