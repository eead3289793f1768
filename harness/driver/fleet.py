"""Agents side by side: each place is filled by one process after another, as cron fills a fleet's."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.driver.processes import Child, Children, end_of_log

_SHORTEST = 0.6  # seconds; --max-minutes takes no less than 0.01


class ShardFailed(Exception):
    """A shard ended with a code that was not accepted; the message has the end of its log."""


@dataclass
class Place:
    """One place of the fleet.

    Attributes:
        name: as in leases, logs and User-Agents, such as ``hunter 0/2``.
        command: the arguments of Python; the minutes of work are added to them.
    """

    name: str
    command: Sequence[str]
    child: Child | None = None


@dataclass
class Fleet:
    """All places, and how they are filled.

    Attributes:
        folder: its folder ``logs`` gets one log per place.
        wave: seconds that a process may work.
        patience: seconds that it may need after its time, to end what it has begun.
        rest: seconds before a place is filled again.
        accepted: exit codes that do not end the run; None: all.
        codes: exit code → processes that ended with it; None: had to be killed.
    """

    folder: Path
    children: Children
    environment: Mapping[str, str]
    places: Sequence[Place]
    wave: float
    patience: float
    rest: float
    accepted: frozenset[int] | None = None
    codes: Counter[int | None] = field(default_factory=Counter)

    @property
    def pids(self) -> list[int]:
        """The processes at work."""
        children = [place.child for place in self.places if place.child]
        return [child.process.pid for child in children if child.process.poll() is None]

    async def work(self, seconds: float) -> None:
        """Keep every place filled until the time is up and all processes have ended by themselves.

        Raises:
            ShardFailed: the other processes are left for the caller to stop.
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
        log = self.folder / "logs" / f"{place.name.replace('/', '-of-').replace(' ', '-')}.log"
        while (left := ends - time.monotonic()) > _SHORTEST:
            seconds = max(min(self.wave, left), _SHORTEST)
            command = [sys.executable, "-m", *place.command, f"{seconds / 60:.4f}"]
            place.child = self.children.start(place.name, command, log, self.environment)
            code = await place.child.wait(seconds + self.patience)
            self.codes[code] += 1
            if self.accepted is not None and code not in self.accepted:
                ended = f"ended with exit code {code}" if code is not None else "did not end after its time"
                raise ShardFailed(end_of_log(f"{place.name} {ended}.", log))
            await asyncio.sleep(min(self.rest, max(ends - time.monotonic(), 0)))
