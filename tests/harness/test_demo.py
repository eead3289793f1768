"""The demo as people run it: whole, again, stopped at any moment, and with real daily counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ..support.child_processes import ProcessOutput, child, finished

pytest.importorskip("demo", reason="the demo is part of the checkout, not of the wheel")

from atlas.adapters.report import ReportDAO, Totals
from atlas.clock import Clock
from atlas.config import settings
from atlas.database import Database
from atlas.db import embedded
from demo.options import Options
from demo.run import fleet_of, settings_of
from demo.state import State
from harness.driver.fleet import ShardFailed
from harness.driver.options import ROOT
from harness.driver.processes import Busy, Children, alone, end_leftovers, end_owner
from youtube_sandbox.dataset import load

pytestmark = pytest.mark.integration

PATIENCE = 120.0  # seconds; generous, since tests may share the machine


@contextlib.asynccontextmanager
async def demo(folder: Path, *options: str) -> AsyncIterator[ProcessOutput]:
    async with child(
        sys.executable, "-m", "demo", "--folder", str(folder), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        stop=signal.SIGTERM,
    ) as process:  # fmt: skip
        yield ProcessOutput(process, PATIENCE)


async def run(folder: Path, *options: str) -> tuple[int, str]:
    async with demo(folder, *options) as running:
        code = await running.end()
        return code, running.said


def alive(folder: Path) -> list[str]:
    """Processes that have to do with a folder: by their arguments, environment or working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "cmdline").read_bytes()
            about = [said, (process / "environ").read_bytes(), os.fsencode((process / "cwd").readlink())]
            if process.name != str(os.getpid()) and any(os.fsencode(folder) + b"/" in text + b"/" for text in about):
                found.append(f"{process.name} {said.decode(errors='replace')}")
    return found


async def look(folder: Path) -> Totals:
    """What the demo's database holds."""
    with settings.override(atlas_embedded_path=folder / "postgres"):
        store = Database()
        async with store.session():
            found = await ReportDAO(store).totals()
        await embedded.stop(folder / "postgres")
    return found


async def snapshots(folder: Path) -> list[tuple[str, int]]:
    """Every video's id with every view count that was stored of it."""
    with settings.override(atlas_embedded_path=folder / "postgres"):
        store = Database()
        async with store.session():
            rows = await store.fetch("SELECT video_id, views FROM video_stats_log")
        await embedded.stop(folder / "postgres")
    return [(row["video_id"], row["views"]) for row in rows]


async def zones_read(folder: Path) -> set[int]:
    """The zones in which videos were when they were read again."""
    with settings.override(atlas_embedded_path=folder / "postgres"):
        store = Database()
        async with store.session():
            rows = await store.fetch(
                """
                SELECT DISTINCT CASE WHEN age < '1 day' THEN 1 WHEN age < '7 days' THEN 2 ELSE 3 END AS zone FROM (
                    SELECT observed_at - published_at AS age,
                        row_number() OVER (PARTITION BY video_id ORDER BY observed_at) AS number
                    FROM video_stats_log JOIN videos ON videos.id = video_id
                ) AS snapshots WHERE number > 1
                """
            )
        await embedded.stop(folder / "postgres")
    return {row["zone"] for row in rows}


