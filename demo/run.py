"""The demo from its start to its end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import ReportDAO
from atlas.config import settings
from atlas.database import database
from atlas.db import embedded
from atlas.errors import AtlasError, ConfigError
from atlas.schema.migrate import migrate
from demo.options import DemoOptions
from demo.report import status_line
from demo.scene import Scene, describe, make_scene
from demo.state import State
from harness.driver.environment import isolate
from harness.driver.fleet import Fleet, Place, ShardFailed
from harness.driver.processes import Busy, Children, alone, end_leftovers, stopped_at_the_end
from harness.driver.sandbox import SandboxFailed, start_sandbox
from harness.driver.screen import Screen
from harness.driver.signals import until_signalled
from maia.commands.report import write_page
from maia.commands.status import status_view
from maia.commands.top import Wanted, read_ranking, top_view
from youtube_sandbox.dataset import Dataset, load

T = TypeVar("T")

_KEYS = {"hunting": ["demo-key-hunting"], "tracking": ["demo-key-tracking"]}  # of one project, as YouTube asks
_PROJECT = "demo"
_LEASE_SECONDS = "60"  # what a killed demo held is soon free again
_VIDEOS_A_WEEK = "2000"
_BATCH = {"hunter": "10", "tracker": "500"}
_STATUS_EVERY = 3.0  # seconds
_STOPPED = (
    "Stopped: nothing is left running, and all data is kept. `make demo` goes on from here, `make clean` removes it."
)
_ACCEPTED = frozenset({0, 75})  # 75: a rate limit; a fresh process goes on, here as in the fleet


def run(options: DemoOptions, screen: Screen) -> int:
    """Run the demo. Return 0, 1 if a shard fails, 78 for a wrong data set, or 128 + the signal that stopped it.

    Nothing that it started is left, whatever happens.
    """
    try:
        dataset = load(options.dataset) if options.dataset else None
        options.folder.mkdir(parents=True, exist_ok=True)
        with alone(options.folder):
            work = _demo(options, screen, dataset)
            return asyncio.run(until_signalled(work, ended=lambda: screen.say(_STOPPED, "yellow")))
    except ConfigError as error:
        screen.say(f"demo: {error}", "red")
        return 78
    except (AtlasError, Busy, ShardFailed, SandboxFailed, OSError) as error:
        screen.say(f"demo: {error}", "red")
        return 1


def settings_of(folder: Path, *, clock: str, api: str = "", window_hours: float = 24) -> dict[str, str]:
    """Return the settings of every process of a run."""
    return {
        "ATLAS_CLOCK": clock,
        "ATLAS_EMBEDDED_PATH": str(folder / "postgres"),
        "YOUTUBE_API_KEY_POOL_JSON": json.dumps(_KEYS),
        "YOUTUBE_API_BASE_URL": api,
        "VAULT_PROVIDER": "local",
        "VAULT_PATH": str(folder / "vault"),
        "HUNTER_PUBLISHED_WITHIN_HOURS": f"{window_hours:g}",
        "HUNTER_LEASE_SECONDS": _LEASE_SECONDS,
        "TRACKER_LEASE_SECONDS": _LEASE_SECONDS,
        "DO_NOT_TRACK": "1",
    }


def fleet_of(options: DemoOptions, children: Children) -> Fleet:
    """Return the demo's Hunters and Trackers."""
    places = [
        Place(
            f"{agent} {index}/{total}",
            [
                "maia", agent, "--shard", f"{index}/{total}", "--batch-size", _BATCH[agent],
                # its path is how `make clean` knows the process
                "--result-file", str(options.folder / "results" / f"{agent}-{index}.json"), "--max-minutes",
            ],
        )
        for agent, total in (("hunter", options.hunters), ("tracker", options.trackers))
        for index in range(total)
    ]  # fmt: skip
    return Fleet(
        options.folder, children, dict(os.environ), places, options.wave, patience=45.0, rest=0.5, accepted=_ACCEPTED
    )


