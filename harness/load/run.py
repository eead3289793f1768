"""The load run from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg

from atlas.clock import Clock
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError
from atlas.times import iso
from harness.driver.audit import Call, audit, read_calls
from harness.driver.environment import isolate
from harness.driver.fleet import Fleet, Place
from harness.driver.options import ROOT
from harness.driver.proc import machine
from harness.driver.processes import Child, Children, stopped_at_the_end
from harness.driver.sandbox import SandboxFailed
from harness.driver.screen import Screen, span
from harness.driver.server import ServerFailed
from harness.driver.signals import until_signalled
from harness.load.measures import Measures, growth
from harness.load.options import LoadOptions
from harness.load.report import Ending, as_json, print_report, problems
from harness.load.stage import NotEmpty, fill, open_server, start_load_sandbox
from harness.load.stored import active_leases, births, early_snapshots
from harness.load.watch import Ledger, Watch

_LOOK = 0.5  # seconds between two looks at the database
_LOOK_AT_PROCESSES = 2.0
_LINE = 15.0  # seconds between two lines of progress
_POOL = {"hunting": ["load-key-hunting"], "tracking": ["load-key-tracking"]}
_SIMULATED_TOGETHER = 32  # claimers of one process
_HUNTER_BATCH = 2  # many small claims, as of a large fleet, from a few processes

_OVERDUE = "SELECT zone, $1 - min(due_at) AS late FROM videos WHERE due_at IS NOT NULL GROUP BY zone"
_COUNTED = "SELECT bucket, sum(reserved) AS reserved, sum(settled) AS settled FROM api_calls GROUP BY bucket"
_SNAPSHOTS = "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname LIKE 'video_stats_log%'"


def run(options: LoadOptions, screen: Screen) -> int:
    """Run it. Return its exit code. Nothing that it started is left, whatever happened."""
    for name in ("logs", "measures", "vault"):
        (options.folder / name).mkdir(parents=True, exist_ok=True)
    try:
        work = until_signalled(_run(options, screen), begins=lambda: screen.say("stops what it started …", "yellow"))
        return asyncio.run(work)
    except (AtlasError, NotEmpty, SandboxFailed, ServerFailed, OSError) as error:
        screen.say(f"load: {error}", "red")
        return error.exit_code if isinstance(error, AtlasError) else 1
    finally:
        if not options.keep:
            shutil.rmtree(options.folder, ignore_errors=True)


async def _run(options: LoadOptions, screen: Screen) -> int:
    async with contextlib.AsyncExitStack() as stack:
        with screen.step("start PostgreSQL") as notes:
            dsn, server = await stack.enter_async_context(open_server(options))
            notes.append("one of its own" if server else "the one that was named")
        stack.push_async_callback(database.close)
        children = await stack.enter_async_context(stopped_at_the_end(Children(options.folder), screen.say))
        ending = await _Load(options, screen, children, dsn, server).run()
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(ending), indent=2) + "\n", encoding="utf-8")
    print_report(screen, ending)
    if options.keep:
        screen.say(f"Logs and measures are in {options.folder}.")
    return 1 if problems(ending) else 0


def _fleet_of(options: LoadOptions, children: Children) -> Fleet:
    """Return the agents, or claimers if they are simulated.

    A process that ended early had nothing to do, or was refused: its place rests for 5 s.
    """
    places = []
    step = _SIMULATED_TOGETHER if options.simulated else 1
    for agent, number, batch in (
        ("hunter", options.hunters, _HUNTER_BATCH),
        ("tracker", options.trackers, options.batch),
    ):
        for first in range(0, number, step):
            measures = str(options.folder / "measures" / f"{agent}-{first}.jsonl")
            until = min(first + step, number)
            if options.simulated:
                numbers = (first, until, number, batch, options.latency)
                command = ["harness.load.claimers", measures, agent, *map(str, numbers)]
            else:
                words = ["--shard", f"{first}/{number}", "--batch-size", str(batch), "--max-minutes"]
                command = ["harness.load.shard", measures, agent, *words]
            places.append(Place(f"{agent} {f'{first}-{until}' if options.simulated else first}/{number}", command))
    environment = dict(os.environ)
    return Fleet(options.folder, children, environment, places, wave=float("inf"), patience=120.0, rest=5.0)


@dataclass
class _Load:
    """One run; ``server`` is the process of its own PostgreSQL."""

    options: LoadOptions
    screen: Screen
    children: Children
    dsn: str
    server: int | None
    sandbox: Child | None = None
    clock: Clock = field(default_factory=lambda: Clock.parse("real"))

    async def run(self) -> Ending:
        options, screen = self.options, self.screen
        self._isolate()
        now = datetime.now(UTC)  # of the schedule clock, which stands until all is there
        # the sandbox needs some of it to make its world
        warm_up = options.warm_up + (0 if options.simulated else 5 + options.videos / 2_000)
        with screen.step("fill the database as after two weeks of work") as notes:
            videos = await fill(options, self.dsn, now, now + timedelta(seconds=warm_up * options.speed))
            notes.append(f"{videos:,} videos")
        began = time.time()
        self.clock = Clock(options.speed, datetime.fromtimestamp(began, UTC), now)
        self._isolate()
        if not options.simulated:
            with screen.step("start the local YouTube Data API (maia sandbox)") as notes:
                self.sandbox, address = await start_load_sandbox(self.children, options, dict(os.environ))
                notes.append(address)
            self._isolate(api=address)
        since = began + warm_up
        screen.say(
            f"  {options.hunters} Hunters and {options.trackers} Trackers start. The measurement takes "
            f"{options.seconds:.0f} s and begins in {max(0, since - time.time()):.0f} s. The schedule clock: "
            f"{options.speed:g} times as fast."
        )
        look = await asyncpg.connect(self.dsn, server_settings={"application_name": "load"})
        try:
            return await self._measured(Watch(look), now, since, videos)
        finally:
            await look.close()

    def _isolate(self, api: str = "") -> None:
        given = {
            "ATLAS_CLOCK": str(self.clock),
            "DATABASE_URL": self.dsn,
            "DATABASE_POOL_SIZE": str(self.options.pool_size),
            "YOUTUBE_API_KEY_POOL_JSON": json.dumps(_POOL),
            "YOUTUBE_API_BASE_URL": api,
            "VAULT_PROVIDER": self.options.vault,
            "VAULT_PATH": str(self.options.folder / "vault"),
            "PYTHONPATH": str(ROOT),
            "DO_NOT_TRACK": "1",
        }
        isolate(given, self.options.folder)
        settings.reload()

    async def _measured(self, watch: Watch, schedule: datetime, since: float, videos: int) -> Ending:
        until = since + self.options.seconds
        fleet = _fleet_of(self.options, self.children)
        work = asyncio.create_task(fleet.work(until - time.time()))
        try:
            before, cpu = await self._watched(fleet, watch, work, since)
            beginning = time.time()
            after, cpu_after = await self._watched(fleet, watch, work, until)
            seconds = time.time() - beginning
            self.screen.say("  the time is up: what was begun is ended")
            await work
        finally:
            work.cancel()
            await asyncio.wait({work})
        offset = time.time() - time.monotonic() + watch.began  # when the watch began
        measures = await asyncio.to_thread(self._measures, since, until)
        calls = await asyncio.to_thread(self._calls)
        now = self.clock.now()
        overdue = await watch.connection.fetch(_OVERDUE, now)
        asked = Counter(id_ for call in calls if call.endpoint == "batchGetStats" for id_ in call.ids)
        born = await births(watch.connection, (id_ for id_, times in asked.items() if times > 1))
        early = await early_snapshots(watch.connection, schedule)
        held = await active_leases(watch.connection)
        return Ending(
            options=self.options,
            machine=machine(),
            server=f"PostgreSQL {await watch.connection.fetchval('SHOW server_version')}",
            videos=videos,
            seconds=seconds,
            measures=measures,
            watch=watch,
            audit=await asyncio.to_thread(audit, calls, born),
            early=[f"{id_}: {span(at - previous)} after the one before" for id_, at, previous in early],
            waiting={row["zone"]: max(0.0, self.clock.real_seconds(row["late"])) for row in overdue},
            before=before,
            after=after,
            memory=growth(watch.memory, since - offset, until - offset),
            cores={name: (cpu_after[name] - cpu.get(name, 0)) / seconds for name in cpu_after},
            codes=fleet.codes,
            held=held,
            miscounted=[] if self.options.simulated else await self._miscounted(watch, calls),
        )

    async def _watched(
        self, fleet: Fleet, watch: Watch, work: asyncio.Task[None], until: float
    ) -> tuple[Ledger, dict[str, float]]:
        """Watch until then, or until all have ended. Return what the server and the machine have counted by then."""
        printed = looked = 0.0
        while not work.done() and (left := until - time.time()) > 0:
            await watch.look_at_database()
            if time.monotonic() - looked > _LOOK_AT_PROCESSES:
                looked = time.monotonic()
                await asyncio.to_thread(self._look_at_processes, fleet, watch)
            if time.monotonic() - printed > _LINE:
                printed = time.monotonic()
                if self.server:
                    await watch.look_at_backends()
                await self._print_progress(watch, left)
            await asyncio.wait({work}, timeout=min(_LOOK, left))
        if work.done():
            work.result()
        await asyncio.to_thread(self._look_at_processes, fleet, watch)
        return await Ledger.read_from(watch.connection), dict(watch.cpu)

    def _look_at_processes(self, fleet: Fleet, watch: Watch) -> None:
        watch.look_at_processes(fleet.pids, self.sandbox.process.pid if self.sandbox else None, self.server)

    async def _print_progress(self, watch: Watch, left: float) -> None:
        snapshots = await watch.connection.fetchval(_SNAPSHOTS)
        cpu = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in watch.cpu.items())
        self.screen.say(
            f"  {iso(self.clock.now(), 'minutes')} by the schedule clock | {left:4.0f} s left | "
            f"{snapshots or 0:,} snapshots | connections: {watch.most} at most | CPU: {cpu}"
        )

    def _measures(self, since: float, until: float) -> Measures:
        measures = Measures.read(sorted((self.options.folder / "measures").glob("*.jsonl")), since, until)
        if self.server:
            measures.read_server_log(self.options.folder / "postgres" / "server.log")
        return measures

    def _calls(self) -> list[Call]:
        folder = self.options.folder
        files = [folder / "calls.jsonl", *sorted((folder / "measures").glob("*.calls"))]
        return sorted((call for path in files for call in read_calls(path) if call.shard), key=lambda call: call.at)

    async def _miscounted(self, watch: Watch, calls: Sequence[Call]) -> list[str]:
        seen = Counter(call.bucket for call in calls)
        return [
            f"{bucket}: {reserved} calls reserved and {settled} settled, the API saw {seen[bucket]}"
            for bucket, reserved, settled in await watch.connection.fetch(_COUNTED)
            if not reserved == settled == seen[bucket]
        ]
