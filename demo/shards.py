"""Hunters and Trackers side by side: each place is filled by one process after another, as cron fills a fleet's."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atlas.clock import Clock
from atlas.quota.buckets import quota_reset
from demo.children import Child, Children

__all__ = ["Fleet", "Place", "ShardFailed", "cycle_of"]

_SHORTEST = 0.6  # seconds; --max-minutes takes no less than 0.01
_PATIENCE = 45.0  # seconds that a process may go on after its time: it ends what it has begun
_IDLE = 0.5  # seconds before a place is filled again when nothing was due
_CHURN = 75  # a rate limit: a fresh process goes on, here as in the fleet
_BATCH = {"hunter": 10, "tracker": 500}


class ShardFailed(Exception):
    """A shard did not end well; the message has the end of its log."""


@dataclass
class Place:
    """One place of the fleet, and what its processes did.

    Attributes:
        doing: for people.
        runs: processes that have ended.
        stats: their result files' counts, added up.
    """

    agent: str
    index: int
    total: int
    doing: str = "waits"
    runs: int = 0
    stats: Counter[str] = field(default_factory=Counter)
    child: Child | None = None

    @property
    def name(self) -> str:
        """As in leases, logs and User-Agents."""
        return f"{self.agent} {self.index}/{self.total}"

    @property
    def file_name(self) -> str:
        """Of its logs and results."""
        return f"{self.agent}-{self.index}"

    def last_cycle(self) -> str:
        """What its log says of the last cycle."""
        lines = self.child.last_lines(40) if self.child else []
        return next((text for line in reversed(lines) if (text := cycle_of(line))), "")


def cycle_of(line: str) -> str:
    """What a line of an agent's log says of a cycle: ``ok, topics 10, …``; empty where it is about something else."""
    _, mark, text = line.partition(": cycle ")
    _, colon, summary = text.partition(" s: ")
    return summary if mark and colon else ""


@dataclass
class Fleet:
    """All places, and how they are filled.

    Attributes:
        folder: the demo's; logs and results are in it.
        environment: of every process.
        wave: seconds that a process may take.
    """

    folder: Path
    children: Children
    environment: Mapping[str, str]
    clock: Clock
    wave: float
    places: list[Place]

    @classmethod
    def of(
        cls, folder: Path, children: Children, environment: Mapping[str, str], clock: Clock, wave: float, *,
        hunters: int, trackers: int,
    ) -> Fleet:  # fmt: skip
        """A fleet of so many."""
        places = [Place("hunter", index, hunters) for index in range(hunters)]
        places += [Place("tracker", index, trackers) for index in range(trackers)]
        return cls(folder, children, environment, clock, wave, places)

    async def work(self, seconds: float) -> None:
        """Keeps every place filled until the time is up and all processes have ended by themselves.

        Raises:
            ShardFailed: one of them did not end well; the others are left for the caller to stop.
        """
        ends = time.monotonic() + seconds
        tasks = [asyncio.create_task(self._fill(place, ends)) for place in self.places]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, place: Place, ends: float) -> None:
        while (left := ends - time.monotonic()) > _SHORTEST:
            outcome = await self._run(place, min(self.wave, left))
            await self._rest(place, outcome, ends)
        place.doing = "done"

    async def _run(self, place: Place, seconds: float) -> str:
        """One process, from its start to its result. Returns its outcome."""
        result = self.folder / "results" / f"{place.file_name}-{place.runs}.json"
        log = self.folder / "logs" / f"{place.file_name}.log"
        command = [
            sys.executable, "-m", "maia", place.agent, "--shard", f"{place.index}/{place.total}",
            "--batch-size", str(_BATCH[place.agent]), "--max-minutes", f"{max(seconds, _SHORTEST) / 60:.4f}",
            "--result-file", str(result),
        ]  # fmt: skip
        place.child = self.children.start(place.name, command, log, self.environment)
        place.doing = "works"
        code = await place.child.wait(seconds + _PATIENCE)
        if code is None:
            raise ShardFailed(self._failure(place, f"did not end within {_PATIENCE:.0f} s after its time"))
        place.runs += 1
        if code not in (0, _CHURN):
            raise ShardFailed(self._failure(place, f"ended with exit code {code}"))
        try:
            told: dict[str, Any] = json.loads(result.read_bytes())
        except (OSError, ValueError):
            raise ShardFailed(self._failure(place, "left no result file")) from None
        place.stats.update({name: value for name, value in told["stats"].items() if isinstance(value, int)})
        return str(told["outcome"])

    async def _rest(self, place: Place, outcome: str, ends: float) -> None:
        """Nothing to do for a while: the place stays empty for so long, and no longer than the demo."""
        if outcome == "quota-exhausted":
            place.doing = "rests until midnight Pacific (quota spent)"
            now = self.clock.now()
            pause = self.clock.real_seconds(quota_reset(now) - now)
        elif outcome == "idle":
            place.doing = "rests (nothing due)"
            pause = _IDLE
        else:
            return
        await asyncio.sleep(min(pause, max(ends - time.monotonic(), 0)))

    @staticmethod
    def _failure(place: Place, what: str) -> str:
        said = place.child.last_lines() if place.child else []
        where = f" ({place.child.log})" if place.child else ""
        return "\n    ".join([f"{place.name} {what}. The end of its log{where}:", *said])