async def _demo(options: DemoOptions, screen: Screen, dataset: Dataset | None) -> int:
    folder = options.folder
    if left := await asyncio.to_thread(end_leftovers, folder):
        screen.say(f"ended {left} processes that a killed demo had left")
    for name in ("logs", "results"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    (folder / "calls.jsonl").unlink(missing_ok=True)
    try:
        async with stopped_at_the_end(Children(folder), screen.say) as children:
            await _play(options, screen, children, dataset)
    finally:
        await database.close()
        await embedded.stop(folder / "postgres")
    return 0


async def _play(options: DemoOptions, screen: Screen, children: Children, dataset: Dataset | None) -> None:
    folder = options.folder
    isolate(settings_of(folder, clock="real"), folder)
    settings.reload()
    with screen.step("start PostgreSQL") as notes:
        # cancelled between the start of its keeper and the answer, it would come up after the demo has ended
        server = await _uncancelled(embedded.start(folder / "postgres", grace=1.0))
        notes.append(f"{server.version} in {folder / 'postgres'}")
    with screen.step("migrate the schema") as notes:
        done = await _uncancelled(migrate(database))
        notes.append(f"at revision {done.after}" + ("" if done.before is None else ", as before"))

    now = datetime.now(UTC)
    scene = make_scene(options, dataset, State.load(folder / "state.json"), now)
    for line, style in describe(scene):
        screen.say(f"  {line}", style)
    ends = now + timedelta(seconds=options.seconds)
    scene.state(ends).save(folder / "state.json")
    try:
        await _act(options, screen, children, scene)
    finally:
        await children.stop()  # before the server
        scene.state(ends, scene.clock.now()).save(folder / "state.json")
        await server.leave()


async def _act(options: DemoOptions, screen: Screen, children: Children, scene: Scene) -> None:
    folder = options.folder
    environment = settings_of(folder, clock=str(scene.clock), window_hours=scene.window_hours)
    with screen.step("start the local YouTube Data API (maia sandbox)") as notes:
        given = _sandbox_options(options, scene.dataset)
        _, api = await start_sandbox(children, folder, dict(os.environ) | environment, given)
        notes.append(api)
    isolate(environment | {"YOUTUBE_API_BASE_URL": api}, folder)
    settings.reload()
    async with database.session():
        dao = ReportDAO()
        with screen.step("seed the search queue (maia queue add)") as notes:
            new = await QueueDAO().add(scene.queries)
            notes.append(f"{new} new queries, {len(scene.queries) - new} known")
        seconds = scene.seconds(options.seconds, datetime.now(UTC))
        screen.say(
            f"  {options.hunters} Hunters and {options.trackers} Trackers work side by side for {seconds:.0f} s, "
            f"a fresh process in each place every {options.wave:.0f} s."
        )
        await _watch(screen, scene, fleet_of(options, children), dao, seconds)
        screen.say(status_line(scene.clock.now(), 0, await dao.totals()))
        width = screen.console.width
        for command, view in (
            ("maia top", top_view(await read_ranking(Wanted()), width)), ("maia status", await status_view()),
        ):  # fmt: skip
            screen.say(f"\n{command}", "bold")
            screen.show(view)
        page = folder / "report.html"
        await write_page(page)
        screen.say(f"\nmaia report: open {page}", "bold")
    screen.say(f"All of it is in {folder}; `make demo` goes on from here, `make clean` removes it.", "bold")


def _sandbox_options(options: DemoOptions, dataset: Dataset | None) -> list[str]:
    given = [part for keys in _KEYS.values() for key in keys for part in ("--key", f"{key}={_PROJECT}")]
    if dataset is None:
        return [*given, "--seed", str(options.seed), "--videos", _VIDEOS_A_WEEK]
    # a date without a year would be taken for one that has passed by the schedule clock, which begins at the first
    return [*given, "--dataset", str(options.dataset), "--dataset-year", str(dataset.first.year)]


async def _watch(screen: Screen, scene: Scene, fleet: Fleet, dao: ReportDAO, seconds: float) -> None:
    """Print a line now and then while the shards work."""
    work = asyncio.create_task(fleet.work(seconds))
    try:
        while not work.done():
            screen.say(status_line(scene.clock.now(), len(fleet.pids), await dao.totals()))
            await asyncio.wait({work}, timeout=_STATUS_EVERY)
    finally:
        work.cancel()
        await asyncio.wait({work})
    await work


async def _uncancelled(work: Awaitable[T]) -> T:
    """Await something that must not be cut off half-way: a cancellation waits for its end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved: the caller hears of the cancellation
        raise
