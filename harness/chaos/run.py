"""A run from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console

from atlas.errors import AtlasError
from harness.chaos import gathering, leaks
from harness.chaos.checks import CHECKS, Checked
from harness.chaos.environment import LEASE_SECONDS, SECRETS, environment_of, fresh_folder, make_schema, start_api
from harness.chaos.extremes import Extremes
from harness.chaos.fault_schedule import API_FAULTS, KINDS, FaultSchedule
from harness.chaos.fleet import AgentStuck, Fleet, Place
from harness.chaos.kill_plan import KillPlan, Kind
from harness.chaos.notes import Notes
from harness.chaos.options import Options
from harness.chaos.protocols import Http
from harness.chaos.protocols import Postgres as PostgresTalk
from harness.chaos.proxy import Proxy
from harness.chaos.report import Report
from harness.chaos.server import Api, Postgres, ServerFailed
from harness.driver.processes import Busy, Children, alone, end_leftovers
from harness.driver.sandbox import SandboxFailed
from harness.driver.signals import until_signalled

__all__ = ["run"]

_LOOK = 1.0  # seconds between two looks at how far the run is
_SPOKEN = 10.0  # seconds between two lines about it
_CALM_PROCESSES = 2  # of each place, in a run without faults


def run(options: Options, console: Console) -> int:
    """Does all of it, and leaves nothing running. Returns the exit code."""
    try:
        return asyncio.run(until_signalled(_run(options, console), ended=lambda: _stopped(console)))
    except* (AtlasError, AgentStuck, SandboxFailed, ServerFailed, Busy, OSError) as failed:
        failures = failed.exceptions
    for error in _flat(failures):
        console.print(f"chaos: {error}", style="red", markup=False)
    return 1


def _flat(errors: Sequence[BaseException]) -> Iterator[BaseException]:
    for error in errors:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error.exceptions)
        else:
            yield error


def _stopped(console: Console) -> None:
    console.print("Stopped: nothing is left running.", style="yellow")


async def _run(options: Options, console: Console) -> int:
    folder = options.folder
    if folder.exists():
        await asyncio.to_thread(end_leftovers, folder)
    fresh_folder(folder)
    children, server = Children(folder), Postgres(folder / "postgres")
    with alone(folder):
        try:
            report = await _play(options, console, children, server)
        finally:
            await children.stop()
            await server.stop()
    report.print(console)
    if options.json is not None:
        options.json.write_text(report.as_json(), encoding="utf-8")
    return report.code


async def _play(options: Options, console: Console, children: Children, server: Postgres) -> Report:
    console.print(f"seed {options.seed}; everything is in {options.folder}", markup=False, soft_wrap=True)
    await server.start()
    await make_schema(server.dsn)
    environment = environment_of(options.folder, server.dsn)
    api = await start_api(options.folder, children, environment, options.seed, calm=options.calm)
    notes = Notes(options.folder)
    async with contextlib.AsyncExitStack() as stack:
        places = [await stack.enter_async_context(_place(*of, server, api)) for of in _fleet_of(options)]
        fleet = Fleet(
            options.folder, children, environment, notes, places, options.seed, options.mutant, calm=options.calm
        )
        ways = [(place.name, place.database) for place in places]
        schedule = FaultSchedule(options.seed, server, ways, notes)
        watcher = leaks.Watcher(SECRETS)
        progress = _Progress(options, console, fleet, schedule, api)
        async with asyncio.TaskGroup() as group:
            until_end = [group.create_task(watcher.look())]
            if not options.calm:
                until_end.append(group.create_task(schedule.run()))
            group.create_task(progress.until_enough(until_end))
            await fleet.work()
        struck = await api.struck()
        await api.set_faults([])
        rested = await _come_to_rest(fleet)
        gathered = await gathering.gather(options.folder, server.dsn)
        checks = [check(gathered) for check in CHECKS]
        extremes = [] if options.calm else await Extremes(fleet, server).checks()
        found = await leaks.everywhere(options.folder, server.dsn, watcher, SECRETS)
    results = [rested, *checks, *extremes, found]
    return Report.of(options, fleet, schedule, struck, results, seconds=progress.seconds, enough=progress.enough)


def _fleet_of(options: Options) -> list[tuple[str, int, int]]:
    sizes = {"hunter": options.hunters, "tracker": options.trackers, "janitor": 1}
    return [(agent, index, total) for agent, total in sizes.items() for index in range(total)]


@contextlib.asynccontextmanager
async def _place(agent: str, index: int, total: int, server: Postgres, api: Api) -> AsyncIterator[Place]:
    ways = (
        Proxy(server.connect, PostgresTalk),
        Proxy(lambda: asyncio.open_connection(*api.address), Http),
    )
    try:
        for way in ways:
            await way.start()
        yield Place(agent, index, total, *ways)
    finally:
        for way in ways:
            await way.close()


async def _come_to_rest(fleet: Fleet) -> Checked:
    """Claims of the dead run out, then one process in each place, without faults, picks up what was left."""
    await asyncio.sleep(LEASE_SECONDS + 1)
    codes = await asyncio.gather(*(fleet.run(place, KillPlan(Kind.LIVE)) for place in fleet.places))
    failed = [f"{place.name} ended with {code}" for place, code in zip(fleet.places, codes, strict=True) if code]
    return Checked("afterwards every agent works again", len(codes), failed)


@dataclass
class _Progress:
    """How far the run is, and when it is far enough.

    Attributes:
        seconds: that it took until then.
        enough: whether all that was asked for has happened.
    """

    options: Options
    console: Console
    fleet: Fleet
    schedule: FaultSchedule
    api: Api
    seconds: float = 0.0
    enough: bool = False

    async def until_enough(self, until_end: list[asyncio.Task[None]]) -> None:
        """Ends the fleet, and what rages, when enough has happened or the time is up."""
        start = spoken = time.monotonic()
        try:
            while self.seconds < self.options.minutes * 60 and not self.enough:
                await asyncio.sleep(_LOOK)
                now = time.monotonic()
                self.seconds = now - start
                struck = await self.api.struck()
                self.enough = self._enough(struck)
                if now - spoken >= _SPOKEN:
                    spoken = now
                    self._say(struck)
        finally:
            self.fleet.ending = True
            for task in until_end:
                task.cancel()

    def _enough(self, struck: dict[str, int]) -> bool:
        options = self.options
        if options.calm:
            return self.fleet.processes >= _CALM_PROCESSES * len(self.fleet.places)
        counts = [*(self.schedule.struck[kind] for kind in KINDS), *(struck.get(kind, 0) for kind in API_FAULTS)]
        return self.fleet.kills.total() >= options.kills and min(counts) >= options.faults

    def _say(self, struck: dict[str, int]) -> None:
        fewest = min(API_FAULTS, key=lambda kind: struck.get(kind, 0))
        others = ", ".join(f"{kind} {self.schedule.struck[kind]}" for kind in KINDS)
        self.console.print(
            f"{self.seconds:5.0f} s  {self.fleet.processes} processes, {self.fleet.kills.total()} killed, {others}, "
            f"API faults {sum(struck.values())} (fewest: {fewest} {struck.get(fewest, 0)})",
            markup=False,
            soft_wrap=True,
        )
