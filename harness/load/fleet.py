"""The shards: every place is filled by one process after another until the time is up."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from demo.children import Child, Children
from harness.load.options import Options

__all__ = ["Fleet", "Place"]

_SHORTEST = 0.6  # seconds; --max-minutes takes no less than 0.01
_REST = 5.0  # seconds before a place is filled again: a process that ended early had nothing to do, or was refused
_PATIENCE = 120.0  # seconds that a process may go on after its time: it ends what it has begun
_SIMULATED_TOGETHER = 32  # claimers of one process


@dataclass
class Place:
    """One place of the fleet: its name, as in leases, and its arguments."""

    name: str
    command: Sequence[str]
    child: Child | None = None
    codes: Counter[int | None] = field(default_factory=Counter)


@dataclass
class Fleet:
    """All places.

    Attributes:
        codes: exit code → processes that ended with it; None: had to be killed.
    """

    options: Options
    children: Children
    environment: Mapping[str, str]
    places: Sequence[Place]

    @classmethod
    def of(cls, options: Options, children: Children, environment: Mapping[str, str]) -> Fleet:
        """Agents, or claimers if they are to be simulated."""
        measures = options.folder / "measures"
        places = []
        for agent, number in (("hunter", options.hunters), ("tracker", options.trackers)):
            if options.simulated:
                for first in range(0, number, _SIMULATED_TOGETHER):
                    until = min(first + _SIMULATED_TOGETHER, number)
                    command = [
                        "harness.load.claimers", str(measures / f"{agent}-{first}.jsonl"), agent, str(first),
                        str(until),
                        str(number), str(options.batch if agent == "tracker" else 2), str(options.latency),
                    ]  # fmt: skip
                    places.append(Place(f"{agent} {first}-{until}/{number}", command))
                continue
            for index in range(number):
                # Hunters search two at a time: many small claims, as of a fleet, from a few processes
                command = [
                    "harness.load.shard", str(measures / f"{agent}-{index}.jsonl"), agent, "--shard",
                    f"{index}/{number}",
                    "--batch-size", str(options.batch if agent == "tracker" else 2), "--max-minutes",
                ]  # fmt: skip
                places.append(Place(f"{agent} {index}/{number}", command))
        return cls(options, children, environment, places)

    @property
    def codes(self) -> Counter[int | None]:
        total: Counter[int | None] = Counter()
        for place in self.places:
            total.update(place.codes)
        return total

    async def work(self, seconds: float) -> None:
        """Keeps every place filled until the time is up and all processes have ended by themselves."""
        ends = time.monotonic() + seconds
        await asyncio.gather(*(self._fill(place, ends) for place in self.places))

    async def _fill(self, place: Place, ends: float) -> None:
        while (left := ends - time.monotonic()) > _SHORTEST:
            file = f"{place.name.replace('/', '-of-').replace(' ', '-')}.log"
            command = [sys.executable, "-m", *place.command, f"{left / 60:.4f}"]
            place.child = self.children.start(
                place.name, command, self.options.folder / "logs" / file, self.environment
            )
            place.codes[await place.child.wait(left + _PATIENCE)] += 1
            await asyncio.sleep(min(_REST, max(ends - time.monotonic(), 0)))
