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
from typing import Any

import pytest

from ..support.child_processes import ProcessOutput, alive, child, finished

pytest.importorskip("demo", reason="the demo is part of the checkout, not of the wheel")

from atlas.clock import Clock
from atlas.config import settings
from atlas.database import Database
from atlas.db import embedded
from demo.__main__ import main
from demo.options import DemoOptions
from demo.run import fleet_of, settings_of
from demo.state import State
from harness.driver.fleet import ShardFailed
from harness.driver.options import ROOT
from harness.driver.processes import Busy, Children, alone, end_leftovers, end_owner
from youtube_sandbox.dataset import load

pytestmark = pytest.mark.integration

PATIENCE = 120.0  # seconds; generous, since tests may share the machine
COUNTS = """
SELECT (SELECT count(*) FROM videos) AS videos, (SELECT count(*) FROM video_stats_log) AS snapshots,
    (SELECT count(*) FROM search_queue WHERE leased_until > now()) AS leased
"""
ZONES_READ_AGAIN = """
SELECT DISTINCT CASE WHEN age < '1 day' THEN 1 WHEN age < '7 days' THEN 2 ELSE 3 END AS zone FROM (
    SELECT observed_at - published_at AS age,
        row_number() OVER (PARTITION BY video_id ORDER BY observed_at) AS number
    FROM video_stats_log JOIN videos ON videos.id = video_id
) AS snapshots WHERE number > 1
"""


@contextlib.asynccontextmanager
async def demo(folder: Path, *options: str) -> AsyncIterator[ProcessOutput]:
    async with child(
        sys.executable, "-m", "demo", "--folder", str(folder), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        stop=signal.SIGTERM,
    ) as process:  # fmt: skip
        yield ProcessOutput(process, PATIENCE)
    assert alive(folder) == []


async def run(folder: Path, *options: str) -> tuple[str, State]:
    async with demo(folder, *options) as running:
        assert await running.end() == 0, running.said
    (path,) = folder.rglob("state.json")
    return running.said, state_of(path.parent)


def state_of(folder: Path) -> State:
    state = State.load(folder / "state.json")
    assert state is not None
    return state


async def fetch(folder: Path, statement: str) -> list[Any]:
    """Ask the demo's database."""
    with settings.override(atlas_embedded_path=folder / "postgres"):
        store = Database()
        async with store.session():
            rows = await store.fetch(statement)
        await embedded.stop(folder / "postgres")
    return list(rows)