async def test_a_run_tracks_all_zones_and_the_next_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    code, said = await run(folder, "--seconds", "10", "--hours", "40", "--wave", "4")
    assert code == 0, said
    assert "1 s here = 4 h of schedule time" in said
    assert "Growing fastest" in said
    assert "What was found and tracked" in said
    assert alive(folder) == []
    first_state = State.load(folder / "state.json")
    assert first_state is not None
    first = await look(folder)
    assert (folder / "vault").is_dir()
    shards = [f"{agent}-{index}-of-2.log" for agent in ("hunter", "tracker") for index in range(2)]
    assert {path.name for path in (folder / "logs").iterdir()} == {*shards, "sandbox.log"}

    code, said = await run(folder, "--seconds", "10", "--hours", "15")
    assert code == 0, said
    assert "Run 2 goes on from" in said
    assert "0 new queries, 12 known" in said
    # the fast run reaches what is due daily; in the slower one even a busy machine reads what is due hourly in time
    assert await zones_read(folder) == {1, 2, 3}
    second = await look(folder)
    assert second.snapshots.number > first.snapshots.number
    assert second.videos.number >= first.videos.number
    second_state = State.load(folder / "state.json")
    assert second_state is not None
    # where the second clock began is where the first had stopped
    began = Clock.parse(second_state.clock)
    assert began.shown_start == first_state.stopped(datetime.now(UTC))
    assert second_state.stopped(datetime.now(UTC)) > first_state.stopped(datetime.now(UTC))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("moment", "whole_group", "signum"),
    [
        ("… start PostgreSQL", True, signal.SIGINT),
        ("… migrate the schema", True, signal.SIGINT),
        ("… start the local YouTube", False, signal.SIGINT),
        ("side by side", True, signal.SIGINT),
        ("[1-9][0-9,]* videos", False, signal.SIGHUP),
    ],
)
async def test_stopped_at_any_moment_it_leaves_nothing_running(
    moment: str, whole_group: bool, signum: signal.Signals, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    async with demo(folder, "--seconds", "60") as running:
        await running.until(moment)
        if whole_group:
            os.killpg(running.process.pid, signum)
        else:
            running.process.send_signal(signum)
        code = await running.end()
    assert alive(folder) == []
    assert code == 128 + signum, running.said
    assert "`make demo` goes on from here" in running.said
    assert "Traceback" not in running.said
    if moment.endswith("videos"):
        state = State.load(folder / "state.json")
        assert state is not None
        assert state.ended is not None
        totals = await look(folder)
        assert totals.videos.number > 0
        assert totals.queries["leased"].number == 0  # shards released what they held


async def test_an_impatient_second_ctrl_c_does_not_cut_the_ending_off(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with demo(folder, "--seconds", "60") as running:
        await running.until("side by side")
        for _ in range(3):
            running.process.send_signal(signal.SIGINT)
        code = await running.end()
    assert code == 130, running.said
    assert alive(folder) == []


async def test_what_a_killed_demo_leaves_is_ended_by_make_clean_without_the_virtual_environment(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with demo(folder, "--seconds", "60") as running:
        await running.until("side by side")
        await running.until(r"[1-9] shards at work \|")
        running.process.kill()
        await running.process.wait()
        assert alive(folder)
    await clean(tmp_path)
    assert alive(folder) == []


async def clean(folder: Path) -> None:
    """What `make clean` does with a demo's folder. -S: without site-packages."""
    code, out, err = await finished(sys.executable, "-S", "-m", "demo.clean", str(folder), cwd=ROOT)
    assert code == 0, (out + err).decode()


async def test_make_clean_ends_a_demo_that_runs(tmp_path: Path) -> None:
    async with demo(tmp_path, "--seconds", "60") as running:
        await running.until("side by side")
        await clean(tmp_path)
        assert await running.end() == 143
    assert alive(tmp_path) == []


async def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path):
        code, said = await run(tmp_path)
        assert code == 1
        assert f"a demo is running in {tmp_path} already (process {os.getpid()})" in said
        with pytest.raises(Busy):
            end_owner_of_another(tmp_path)
    end_owner(tmp_path)


def end_owner_of_another(folder: Path) -> None:
    """As `end_owner`, with a lock whose owner does not exist."""
    lock = folder / "demo.lock"
    text = lock.read_bytes()
    lock.write_bytes(b"0\n")
    try:
        end_owner(folder, patience=0.1)
    finally:
        lock.write_bytes(text)


@pytest.mark.parametrize("kind", ["daily", "trending"])
async def test_real_daily_counts_are_replayed(kind: str, shared_data: Path, tmp_path: Path) -> None:
    pattern = {"daily": "GB_*.csv", "trending": "US_*.csv"}[kind]
    data = next((shared_data / "trending").glob(pattern))
    code, said = await run(tmp_path, "--dataset", str(data), "--seconds", "14", "--wave", "4")
    assert code == 0, said
    assert ("a video's age counts from the day it was first seen" in said) is (kind == "daily")
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert folder.name.startswith(data.stem)
    ended = State.load(folder / "state.json")
    assert ended is not None
    days = {"daily": (datetime(2017, 9, 13, tzinfo=UTC), datetime(2017, 10, 22, tzinfo=UTC))}
    days["trending"] = (datetime(2017, 11, 14, tzinfo=UTC), datetime(2017, 11, 28, tzinfo=UTC))
    first, last = days[kind]
    assert Clock.parse(ended.clock).shown_start == first
    assert ended.stopped(datetime.now(UTC)) >= last
    # whatever was read of a video lies between its real counts, however far this machine came
    counts = {record.id: [point.views for point in record.points] for record in load(data).records}
    read = await snapshots(folder)
    assert read
    floor = 0 if kind == "trending" else 1  # with a publish time, a count begins at zero
    assert all(min(counts[video]) * floor <= views <= max(counts[video]) for video, views in read)
    assert alive(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "complaint"), [(None, "there is no file"), ("a,b\n1,2\n", "the header lacks"), ("", "the header lacks")]
)
async def test_a_data_set_that_cannot_be_read_is_said_and_starts_nothing(
    text: str | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "counts.csv"
    if text is not None:
        path.write_text(text)
    code, said = await run(tmp_path / "demo", "--dataset", str(path))
    assert code == 78
    assert complaint in " ".join(said.split())
    assert str(path) in said
    assert "Traceback" not in said
    assert not (tmp_path / "demo").exists()


async def test_a_shard_that_fails_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    wrong = settings_of(tmp_path, clock="real", api="http://127.0.0.1:9/youtube/v3")
    wrong["YOUTUBE_API_KEY_POOL_JSON"] = "{}"
    children = Children(tmp_path)
    fleet = fleet_of(Options(tmp_path, hunters=1, trackers=1), children)
    fleet.environment = {**os.environ, **wrong}
    with pytest.raises(ShardFailed, match=r"0/1 ended with exit code 78(.|\n)*Empty KeyRing"):
        await fleet.work(30)
    await children.stop()
    assert children.running == []


async def test_a_process_that_ignores_every_request_is_killed_and_one_of_another_is_left_alone(tmp_path: Path) -> None:
    deaf = (
        "import signal, sys, time\n"
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(600)\n"
    )
    children = Children(tmp_path)
    child = children.start("deaf", [sys.executable, "-c", deaf, f"{tmp_path}/x"], tmp_path / "log", dict(os.environ))
    async with asyncio.timeout(PATIENCE):
        while child.last_lines() != ["deaf"]:
            await asyncio.sleep(0.01)
    other = Children(tmp_path / "other")
    other.folder.mkdir()
    stranger = other.start("stranger", [sys.executable, "-c", deaf], tmp_path / "log2", dict(os.environ))
    (tmp_path / "processes").write_text(f"{child.process.pid}\n{stranger.process.pid}\n")
    ending = asyncio.create_task(asyncio.to_thread(end_leftovers, tmp_path, 0.2))
    assert await child.wait(PATIENCE) == -signal.SIGKILL
    assert await ending == 1
    assert stranger.process.poll() is None
    stranger.process.kill()
    assert await stranger.wait(PATIENCE) is not None
