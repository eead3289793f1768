"""Runs that a real Prefect server watches: what it shows of them, and that nothing depends on it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.errors import DatabaseUnavailable, EmptyKeyRing, KeysRejected
from maia import cycles, janitor
from maia.agents.session import Shard
from maia.cycles import AgentOptions
from maia.janitor import JanitorOptions
from maia.orchestration import Flow, flow, get_run_logger, task
from maia.runtime.concurrency import run_bounded
from maia.runtime.exits import CancelledExit, ChurnExit
from maia.runtime.run_context import RunContext, current_shutdown, record_stats, run_scope
from maia.runtime.shutdown import Shutdown, handle_signals
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, value
from ...support.event_loop import PATIENCE, Background
from ...support.prefect_server import PrefectServer, reporting_to
from ...support.retention_rows import put_video
from ...support.tcp_proxy import wire_to

pytestmark = [
    pytest.mark.integration,
    # Prefect's, left to the collector; see `_tidy`
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def role() -> None:
    """The owner's: agents and Janitor run in this process."""


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Iterator[None]:
    """What Prefect left open is no warning of a later test, and its threads draw no random numbers beside one."""
    yield
    from prefect._internal.concurrency.threads import get_global_loop  # noqa: PLC0415  with Prefect, slow
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=10)
    get_global_loop().shutdown()
    gc.collect()


@pytest.fixture
def watching(prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrefectServer]:
    """A server to which the flows of this process are reported, however long a busy machine takes for it."""
    for limit in ("BEGIN_SECONDS", "ARTIFACT_SECONDS", "REPORT_SECONDS"):
        monkeypatch.setattr(f"maia.prefect.engine.{limit}", PATIENCE)
    with reporting_to(prefect_server.api_url, tmp_path):
        yield prefect_server


# ── any flow ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def nothing() -> None:
    pass


def example(meanwhile: Callable[[], Awaitable[None]] = nothing) -> Flow[[int], dict[str, Any]]:
    """A flow whose second task does what a test wants."""

    @task(name="fetch_batch")
    async def fetch_batch(size: int) -> list[int]:
        get_run_logger().info("fetching %d", size)
        return list(range(size))

    @task(name="process_batch")
    async def process_batch() -> None:
        await meanwhile()

    @flow(name="example_cycle")
    async def cycle(size: int = 3) -> dict[str, Any]:
        stats = Counter(cycles=1)
        try:
            stats["done"] = len(await fetch_batch(size))
            await process_batch()
            current_shutdown().raise_if_requested()
        finally:
            record_stats(stats)
        return dict(stats)

    return cycle


TASKS = {"fetch_batch COMPLETED", "process_batch COMPLETED"}


