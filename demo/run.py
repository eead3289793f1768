"""The demo from its start to its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import CallCounts, ReportDAO, Totals
from atlas.config import settings
from atlas.database import database
from atlas.db import embedded
from atlas.errors import AtlasError, ConfigError
from atlas.quota.buckets import Bucket
from atlas.schema.migrate import migrate
from demo.audit import audit
from demo.calls import CallFile, spent
from demo.children import Busy, Children, alone, end_leftovers
from demo.environment import LEASE_SECONDS, isolate, settings_of
from demo.interruption import until_signalled
from demo.options import Options
from demo.report import Ending, tell
from demo.scene import Scene, set_scene, tell_scene
from demo.screen import Screen, View, span
from demo.shards import Fleet, ShardFailed
from demo.stage import StageFailed, start_sandbox, start_server, whole
from demo.state import State
from youtube_sandbox.dataset import Dataset, load

__all__ = ["run"]

_LOOK = 0.5  # seconds between two looks at what is going on


def run(options: Options, screen: Screen) -> int:
    """Runs the demo. Returns its exit code: 1 when a check fails or a shard does, 78 for a wrong data set, 128 + the
    signal when it was stopped. Nothing that it started is left, whatever happened."""
    try:
        dataset = load(options.dataset) if options.dataset else None
        options.folder.mkdir(parents=True, exist_ok=True)
        with alone(options.folder):
            return asyncio.run(until_signalled(_demo(options, screen, dataset), ended=lambda: _stopped(screen)))
    except ConfigError as error:
        screen.say(f"demo: {error}", "red")
        return 78
    except (AtlasError, Busy, ShardFailed, StageFailed, OSError) as error:
        screen.say(f"demo: {error}", "red")
        return 1


def _stopped(screen: Screen) -> None:
    screen.say(
        "Stopped: nothing is left running, and everything up to now is kept. `make demo` goes on from here, "
        "`make clean` removes it.",
        "yellow",
    )


async def _demo(options: Options, screen: Screen, dataset: Dataset | None) -> int:
    folder = options.folder
    children = Children(folder)
    left = await asyncio.to_thread(end_leftovers, folder)
    if left:
        screen.say(f"ended {left} processes that a killed demo had left")
    for name in ("logs", "results"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    (folder / "calls.jsonl").unlink(missing_ok=True)
    try:
        return await _play(options, screen, children, dataset)
    finally:
        killed = await children.stop()
        if killed:
            screen.say(f"had to be killed: {', '.join(killed)}", "red")
        await database.close()
        await embedded.stop(folder / "postgres")


async def _play(options: Options, screen: Screen, children: Children, dataset: Dataset | None) -> int:
    folder = options.folder
    isolate(settings_of(folder, clock="real"), folder)
    settings.reload()
    with screen.step("start PostgreSQL") as notes:
        server = await start_server(folder)
        notes.append(f"{server.version} in {folder / 'postgres'}")
    with screen.step("migrate the schema") as notes:
        done = await whole(migrate(database))
        notes.append(f"at revision {done.after}" + ("" if done.before is None else ", as before"))

    now = datetime.now(UTC)
    scene = set_scene(options, dataset, State.load(folder / "state.json"), now)
    for line, style in tell_scene(scene):
        screen.say(f"  {line}", style)
    ends = now + timedelta(seconds=options.seconds)
    scene.state(ends).save(folder / "state.json")
    try:
        return await _act(options, screen, children, scene)
    finally:
        await children.stop()
        scene.state(ends, scene.clock.now()).save(folder / "state.json")
        await server.leave()


async def _act(options: Options, screen: Screen, children: Children, scene: Scene) -> int:
    folder = options.folder
    environment = settings_of(folder, clock=str(scene.clock), window_hours=scene.window_hours)
    with screen.step("start the local YouTube Data API (maia sandbox)") as notes:
        api = await start_sandbox(children, options, dict(os.environ) | environment, scene.dataset)
        notes.append(api)
    isolate(environment | {"YOUTUBE_API_BASE_URL": api}, folder)
    settings.reload()
    async with database.session():
        dao = ReportDAO()
        with screen.step("seed the search queue (maia queue add)") as notes:
            new = await QueueDAO().add(scene.queries)
            notes.append(f"{new} new queries, {len(scene.queries) - new} known")
        before, calls_before = await dao.totals(), await dao.calls()
        began = datetime.now(UTC)
        fleet = Fleet.of(
            folder, children, dict(os.environ), scene.clock, options.wave,
            hunters=options.hunters, trackers=options.trackers,
        )  # fmt: skip
        seconds = scene.seconds(options.seconds, began)
        screen.say(
            f"  {options.hunters} Hunters and {options.trackers} Trackers work side by side for {seconds:.0f} s, "
            f"a fresh process in each place every {options.wave:.0f} s."
        )
        log = CallFile(folder / "calls.jsonl")
        with screen.watching():
            await _watched(screen, scene, seconds, fleet, dao, log)
        await children.stop()  # the sandbox: its log is whole now
        with screen.step("check that no two shards worked on one row"):
            ending = await _ending(dao, scene, fleet, log, before, calls_before, began)
        well = tell(screen, ending)
    if well:
        screen.say(f"All of it is in {folder}; `make demo` goes on from here, `make clean` removes it.", "bold")
    return 0 if well else 1


async def _watched(screen: Screen, scene: Scene, seconds: float, fleet: Fleet, dao: ReportDAO, log: CallFile) -> None:
    """The shards at work, shown while they are."""
    began = time.monotonic()
    work = asyncio.create_task(fleet.work(seconds))
    try:
        while not work.done():
            totals = await dao.totals()
            share = (time.monotonic() - began) / seconds
            screen.update(View(scene.clock.now(), scene.begin, share, fleet.places, totals, log.read()))
            await asyncio.wait({work}, timeout=_LOOK)
    finally:
        work.cancel()
        await asyncio.wait({work})
    await work


async def _ending(
    dao: ReportDAO, scene: Scene, fleet: Fleet, log: CallFile, before: Totals, calls_before: dict[Bucket, CallCounts],
    began: datetime,
) -> Ending:  # fmt: skip
    calls = log.read()
    counted = await dao.calls()
    asked = Counter(id_ for call in calls if call.endpoint == "batchGetStats" for id_ in call.ids)
    births = await dao.births(id_ for id_, times in asked.items() if times > 1)
    return Ending(
        begin=scene.begin,
        until=scene.until,
        before=before,
        after=await dao.totals(),
        growing=await dao.fastest_growing(10, until=scene.until),
        ours={bucket: counted[bucket] - calls_before[bucket] for bucket in Bucket},
        theirs=spent(calls),
        refused=spent([call for call in calls if call.status in (403, 429)]),
        audit=audit(calls, births),
        early=[
            f"{id_}: {span(at - previous)} after the one before"
            for id_, at, previous in await dao.early_snapshots(scene.begin)
        ],
        # what shards of a demo that was killed hold ends within a lease of now
        held=await dao.held_claims(after=began + timedelta(seconds=LEASE_SECONDS)),
        processes=sum(place.runs for place in fleet.places),
    )
