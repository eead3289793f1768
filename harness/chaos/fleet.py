"""The fleet of a run: each place is filled by one process after another, and each process has its kill plan."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.chaos.kill_plan import KillKind, KillPlan, draw
from harness.chaos.proxy import Proxy, Trap
from harness.driver.processes import Child, Children

CONCURRENCY = 4  # calls that a process has in flight at most
_MINUTES = 0.1
_PATIENCE = 90.0  # seconds that a process may need beyond its time: it waits for a lost database, too
_BATCH = {"hunter": "4", "tracker": "100", "janitor": "200"}
_REST = 0.3  # seconds before a place is filled again where its process had nothing to do


class AgentStuck(Exception):
    """A process does not end; the message says which, and where its log is."""


@dataclass
class Notes:
    """What the driver writes down: each process and each fault, in ``processes.jsonl`` and ``faults.jsonl``."""

    folder: Path

    def process(self, **entry: Any) -> None:
        self._add("processes", entry)

    @contextlib.contextmanager
    def fault(
        self, kind: str, *, place: str | None = None, step: str | None = None, detail: str = ""
    ) -> Iterator[None]:
        """Note a fault that lasts as long as the block."""
        at = _now()
        try:
            yield
        finally:
            entry = {"at": at, "kind": kind, "place": place, "step": step, "until": _now(), "detail": detail}
            self._add("faults", entry)

    def _add(self, name: str, entry: dict[str, Any]) -> None:
        with (self.folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass
class Place:
    """One place of the fleet, with proxies of its own, and the number of processes that it has had."""

    agent: str
    index: int
    total: int
    database: Proxy
    api: Proxy
    runs: int = 0
    child: Child | None = None

    @property
    def name(self) -> str:
        """As in leases and User-Agents, such as ``hunter 0/3``."""
        return f"{self.agent} {self.index}/{self.total}"


@dataclass
class KilledFleet:
    """All places.

    Attributes:
        kills: step (or ``at random``) → processes that were killed by SIGKILL there.
        struck: the other kill plans that were carried out, by kind.
        codes: exit code → processes that have ended.
        ending: set from outside; no place is filled any more.
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

    async def work(self) -> None:
        """Keep every place filled until `ending` is set and all processes have ended. Raises AgentStuck."""
        async with asyncio.TaskGroup() as group:
            for place in self.places:
                group.create_task(self._fill(place))

    async def _fill(self, place: Place) -> None:
        while not self.ending:
            code = await self.run(
                place, KillPlan(KillKind.LIVE) if self.calm else draw(self.seed, place.name, place.runs)
            )
            if code == 0:
                await asyncio.sleep(_REST)

    def shard(self, *words: str) -> list[str]:
        """Return the command line of a marked process."""
        return [
            sys.executable,
            "-m",
            "harness.chaos.shard",
            *(["--mutant", self.mutant] if self.mutant else []),
            *words,
        ]

    def settings_of(self, place: Place) -> dict[str, str]:
        """Return the environment of a place's processes."""
        ports = {"DATABASE_URL": place.database.port, "YOUTUBE_API_BASE_URL": place.api.port}
        ways = {name: self.environment[name].replace("PORT", str(port)) for name, port in ports.items()}
        return {**self.environment, **ways}

    async def run(self, place: Place, plan: KillPlan) -> int:
        """Run one process, from its start to its end. Return its code; negative: the signal that ended it."""
        execution = _Execution(self, place, plan)
        started = _now()
        execution.prepare()
        log = self.folder / "logs" / f"{place.agent}-{place.index}.log"
        command = self.shard(
            place.agent, "--shard", f"{place.index}/{place.total}", "--batch-size", _BATCH[place.agent],
            "--max-minutes", f"{_MINUTES:g}",
            "--result-file", str(self.folder / "results" / f"{place.agent}-{place.index}-{place.runs}.json"),
        )  # fmt: skip
        child = place.child = self.children.start(place.name, command, log, self.settings_of(place))
        try:
            later = asyncio.create_task(execution.later())
            code = await child.wait(_MINUTES * 60 + _PATIENCE)
            later.cancel()
        finally:
            execution.over()
        if code is None:
            raise AgentStuck(f"{place.name} (process {child.process.pid}) does not end; its log is {log}")
        self.codes[code] += 1
        self.notes.process(
            place=place.name, agent=place.agent, run=place.runs, pid=child.process.pid, started=started, ended=_now(),
            code=code, killed=execution.sent, at=execution.at, concurrency=CONCURRENCY,
        )  # fmt: skip
        place.runs += 1
        return code


@dataclass
class _Execution:
    """The kill plan of a process at work.

    Attributes:
        sent: the signal that it got, if it got one.
        at: the step at which, or ``at random``.
    """

    fleet: KilledFleet
    place: Place
    plan: KillPlan
    sent: str | None = None
    at: str | None = None
    _thaw: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Set the trap before the process starts."""
        self.place.database.met.clear()
        if (step := self.plan.step) is not None:
            way = self.place.api if step.name.startswith("asks ") else self.place.database
            way.trap = Trap(step, lambda: self._strike(str(step)), self.plan.nth)

    async def later(self) -> None:
        """Strike after a while, where no step did."""
        if self.plan.kind is not KillKind.LIVE and self.plan.seconds:
            if self.plan.step is not None:
                await self.place.database.met.wait()  # its imports may take long where all start at once
            await asyncio.sleep(self.plan.seconds)
            self._strike("at random")

    def over(self) -> None:
        """Remove the trap when the process has ended."""
        self.place.database.trap = self.place.api.trap = None
        if self._thaw is not None:
            self._thaw.cancel()

    def _strike(self, at: str) -> bool:
        """Carry out the plan. Return whether the process is dead of it."""
        child, kind = self.place.child, self.plan.kind
        if child is None or child.process.poll() is not None or self.sent:
            return False
        self.at = at
        signum = {KillKind.KILL: signal.SIGKILL, KillKind.TERM: signal.SIGTERM, KillKind.FREEZE: signal.SIGSTOP}[kind]
        self.sent = signum.name
        _signal(child.process.pid, signum)
        if kind is KillKind.KILL:
            self.fleet.kills[at] += 1
        else:
            self.fleet.struck[str(kind)] += 1
        if kind is KillKind.FREEZE:
            loop = asyncio.get_running_loop()
            self._thaw = loop.call_later(self.plan.frozen, _signal, child.process.pid, signal.SIGCONT)
        with self.fleet.notes.fault(str(kind), place=self.place.name, step=at):
            pass
        return kind is KillKind.KILL


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)