async def test_a_run_tracks_all_zones_and_the_next_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    output, state = await run(folder, "--seconds", "8", "--hours", "32", "--wave", "3")
    for text in ("1 s here = 4 h of schedule time", "Fastest videos by views per hour", "freshness"):
        assert text in output
    (first,) = await fetch(folder, COUNTS)
    assert (folder / "vault").is_dir()
    assert f"open {folder / 'report.html'}" in output.replace("\n", "")
    assert "What is taking off" in (folder / "report.html").read_text(encoding="utf-8")
    shards = [f"{agent}-{index}-of-2.log" for agent in ("hunter", "tracker") for index in range(2)]
    assert {path.name for path in (folder / "logs").iterdir()} == {*shards, "sandbox.log"}

    output, second_state = await run(folder, "--seconds", "8", "--hours", "12")
    assert "Run 2 goes on from" in output
    assert "0 new queries, 12 known" in output
    # the fast run reaches what is due daily; in the slower one even a busy machine reads what is due hourly in time
    assert {row["zone"] for row in await fetch(folder, ZONES_READ_AGAIN)} == {1, 2, 3}
    (second,) = await fetch(folder, COUNTS)
    assert second["snapshots"] > first["snapshots"]
    assert second["videos"] >= first["videos"]
    # the second clock began where the first had stopped
    now = datetime.now(UTC)
    assert Clock.parse(second_state.clock).shown_start == state.stopped(now) < second_state.stopped(now)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("moment", "whole_group", "signals"),
    [
        ("… start PostgreSQL", True, [signal.SIGINT]),
        ("… migrate the schema", True, [signal.SIGINT]),
        ("… start the local YouTube", False, [signal.SIGINT]),
        ("side by side", True, [signal.SIGINT] * 3),  # of an impatient person
        ("[1-9][0-9,]* videos", False, [signal.SIGHUP]),
    ],
)
async def test_stopped_at_any_moment_it_leaves_nothing_running(
    moment: str, whole_group: bool, signals: list[signal.Signals], tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    async with demo(folder, "--seconds", "60") as running:
        await running.until(moment)
        for signum in signals:
            (os.killpg if whole_group else os.kill)(running.process.pid, signum)
        assert await running.end() == 128 + signals[0], running.said
    assert "`make demo` goes on from here" in running.said
    assert "Traceback" not in running.said
    if moment.endswith("videos"):
        assert state_of(folder).ended is not None
        (counts,) = await fetch(folder, COUNTS)
        assert counts["videos"] > 0
        assert counts["leased"] == 0  # shards released their claims


async def test_make_clean_ends_a_demo_that_runs_and_what_a_killed_one_leaves(tmp_path: Path) -> None:
    """As `make clean` does it. -S: without site-packages."""
    clean = (sys.executable, "-S", "-m", "demo.clean", str(tmp_path))
    async with demo(tmp_path / "killed", "--seconds", "60") as running, demo(tmp_path, "--seconds", "60") as other:
        await running.until(r"[1-9] shards at work \|")
        await other.until("side by side")
        running.process.kill()
        await running.process.wait()
        assert alive(tmp_path / "killed")
        code, out, err = await finished(*clean, cwd=ROOT, timeout=PATIENCE)
        assert code == 0, (out + err).decode()
        assert await other.end() == 143
        assert alive(tmp_path) == []


def test_two_demos_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(tmp_path):
        assert main(["--folder", str(tmp_path)]) == 1
        assert f"a demo is running in {tmp_path} already (process {os.getpid()})" in capsys.readouterr().out
        (tmp_path / "demo.lock").write_bytes(b"0\n")  # not to end this process
        with pytest.raises(Busy):
            end_owner(tmp_path, patience=0.1)
    end_owner(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "first", "last", "ages_counted", "floor"),
    [
        ("GB_*.csv", datetime(2017, 9, 13, tzinfo=UTC), datetime(2017, 10, 22, tzinfo=UTC), True, 1),
        # with a publish time, a count begins at zero
        ("US_*.csv", datetime(2017, 11, 14, tzinfo=UTC), datetime(2017, 11, 28, tzinfo=UTC), False, 0),
    ],
    ids=["daily", "trending"],
)
async def test_real_daily_counts_are_replayed(
    pattern: str, first: datetime, last: datetime, ages_counted: bool, floor: int, shared_data: Path, tmp_path: Path
) -> None:
    data = next((shared_data / "trending").glob(pattern))
    output, state = await run(tmp_path, "--dataset", str(data), "--seconds", "10", "--wave", "3")
    assert ("a video's age counts from the day it was first seen" in output) is ages_counted
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert folder.name.startswith(data.stem)
    assert Clock.parse(state.clock).shown_start == first
    assert state.stopped(datetime.now(UTC)) >= last
    # whatever was read of a video lies between its real counts, however far this machine came
    counts = {record.id: [point.views for point in record.points] for record in load(data).videos}
    read = await fetch(folder, "SELECT video_id, views FROM video_stats_log")
    assert read
    assert all(min(counts[row["video_id"]]) * floor <= row["views"] <= max(counts[row["video_id"]]) for row in read)


@pytest.mark.parametrize(
    ("text", "complaint"), [(None, "there is no file"), ("a,b\n1,2\n", "the header lacks"), ("", "the header lacks")]
)
def test_a_data_set_that_cannot_be_read_is_an_error_and_starts_nothing(
    text: str | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "counts.csv"
    if text is not None:
        path.write_text(text)
    assert main(["--folder", str(tmp_path / "demo"), "--dataset", str(path)]) == 78
    output = capsys.readouterr().out
    assert complaint in " ".join(output.split())
    assert str(path) in output
    assert not (tmp_path / "demo").exists()


async def test_a_shard_that_fails_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    wrong = settings_of(tmp_path, clock="real", api="http://127.0.0.1:9/youtube/v3")
    children = Children(tmp_path)
    fleet = fleet_of(DemoOptions(tmp_path, hunters=1, trackers=1), children)
    fleet.environment = {**os.environ, **wrong, "YOUTUBE_API_KEY_POOL_JSON": "{}"}
    with pytest.raises(ShardFailed, match=r"0/1 ended with exit code 78(.|\n)*Empty KeyRing"):
        await fleet.work(30)
    await children.stop()
    assert children.running == []


async def test_a_process_that_ignores_every_request_is_killed_and_one_of_another_is_left_alone(tmp_path: Path) -> None:
    deaf = (
        "import signal, time\n"
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", deaf]
    children = Children(tmp_path)
    ours = children.start("deaf", [*command, f"{tmp_path}/x"], tmp_path / "log", dict(os.environ))
    async with asyncio.timeout(PATIENCE):
        while ours.last_lines() != ["deaf"]:
            await asyncio.sleep(0.01)
    other = children.start("stranger", command, tmp_path / "log2", dict(os.environ))
    ending = asyncio.create_task(asyncio.to_thread(end_leftovers, tmp_path, 0.2))
    assert await ours.wait(PATIENCE) == -signal.SIGKILL
    assert await ending == 1
    assert other.process.poll() is None
    other.process.kill()
    assert await other.wait(PATIENCE) is not None