async def test_a_run_is_visible_with_its_flow_parameters_tasks_and_logs(watching: PrefectServer) -> None:
    assert await example()(3) == {"cycles": 1, "done": 3}
    run, tasks = await asyncio.to_thread(watching.newest_run, 2)
    assert (run["flow"], run["name"], run["state_type"]) == ("example_cycle", "example_cycle", "COMPLETED")
    assert run["parameters"] == {"size": 3}
    assert tasks == TASKS
    logs = watching.ask("/logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    assert "fetching 3" in [log["message"] for log in logs]


async def churn() -> None:
    async def work(item: int) -> None:
        raise ChurnExit("rate limit on an item")

    await run_bounded([1], work, limit=1, shutdown=current_shutdown())


async def fail() -> None:
    raise ValueError("broken at postgresql://u:hidden@h/db")


async def be_terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert current_shutdown().cancelled


async def be_interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def be_terminated_by_their_handler() -> None:
    """As in the moments of a flow run in which Prefect's own handler is in place."""
    from prefect.exceptions import TerminationSignal  # noqa: PLC0415  after the server is there

    def handler(signum: int, _frame: object) -> None:
        raise TerminationSignal(signal=signum)

    signal.signal(signal.SIGTERM, handler)
    await be_terminated()


@pytest.mark.parametrize(
    ("meanwhile", "raised", "state", "message"),
    [
        (churn, ChurnExit, "CRASHED", "Churn: rate limit on an item; cycles 1, done 3"),
        (fail, ValueError, "FAILED", "Failure: ValueError: broken at postgresql://u:***@h/db; cycles 1, done 3"),
        (be_terminated, CancelledExit, "CRASHED", "Cancelled: stopped by SIGTERM; cycles 1, done 3"),
        (be_interrupted, CancelledExit, "CRASHED", "Cancelled: stopped by SIGINT; cycles 1, done 3"),
        (
            be_terminated_by_their_handler,
            BaseException,
            "CRASHED",
            "Cancelled: stopped by SIGTERM; cycles 1, done 3",
        ),
    ],
)
async def test_how_a_run_ended_is_its_state(
    watching: PrefectServer,
    meanwhile: Callable[[], Awaitable[None]],
    raised: type[BaseException],
    state: str,
    message: str,
) -> None:
    shutdown = Shutdown()
    with run_scope(RunContext(shutdown)), handle_signals(shutdown), pytest.raises(raised):
        await example(meanwhile)(3)
    run, _ = await asyncio.to_thread(watching.newest_run, 1)
    assert (run["state_type"], run["state"]["message"]) == (state, message)


async def test_a_signal_before_the_body_keeps_it_from_starting(watching: PrefectServer) -> None:
    with run_scope(context := RunContext()), pytest.raises(CancelledExit):
        context.shutdown.cancel(signal.SIGTERM)
        await example()(3)
    assert context.stats == {}


# ── a server that is lost ───────────────────────────────────────────────────────────────────────────────────────────


class Outages:
    """A way to the server that a test can cut, in a thread of its own: Prefect waits for some answers in the loop."""

    def __init__(self, background: Background, api_url: str) -> None:
        self._background = background
        self._wire = background.enter(wire_to(api_url))
        self.api_url = f"http://127.0.0.1:{self._wire.port}/api"

    async def cut(self) -> None:
        self._background.run(self._wire.cut())

    async def fall_silent(self) -> None:
        self._wire.fall_silent()

    async def end(self) -> None:
        self._background.run(self._wire.repair())


@pytest.fixture
def outages(prefect_server: PrefectServer, tmp_path: Path) -> Iterator[Outages]:
    """The flows of this process are reported through what a test can cut."""
    with Background() as background:
        outages = Outages(background, prefect_server.api_url)
        with reporting_to(outages.api_url, tmp_path):
            yield outages


@pytest.mark.parametrize("outage", ["cut", "fall_silent"])
async def test_a_server_lost_in_mid_run_costs_only_its_reports_and_the_next_run_is_plain(
    outages: Outages, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, outage: str
) -> None:
    began: list[float] = []

    async def lose() -> None:
        began.append(time.monotonic())
        monkeypatch.setattr("maia.prefect.engine.REPORT_SECONDS", 1.0)
        await getattr(outages, outage)()

    assert await example(lose)(3) == {"cycles": 1, "done": 3}
    assert time.monotonic() - began[0] < 10
    assert "Prefect did not report" in caplog.text
    assert await example(lose)(2) == {"cycles": 1, "done": 2}
    assert len(began) == 2, "each body runs once"


async def test_a_server_lost_between_runs_leaves_plain_runs_until_it_is_back(
    prefect_server: PrefectServer, outages: Outages, caplog: pytest.LogCaptureFixture
) -> None:
    await example()(3)
    await outages.cut()
    assert await example()(2) == {"cycles": 1, "done": 2}
    assert "Prefect could not begin the run of flow example_cycle" in caplog.text
    await outages.end()
    assert await example()(1) == {"cycles": 1, "done": 1}
    run, _ = await asyncio.to_thread(prefect_server.newest_run)
    assert run["parameters"] == {"size": 1}


# ── the agents ──────────────────────────────────────────────────────────────────────────────────────────────────────

HUNTER_TASKS = {
    "finish_earlier COMPLETED", "fetch_batch COMPLETED", "search_youtube COMPLETED", "ingest_results COMPLETED",
}  # fmt: skip
TRACKER_TASKS = {"fetch_targets COMPLETED", "update_stats COMPLETED"}
JANITOR_TASKS = {f"expire_{part} COMPLETED" for part in ("snapshots", "videos", "queue", "history", "archive")}


def newest_artifact(server: PrefectServer) -> dict[str, Any]:
    return server.ask("/artifacts/filter", sort="CREATED_DESC", limit=1)[0]


async def test_a_cycle_is_a_run_and_its_stages_are_tasks(
    db: Database, api: RunningSandbox, timeline: Timeline, watching: PrefectServer
) -> None:
    tracked = await discover(db, api, timeline, "python")
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    await QueueDAO().add(["guitar", "rust"])

    async def seen(least: int) -> tuple[Any, ...]:
        run, tasks = await asyncio.to_thread(watching.newest_run, least)
        return run["flow"], run["state_type"], tasks

    workflow_run = "https://github.com/o/r/actions/runs/1234"
    with settings.override(hunter_max_searches_per_run=2, maia_run_id="1234.1", maia_run_url=workflow_run):
        assert (await cycles.work("hunter", AgentOptions()))["searches"] == 2
    artifact = await asyncio.to_thread(newest_artifact, watching)
    assert (artifact["key"], artifact["type"]) == ("maia-hunter", "markdown")
    assert "| searches | 2 |" in artifact["data"]
    assert f"[Workflow run 1234.1]({workflow_run})" in artifact["data"]
    assert await seen(4) == ("run_hunter_cycle", "COMPLETED", HUNTER_TASKS)
    assert (await cycles.work("tracker", AgentOptions()))["updated"] == len(tracked) > 40
    assert await seen(2) == ("run_tracker_cycle", "COMPLETED", TRACKER_TASKS)
    logs = watching.ask("/logs/filter", sort="TIMESTAMP_DESC", limit=200)
    assert any(log["message"].startswith(f"claimed {len(tracked)} videos") for log in logs), "loggers are the run's"
    await assert_every_call_is_counted(db, api)
    assert (await janitor.work(JanitorOptions(Shard())))["videos_deleted"] == 1
    assert await seen(5) == ("run_janitor_cycle", "COMPLETED", JANITOR_TASKS)
    parameters = watching.ask("/flow_runs/filter", sort="EXPECTED_START_TIME_DESC", limit=1)[0]["parameters"]
    assert parameters == {"batch_size": None, "dry_run": False, "max_minutes": None, "yes": False}


@pytest.mark.parametrize(
    ("fault", "raised", "state", "message"),
    [
        ("rate-limit:search", ChurnExit, "CRASHED", "Churn: HTTP 429 rateLimitExceeded: 'search' calls came too fast "),
        ("quota:search", None, "COMPLETED", "Quota exhausted: "),
        ("backend-error:search", None, "FAILED", "Failure: "),
        ("key-invalid", KeysRejected, "FAILED", "Config: "),
    ],
)
async def test_how_a_cycle_ended_is_its_message(
    db: Database,
    api: RunningSandbox,
    watching: PrefectServer,
    fault: str,
    raised: type[BaseException] | None,
    state: str,
    message: str,
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.add(fault)
    with settings.override(youtube_concurrency=1), pytest.raises(raised) if raised else contextlib.nullcontext():
        await cycles.work("hunter", AgentOptions())
    run, _ = await asyncio.to_thread(watching.newest_run)
    assert run["state_type"] == state
    assert run["state"]["message"].startswith(message)
    released = 0 if fault.startswith("backend") else 2  # the claims of failed items are kept until the end
    assert run["state"]["message"].endswith(f"; 0 videos and 0 snapshots stored, {released} claims released")


async def test_a_process_reports_its_cycles_with_the_name_of_its_shard(
    db: Database, api: RunningSandbox, children: Children, prefect_server: PrefectServer
) -> None:
    await QueueDAO().add(["python", "guitar", "rust"])
    command = ("hunter", "--shard", "2/4", "--batch-size", "2", "--cycles", "2")
    prefect = {"PREFECT_API_URL": prefect_server.api_url, "PREFECT_HOME": str(children.folder), "DO_NOT_TRACK": "1"}
    ended = await children.run(*command, MAIA_RUN_ID="1234.1", MAIA_WAVE="1", **prefect)
    assert ended.code == 0, ended.stderr
    names = ["hunter 2/4 of run 1234.1", "hunter 2/4 of run 1234.1, cycle 2"]
    runs = prefect_server.ask("/flow_runs/filter", flow_runs={"name": {"any_": names}})
    assert [run["name"] for run in sorted(runs, key=lambda run: run["start_time"])] == names
    for each in runs:
        assert f"/runs/flow-run/{each['id']}" in ended.stderr, "its page"
        assert set(each["tags"]) == {"agent:hunter", "shard:2/4", "wave:1", "run:1234.1"}
        assert each["state_type"] == "COMPLETED"
    only = {"flow_runs": {"id": {"any_": [run["id"] for run in runs]}}}
    _, tasks = await asyncio.to_thread(prefect_server.newest_run, 4)
    assert tasks == HUNTER_TASKS
    assert {tuple(each["tags"]) for each in prefect_server.ask("/task_runs/filter", **only)} == {()}, "no limits asked"
    videos = await value(db, "SELECT count(*) FROM videos")
    messages = [each["state"]["message"] for each in runs]
    pattern = re.compile(r"Ok; (\d+) videos and (\d+) snapshots stored, 0 claims released")
    counts = [[int(number) for number in match.groups()] for match in map(pattern.fullmatch, messages) if match]
    assert [sum(column) for column in zip(*counts, strict=True)] == [videos, videos], messages


async def test_a_process_that_is_signalled_while_its_server_is_silent_ends_in_time(
    db: Database, api: RunningSandbox, children: Children, prefect_server: PrefectServer
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.add("slow:search:seconds=1.5")
    async with wire_to(prefect_server.api_url) as wire:
        prefect = {"PREFECT_API_URL": f"http://127.0.0.1:{wire.port}/api", "PREFECT_HOME": str(children.folder)}
        child = await children.start("hunter", "--batch-size", "2", DO_NOT_TRACK="1", **prefect)
        await api.log.wait_for(lambda log: bool(log.calls("search")), timeout=PATIENCE)
        wire.fall_silent()
        child.process.send_signal(signal.SIGTERM)
        at = time.monotonic()
        ended = await child.end()
    assert time.monotonic() - at < 10, "docker kills then"
    assert (ended.code, ended.result and ended.result["outcome"]) == (143, "cancelled"), ended.stderr
    assert ended.result is not None
    assert ended.result["stats"]["searches"] == 2


# ── deployed flows ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_deployed_flow_runs_an_agent_like_the_command_line(
    db: Database, api: RunningSandbox, timeline: Timeline, watching: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maia import flows  # noqa: PLC0415  which imports Prefect

    tracked = await discover(db, api, timeline, "python")
    await QueueDAO().add(["guitar", "rust", "cooking", "news"])
    api.faults.add("rate-limit:search:after=1")
    with settings.override(youtube_concurrency=1):
        await flows.hunter(batch_size=4, shard="1/2", return_state=True)
    run, _ = await asyncio.to_thread(watching.newest_run)
    (row,) = await fetch(db, "SELECT * FROM runs")
    assert [row[name] for name in ("agent", "shard", "run_id")] == ["hunter", "1/2", run["id"]]
    assert (row["outcome"], row["exit_code"]) == ("churn", 75)
    assert row["url"].endswith(f"/runs/flow-run/{run['id']}")
    artifact = await asyncio.to_thread(newest_artifact, watching)
    assert (artifact["flow_run_id"], artifact["key"]) == (run["id"], "maia-hunter")
    assert "Outcome: **churn**, exit code 75" in artifact["data"]
    assert (run["state_type"], run["name"]) == ("CRASHED", "hunter 1/2")
    assert set(run["tags"]) == {"agent:hunter", "shard:1/2"}
    new, enriched = row["stats"]["videos_new"], row["stats"]["videos_enriched"]
    assert new > 0
    assert run["state"]["message"].startswith("Churn: HTTP 429 rateLimitExceeded: ")
    assert run["state"]["message"].endswith(f"; {new} videos and {enriched} snapshots stored, 3 claims released")
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)

    await flows.tracker(return_state=True)
    run, _ = await asyncio.to_thread(watching.newest_run)
    assert (run["state_type"], run["name"]) == ("COMPLETED", "tracker 0/1")
    assert run["state"]["message"].endswith(f"; {len(tracked)} snapshots stored, 0 claims released")
    await flows.janitor(dry_run=True, return_state=True)
    run, _ = await asyncio.to_thread(watching.newest_run)
    assert (run["state_type"], run["name"]) == ("COMPLETED", "janitor 0/1")
    assert run["state"]["message"].startswith("Ok: a dry run: nothing was deleted")
    rows = await fetch(db, "SELECT agent, outcome FROM runs ORDER BY agent")
    assert [tuple(each.values()) for each in rows] == [("hunter", "churn"), ("janitor", "ok"), ("tracker", "ok")]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (EmptyKeyRing("hunting"), "Config: Empty KeyRing: no keys for 'hunting'"),
        (DatabaseUnavailable("no server"), "Unavailable: no server"),
    ],
)
async def test_what_keeps_a_deployed_flow_from_starting_is_its_message(
    db: Database, api: RunningSandbox, watching: PrefectServer, monkeypatch: pytest.MonkeyPatch, error: Exception,
    message: str,
) -> None:  # fmt: skip
    from maia import deployments, flows  # noqa: PLC0415  which import Prefect

    async def check(_: str) -> None:
        raise error

    monkeypatch.setattr(deployments, "check", check)
    await flows.hunter(return_state=True)
    run, _ = await asyncio.to_thread(watching.newest_run)
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"].startswith(message)
    assert await fetch(db, "SELECT * FROM runs") == []
