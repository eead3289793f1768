"""Faults that concern all agents: the server is killed, connections are cut or delayed, the API fails."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from harness.chaos.fleet import Notes
from harness.chaos.proxy import Proxy
from harness.driver.server import Server

KINDS = ("restart", "cut", "delay", "silence")
"""Faults of the database and of the connections to it."""

API_FAULTS = {
    # refusals that end a process are rarer than what is tried again
    "rate-limit": "rate-limit:p=0.022",
    "user-rate-limit": "user-rate-limit:p=0.022",
    "unavailable-403": "unavailable-403:p=0.022",
    "backend-error": "backend-error:p=0.03",
    "cut": "cut:p=0.03",
    "drop": "drop:p=0.03",
    "broken-json": "broken-json:p=0.03",
    "not-json": "not-json:p=0.03",
    "empty-items": "empty-items:p=0.022",
    "slow": "slow:seconds=1.5:p=0.03",
}
"""Kind → specification of the faults of the API: 429, 403, 5xx, half an answer, none, garbage, nothing in it, late."""

_RARE = ("page-token:search:p=0.05", "not-found:p=0.002", "quota:p=0.001")  # beside them, and not counted
_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
_PAUSE = (0.4, 1.6)  # seconds between two of them
_AFTER_RESTART = 2.0  # seconds that a server is left alone
_DELAY = (0.2, 3.0)
_SILENCE = (0.2, 3.0)
_ALL = 0.3  # share of the faults that strike all places at once


def all_faults() -> list[str]:
    """Return the API's faults, for the sandbox."""
    return [*API_FAULTS.values(), *_RARE]


@dataclass
class FaultSchedule:
    """Cause faults until it is cancelled, and count them by kind."""

    seed: int
    server: Server
    ways: Sequence[tuple[str, Proxy]]
    notes: Notes
    struck: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Cause one fault after another, each kind as often as the others."""
        random = Random(f"{self.seed} faults")
        while True:
            for kind in random.sample(KINDS, len(KINDS)):
                await asyncio.sleep(random.uniform(*_PAUSE))
                whom = list(self.ways) if random.random() < _ALL else [random.choice(self.ways)]
                await self._strike(kind, whom, random)

    async def _strike(self, kind: str, whom: Sequence[tuple[str, Proxy]], random: Random) -> None:
        place = whom[0][0] if len(whom) == 1 else None
        match kind:
            case "restart":
                signum = random.choice(_SIGNALS)
                with self.notes.fault(kind, detail=signum.name):
                    await self.server.restart(signum)
                await asyncio.sleep(_AFTER_RESTART)
            case "silence":
                with self.notes.fault(kind), self.server.frozen():
                    await asyncio.sleep(random.uniform(*_SILENCE))
            case "cut":
                with self.notes.fault(kind, place=place):
                    for _, way in whom:
                        way.cut()
            case "delay":
                with self.notes.fault(kind, place=place):
                    await self._delay([way for _, way in whom], random.uniform(*_DELAY))
        self.struck[kind] += 1

    @staticmethod
    async def _delay(ways: Sequence[Proxy], seconds: float) -> None:
        for way in ways:
            way.hold_up()
        try:
            await asyncio.sleep(seconds)
        finally:
            for way in ways:
                way.go_on()
