"""A run from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from atlas.errors import AtlasError
from harness.chaos import gathering, leaks
from harness.chaos.api import Api
from harness.chaos.checks import CHECKS
from harness.chaos.environment import LEASE_SECONDS, SECRETS, environment_of, fresh_folder, make_schema, start_api
from harness.chaos.extremes import Extremes
from harness.chaos.fault_schedule import API_FAULTS, KINDS, FaultSchedule
from harness.chaos.fleet import AgentStuck, KilledFleet, Notes, Place
from harness.chaos.kill_plan import KillKind, KillPlan
from harness.chaos.options import ChaosOptions
from harness.chaos.protocols import Http, Postgres
from harness.chaos.proxy import Proxy
from harness.chaos.record import Checked
from harness.chaos.report import Report
from harness.driver.processes import Busy, Children, alone, end_leftovers, stopped_at_the_end
from harness.driver.sandbox import SandboxFailed
from harness.driver.screen import Screen
from harness.driver.server import Server, ServerFailed
from harness.driver.signals import until_signalled

_LOOK = 1.0  # seconds between two looks at how far the run is
_LINE = 10.0  # seconds between two lines about it
_CALM_PROCESSES = 2  # of each place, in a run without faults


def run(options: ChaosOptions, screen: Screen) -> int:
    """Run it, and leave nothing running. Return the exit code."""
    stopped = "Stopped: nothing is left running."
    try:
        return asyncio.run(until_signalled(_run(options, screen), ended=lambda: screen.say(stopped, "yellow")))
    except* (AtlasError, AgentStuck, SandboxFailed, ServerFailed, Busy, OSError) as failed:
        error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    screen.say(f"chaos: {error}", "red")
    return 1


async def _run(options: ChaosOptions, screen: Screen) -> int:
    folder = options.folder
    server = Server(folder / "postgres")
    if folder.exists():
        await asyncio.to_thread(end_leftovers, folder)
        await asyncio.to_thread(server.stop_leftover)
    fresh_folder(folder)
    with alone(folder):
        try:
            async with stopped_at_the_end(Children(folder), screen.say) as children:
                report = await _play(options, screen, children, server)
        finally:
            await asyncio.to_thread(server.stop)
    report.print(screen)
    if options.json is not None:
        options.json.write_text(report.as_json(), encoding="utf-8")
    return report.code


async def _play(options: ChaosOptions, screen: Screen, children: Children, server: Server) -> Report:
    screen.say(f"seed {options.seed}; everything is in {options.folder}")
    await asyncio.to_thread(server.create)
    await server.start()
    await make_schema(server.dsn())
    environment = environment_of(options.folder, server.dsn())
    api = await start_api(options.folder, children, environment, options.seed, calm=options.calm)
    notes = Notes(options.folder)
    sizes = {"hunter": options.hunters, "tracker": options.trackers, "janitor": 1}
    async with contextlib.AsyncExitStack() as stack:
        places = [
            await stack.enter_async_context(_place(agent, index, total, server, api))
            for agent, total in sizes.items()
            for index in range(total)
        ]
        fleet = KilledFleet(
            options.folder, children, environment, notes, places, options.seed, options.mutant, calm=options.calm
        )
        schedule = FaultSchedule(options.seed, server, [(place.name, place.database) for place in places], notes)
        watcher = leaks.Watcher(SECRETS)
        progress = _Progress(options, screen, fleet, schedule, api)
        async with asyncio.TaskGroup() as group:
            until_end = [group.create_task(watcher.look())]
            if not options.calm:
                until_end.append(group.create_task(schedule.run()))
            group.create_task(progress.until_enough(until_end))
            await fleet.work()
        struck = await api.struck()
        await api.set_faults([])
        rested = await _come_to_rest(fleet)
        gathered = await gathering.gather(options.folder, server.dsn())
        checks = [check(gathered) for check in CHECKS]
        extremes = [] if options.calm else await Extremes(fleet, server).checks()
        found = await leaks.everywhere(options.folder, server.dsn(), watcher, SECRETS)
    results = [rested, *checks, *extremes, found]
    return Report.of(options, fleet, schedule, struck, results, seconds=progress.seconds, enough=progress.enough)


@contextlib.asynccontextmanager
async def _place(agent: str, index: int, total: int, server: Server, api: Api) -> AsyncIterator[Place]:
    ways = (Proxy(server.connect, Postgres), Proxy(lambda: asyncio.open_connection(*api.address), Http))
    try:
        for way in ways:
            await way.start()
        yield Place(agent, index, total, *ways)
    finally:
        for way in ways:
            await way.close()


async def _come_to_rest(fleet: KilledFleet) -> Checked:
    """Let claims of the dead expire, then run one process in each place without faults: it takes up what was left."""
    await asyncio.sleep(LEASE_SECONDS + 1)
    codes = await asyncio.gather(*(fleet.run(place, KillPlan(KillKind.LIVE)) for place in fleet.places))
    failed = [f"{place.name} ended with {code}" for place, code in zip(fleet.places, codes, strict=True) if code]
    return Checked("afterwards every agent works again", len(codes), failed)


@dataclass
class _Progress:
    """How far the run is: the seconds so far, and whether all that was asked for has happened."""

    options: ChaosOptions
    screen: Screen
    fleet: KilledFleet
    schedule: FaultSchedule
    api: Api
    seconds: float = 0.0
    enough: bool = False

    async def until_enough(self, until_end: list[asyncio.Task[None]]) -> None:
        """End the fleet and these tasks when enough has happened or the time is up."""
        start = printed = time.monotonic()
        try:
            while self.seconds < self.options.minutes * 60 and not self.enough:
                await asyncio.sleep(_LOOK)
                now = time.monotonic()
                self.seconds = now - start
                struck = await self.api.struck()
                self.enough = self._enough(struck)
                if now - printed >= _LINE:
                    printed = now
                    self._print(struck)
        finally:
            self.fleet.ending = True
            for task in until_end:
                task.cancel()

    def _enough(self, struck: Counter[str]) -> bool:
        options = self.options
        if options.calm:
            return self.fleet.codes.total() >= _CALM_PROCESSES * len(self.fleet.places)
        counts = [*(self.schedule.struck[kind] for kind in KINDS), *(struck[kind] for kind in API_FAULTS)]
        return self.fleet.kills.total() >= options.kills and min(counts) >= options.faults

    def _print(self, struck: Counter[str]) -> None:
        fewest = min(API_FAULTS, key=lambda kind: struck[kind])
        others = ", ".join(f"{kind} {self.schedule.struck[kind]}" for kind in KINDS)
        self.screen.say(
            f"{self.seconds:5.0f} s  {self.fleet.codes.total()} processes, {self.fleet.kills.total()} killed, "
            f"{others}, API faults {struck.total()} (fewest: {fewest} {struck[fewest]})"
        )
