"""The load run from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg

from atlas.adapters.report import ReportDAO
from atlas.clock import Clock
from atlas.config import settings
from atlas.database import database
from atlas.errors import AtlasError
from atlas.times import iso
from harness.benchmarks.world import machine
from harness.driver.audit import audit
from harness.driver.calls import Call, CallFile, spent
from harness.driver.environment import isolate
from harness.driver.fleet import Fleet
from harness.driver.options import ROOT
from harness.driver.processes import Child, Children
from harness.driver.sandbox import SandboxFailed
from harness.driver.screen import Screen, span
from harness.driver.server import ServerFailed
from harness.driver.signals import until_signalled
from harness.load.fleet import fleet_of
from harness.load.measures import Measures, growth
from harness.load.options import Options
from harness.load.report import Ending, as_json, print_report, problems
from harness.load.stage import NotEmpty, fill, open_server, start_load_sandbox
from harness.load.watch import Ledger, Watch

__all__ = ["run"]

_LOOK = 0.5  # seconds between two looks at the database
_LINE = 15.0  # seconds between two lines where there is no terminal
_POOL = {"hunting": ["load-key-hunting"], "tracking": ["load-key-tracking"]}


def run(options: Options, screen: Screen) -> int:
    """Runs it. Returns its exit code. Nothing that it started is left, whatever happened."""
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


async def _run(options: Options, screen: Screen) -> int:
    children = Children(options.folder)
    with screen.step("start PostgreSQL") as notes:
        stack = contextlib.AsyncExitStack()
        dsn, server = await stack.enter_async_context(open_server(options))
        notes.append("one of its own" if server else "the one that was named")
    try:
        load = Load(options, screen, children, dsn, server)
        ending = await load.run()
    finally:
        killed = await children.stop()
        if killed:
            screen.say(f"had to be killed: {', '.join(killed)}", "red")
        await database.close()
        await stack.aclose()
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(ending), indent=2) + "\n", encoding="utf-8")
    print_report(screen, ending)
    if options.keep:
        screen.say(f"Logs and measures are in {options.folder}.")
    return 1 if problems(ending) else 0


@dataclass
class Load:
    """One run.

    Attributes:
        server: the process of its own PostgreSQL.
    """

    options: Options
    screen: Screen
    children: Children
    dsn: str
    server: int | None
    sandbox: Child | None = None
    clock: Clock = field(default_factory=lambda: Clock.parse("real"))
    cpu: dict[str, float] = field(default_factory=dict)

    async def run(self) -> Ending:
        options, screen = self.options, self.screen
        isolate(self._settings(), options.folder)
        settings.reload()
        now = datetime.now(UTC)  # of the schedule clock, which stands until all is there
        # of this the sandbox needs some to make its world
        warm_up = options.warm_up + (0 if options.simulated else 5 + options.videos / 2_000)
        with screen.step("fill the database as after two weeks of work") as notes:
            videos = await fill(options, self.dsn, now, now + timedelta(seconds=warm_up * options.speed))
            notes.append(f"{videos:,} videos")
        began = time.time()
        self.clock = Clock(options.speed, datetime.fromtimestamp(began, UTC), now)
        isolate(self._settings(), options.folder)
        if not options.simulated:
            with screen.step("start the local YouTube Data API (maia sandbox)") as notes:
                self.sandbox, address = await start_load_sandbox(self.children, options, dict(os.environ))
                notes.append(address)
            isolate(self._settings(api=address), options.folder)
        settings.reload()
        since = began + warm_up
        screen.say(
            f"  {options.hunters} Hunters and {options.trackers} Trackers start. Measured are {options.seconds:.0f} s, "
            f"from {max(0, since - time.time()):.0f} s after now. The schedule clock: {options.speed:g} times as fast."
        )
        return await self._measured(now, since, videos)

    def _settings(self, api: str = "") -> dict[str, str]:
        return {
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

    async def _measured(self, schedule: datetime, since: float, videos: int) -> Ending:
        options = self.options
        until = since + options.seconds
        fleet = fleet_of(options, self.children, dict(os.environ))
        look = await asyncpg.connect(self.dsn, server_settings={"application_name": "load"})
        try:
            watch = Watch(look)
            work = asyncio.create_task(fleet.work(until - time.time()))
            try:
                before, cpu = await self._watched(fleet, watch, work, since)
                beginning = time.time()
                after, spent_ = await self._watched(fleet, watch, work, until)
                seconds = time.time() - beginning
                self.screen.say("  the time is up: what was begun is ended")
                await work
            finally:
                work.cancel()
                await asyncio.wait({work})
            passed = time.monotonic() - watch.began
            offset = time.time() - passed  # when the watch began
            measures = await asyncio.to_thread(self._measures, since, until)
            async with database.session():
                return await self._ending(
                    schedule, videos, seconds, fleet, watch, measures, before, after,
                    memory=growth(watch.memory, since - offset, until - offset),
                    cores={name: (spent_[name] - cpu.get(name, 0)) / seconds for name in spent_},
                )  # fmt: skip
        finally:
            await look.close()

    async def _watched(
        self, fleet: Fleet, watch: Watch, work: asyncio.Task[None], until: float
    ) -> tuple[Ledger, dict[str, float]]:
        """Looks on until then, or until all have ended. What the server and the machine have counted then."""
        said = looked = 0.0
        while not work.done() and (left := until - time.time()) > 0:
            await watch.look_at_database()
            if time.monotonic() - looked > 2:
                looked = time.monotonic()
                await asyncio.to_thread(self._look_at_processes, fleet, watch)
            if time.monotonic() - said > _LINE:
                said = time.monotonic()
                if self.server:
                    await watch.look_at_backends()
                await self._say(watch, left)
            await asyncio.wait({work}, timeout=min(_LOOK, left))
        if work.done():
            work.result()
        await asyncio.to_thread(self._look_at_processes, fleet, watch)
        return await Ledger.read_from(watch.connection), dict(watch.cpu)

    def _look_at_processes(self, fleet: Fleet, watch: Watch) -> None:
        alive = [p.child.process.pid for p in fleet.places if p.child and p.child.process.poll() is None]
        watch.look_at_processes(alive, self.sandbox.process.pid if self.sandbox else None, self.server)

    async def _say(self, watch: Watch, left: float) -> None:
        snapshots = await watch.connection.fetchval(
            "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname LIKE 'video_stats_log%'"
        )
        now = self.clock.now()
        self.screen.say(
            f"  {iso(now, 'minutes')} by the schedule clock | {left:4.0f} s left | {snapshots or 0:,} snapshots | "
            f"connections: {watch.most} at most | CPU: "
            + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in watch.cpu.items())
        )

    def _measures(self, since: float, until: float) -> Measures:
        measures = Measures.read(sorted((self.options.folder / "measures").glob("*.jsonl")), since, until)
        if self.server:
            measures.read_server_log(self.options.folder / "postgres" / "server.log")
        return measures

    async def _ending(
        self, schedule: datetime, videos: int, seconds: float, fleet: Fleet, watch: Watch, measures: Measures,
        before: Ledger, after: Ledger, *, memory: list[tuple[int, int]], cores: dict[str, float],
    ) -> Ending:  # fmt: skip
        dao = ReportDAO()
        calls = await asyncio.to_thread(self._calls)
        asked = Counter(id_ for call in calls if call.endpoint == "batchGetStats" for id_ in call.ids)
        births = await dao.births(id_ for id_, times in asked.items() if times > 1)
        now = self.clock.now()
        overdue = await watch.connection.fetch(
            "SELECT zone, $1 - min(due_at) AS late FROM videos WHERE due_at IS NOT NULL GROUP BY zone", now
        )
        return Ending(
            options=self.options,
            machine=machine(),
            server=f"PostgreSQL {await watch.connection.fetchval('SHOW server_version')}",
            videos=videos,
            seconds=seconds,
            measures=measures,
            watch=watch,
            audit=await asyncio.to_thread(audit, calls, births),
            early=[
                f"{id_}: {span(at - previous)} after the one before"
                for id_, at, previous in await dao.early_snapshots(schedule)
            ],
            waiting={row["zone"]: max(0.0, self.clock.real_seconds(row["late"])) for row in overdue},
            before=before,
            after=after,
            memory=memory,
            cores=cores,
            codes=fleet.codes,
            held=await dao.active_leases(),
            miscounted=[] if self.options.simulated else await self._miscounted(watch, calls),
        )

    def _calls(self) -> list[Call]:
        folder = self.options.folder
        files = [folder / "calls.jsonl", *sorted((folder / "measures").glob("*.calls"))]
        calls = [call for path in files for call in CallFile(path).read()]
        return sorted((call for call in calls if call.shard), key=lambda call: call.at)

    async def _miscounted(self, watch: Watch, calls: list[Call]) -> list[str]:
        rows = await watch.connection.fetch(
            "SELECT bucket, sum(reserved) AS reserved, sum(settled) AS settled FROM api_calls GROUP BY bucket"
        )
        seen = spent(calls)
        return [
            f"{row['bucket']}: {row['reserved']} calls reserved and {row['settled']} settled, the API saw "
            f"{seen[row['bucket']]}"
            for row in rows
            if not row["reserved"] == row["settled"] == seen[row["bucket"]]
        ]
