"""Agents in their places: each place is filled by one process after another, and each process has its kill plan."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.chaos.kill_plan import KillPlan, Kind, draw
from harness.chaos.notes import Notes, now
from harness.chaos.proxy import Proxy, Trap
from harness.driver.processes import Child, Children

__all__ = ["AgentStuck", "Fleet", "Place"]

CONCURRENCY = 4  # calls that a process has in flight at most
_MINUTES = 0.1
_PATIENCE = 90.0  # seconds that a process may go on beyond its time: it waits for a lost database, too
_BATCH = {"hunter": "4", "tracker": "100", "janitor": "200"}
_BREATH = 0.3  # seconds before a place is filled again where its process had nothing to do


class AgentStuck(Exception):
    """A process that did not end; the message says which, and where its log is."""


@dataclass
class Place:
    """One place of the fleet.

    Attributes:
        name: as in leases and User-Agents, such as ``hunter 0/3``.
        database, api: its own ways.
        runs: processes that it has had.
        child: the one of now.
    """

    agent: str
    index: int
    total: int
    database: Proxy
    api: Proxy
    runs: int = 0
    child: Child | None = None

    @property
    def name(self) -> str:
        return f"{self.agent} {self.index}/{self.total}"

    def command(self, folder: Path, mutant: str | None) -> list[str]:
        """The next process's command line."""
        result = folder / "results" / f"{self.agent}-{self.index}-{self.runs}.json"
        return [
            sys.executable, "-m", "harness.chaos.shard", *(["--mutant", mutant] if mutant else []), self.agent,
            "--shard", f"{self.index}/{self.total}", "--batch-size", _BATCH[self.agent],
            "--max-minutes", f"{_MINUTES:g}", "--result-file", str(result),
        ]  # fmt: skip


@dataclass
class Fleet:
    """All places.

    Attributes:
        kills: by step (or ``at random``), of those that were killed by SIGKILL.
        struck: the other kill plans, by kind.
        codes: exit codes of the processes that have ended.
    """

    folder: Path
    children: Children
    environment: Mapping[str, str]
    notes: Notes
    places: list[Place]
    seed: int
    mutant: str | None = None
    calm: bool = False
    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    ending: bool = False

    @property
    def processes(self) -> int:
        """How many have ended."""
        return self.codes.total()

    async def work(self) -> None:
        """Keeps every place filled until `ending` is set and all processes have ended.

        Raises:
            AgentStuck: one of them does not end.
        """
        async with asyncio.TaskGroup() as group:
            for place in self.places:
                group.create_task(self._fill(place))

    async def _fill(self, place: Place) -> None:
        while not self.ending:
            code = await self.run(place, KillPlan(Kind.LIVE) if self.calm else draw(self.seed, place.name, place.runs))
            if code == 0:
                await asyncio.sleep(_BREATH)

    def settings_of(self, place: Place) -> dict[str, str]:
        """The environment of a place's processes."""
        return {
            **self.environment,
            "DATABASE_URL": self.environment["DATABASE_URL"].replace("PORT", str(place.database.port)),
            "YOUTUBE_API_BASE_URL": self.environment["YOUTUBE_API_BASE_URL"].replace("PORT", str(place.api.port)),
        }

    async def run(self, place: Place, plan: KillPlan) -> int:
        """One process, from its start to its end. Returns its code; negative: the signal that ended it."""
        environment = self.settings_of(place)
        meeting = _Meeting(self, place, plan)
        started = now()
        meeting.prepare()
        log = self.folder / "logs" / f"{place.agent}-{place.index}.log"
        child = place.child = self.children.start(place.name, place.command(self.folder, self.mutant), log, environment)
        try:
            later = asyncio.create_task(meeting.later())
            code = await child.wait(_MINUTES * 60 + _PATIENCE)
            later.cancel()
        finally:
            meeting.over()
        if code is None:
            raise AgentStuck(f"{place.name} (process {child.process.pid}) does not end; its log is {log}")
        self.codes[code] += 1
        self.notes.process(
            place=place.name, agent=place.agent, run=place.runs, pid=child.process.pid, started=started, ended=now(),
            code=code, killed=meeting.sent, at=meeting.at, concurrency=CONCURRENCY,
        )  # fmt: skip
        place.runs += 1
        return code


@dataclass
class _Meeting:
    """A process and its kill plan.

    Attributes:
        sent: the signal that it got, if it got one.
        at: the step at which, or ``at random``.
    """

    fleet: Fleet
    place: Place
    plan: KillPlan
    sent: str | None = None
    at: str | None = None
    _thaw: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Before the process starts."""
        self.place.database.met.clear()
        step = self.plan.step
        if step is not None:
            way = self.place.api if step.name.startswith("asks ") else self.place.database
            way.trap = Trap(step, lambda: self._strike(str(step)), self.plan.nth)

    async def later(self) -> None:
        """Strikes after a while, where no step did."""
        if self.plan.kind is not Kind.LIVE and self.plan.seconds:
            if self.plan.step is not None:
                await self.place.database.met.wait()  # its imports may take long where all start at once
            await asyncio.sleep(self.plan.seconds)
            self._strike("at random")

    def over(self) -> None:
        """The process has ended."""
        self.place.database.trap = self.place.api.trap = None
        if self._thaw is not None:
            self._thaw.cancel()

    def _strike(self, at: str) -> bool:
        """Carry out the plan. Return whether the process is dead of it."""
        child = self.place.child
        if child is None or child.process.poll() is not None or self.sent:
            return False
        self.at = at
        match self.plan.kind:
            case Kind.KILL:
                self._send(child, signal.SIGKILL)
                self.fleet.kills[at] += 1
            case Kind.TERM:
                self._send(child, signal.SIGTERM)
            case Kind.FREEZE:
                self._send(child, signal.SIGSTOP)
                self._thaw = asyncio.get_running_loop().call_later(
                    self.plan.frozen, _signal, child.process.pid, signal.SIGCONT
                )
        if self.plan.kind is not Kind.KILL:
            self.fleet.struck[str(self.plan.kind)] += 1
        with self.fleet.notes.fault(str(self.plan.kind), place=self.place.name, step=at):
            pass
        return self.plan.kind is Kind.KILL

    def _send(self, child: Child, signum: signal.Signals) -> None:
        self.sent = signum.name
        _signal(child.process.pid, signum)


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)
