"""The agents as deployments of a real Prefect server, run by a real worker, and by `serve()`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, pool, value
from ...support.child_processes import child
from ...support.documents import CHECKOUT
from ...support.prefect_server import PrefectServer
from ...support.secrets_plugin import shown

pytestmark = pytest.mark.integration

if not (CHECKOUT / "prefect.yaml").exists():
    pytest.skip(
        "there is no prefect.yaml beside these tests: they run from an installed wheel", allow_module_level=True
    )

POOLS = ("process", "docker", "kubernetes")
PREFECT = (sys.executable, "-m", "prefect")


@pytest.fixture
def role() -> None:
    """One worker runs them all here: agents and Janitor have the owner's rights."""


@pytest.fixture(scope="module")
def deployed(prefect_server: PrefectServer) -> PrefectServer:
    """The server, with all deployments of prefect.yaml."""

    for kind in POOLS:
        template = {}
        if kind != "process":
            template = {"base_job_template": json.loads((CHECKOUT / f"container/prefect-{kind}.json").read_text())}
        prefect_server.ask("/work_pools/", name=f"maia-{kind}", type=kind, **template)
    done = subprocess.run(
        [*PREFECT, "deploy", "--all", "--no-prompt"], cwd=CHECKOUT, env=prefect_server.environment(),
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return prefect_server


Start = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def background(deployed: PrefectServer, tmp_path: Path) -> Start:
    """`background(command, **environment)`: a command that runs until the block ends, with the settings of the test."""

    @contextlib.asynccontextmanager
    async def start(*command: str, **environment: str) -> AsyncIterator[None]:
        log = tmp_path / "background.log"
        with log.open("ab") as output:
            async with child(
                *command, stop=signal.SIGINT, cwd=tmp_path, env=deployed.environment(**environment),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            ):  # fmt: skip
                try:
                    yield
                except AssertionError as error:
                    raise AssertionError(f"{error}\n{log.read_text()[-5000:]}") from error
        shown("a worker's log", log.read_bytes())

    return start


WORKER = (*PREFECT, "worker", "start", "--pool", "maia-process", "--name", "a worker")


async def row_of(db: Database) -> dict[str, Any]:
    """The one row in ``runs``."""
    (row,) = await fetch(db, "SELECT * FROM runs")
    return row


def test_every_flow_is_deployed_for_every_pool_switched_off_and_described(deployed: PrefectServer) -> None:
    flows = {flow["id"]: flow["name"] for flow in deployed.ask("/flows/filter")}
    found = [each for each in deployed.ask("/deployments/filter") if each["work_pool_name"]]
    assert {(flows[each["flow_id"]], each["name"], each["work_pool_name"]) for each in found} == {
        (flow, kind, f"maia-{kind}") for flow in ("hunter", "tracker", "janitor") for kind in POOLS
    }
    for each in found:
        assert [schedule["active"] for schedule in each["schedules"]] == [False]
        parameters = each["parameter_openapi_schema"]["properties"]
        assert {"batch_size", "max_minutes"} <= parameters.keys()
        assert all(parameter["description"] for parameter in parameters.values())
        assert "Args:" not in each["description"]
        assert "env" not in each["job_variables"], "what stands here is shown to everybody: secrets are elsewhere"


async def test_a_worker_runs_the_agents_like_the_command_line(
    db: Database, api: RunningSandbox, timeline: Timeline, deployed: PrefectServer, background: Start
) -> None:
    tracked = await discover(db, api, timeline, "python")
    await QueueDAO().add(["guitar", "rust"])
    hunter_id = deployed.schedule("hunter/process", batch_size=2, cycles=2, max_minutes=None, shard="2/4")
    async with background(*WORKER, MAIA_RUN_ID="1234.1", MAIA_WAVE="2"):
        hunter = await asyncio.to_thread(deployed.wait, hunter_id)
        (row,) = await fetch(db, "SELECT * FROM runs")
        videos = await value(db, "SELECT count(*) FROM videos") - len(tracked)
        ids = [deployed.schedule("tracker/process"), deployed.schedule("janitor/process", dry_run=True)]
        tracker, janitor = [await asyncio.to_thread(deployed.wait, run_id) for run_id in ids]
    assert (hunter["state_type"], hunter["name"]) == ("COMPLETED", "hunter 2/4 of run 1234.1"), hunter["state"]
    assert set(hunter["tags"]) == {"maia", "agent:hunter", "shard:2/4", "wave:2", "run:1234.1"}
    assert [row[name] for name in ("agent", "shard", "run_id", "wave")] == ["hunter", "2/4", "1234.1", 2]
    assert [row[name] for name in ("outcome", "exit_code", "error")] == ["ok", 0, None]
    assert row["started_at"] < row["finished_at"]
    assert (row["stats"]["cycles"], row["stats"]["searches"]) == (2, 4)
    assert videos > 0
    assert hunter["state"]["message"] == f"Ok; {videos} videos and {videos} snapshots stored, 0 claims released"
    tasks = deployed.ask("/task_runs/filter", flow_runs={"id": {"any_": [hunter_id]}})
    assert {task["name"].rpartition("-")[0] for task in tasks} >= {"fetch_batch", "search_youtube", "ingest_results"}
    logs = deployed.ask("/logs/filter", logs={"flow_run_id": {"any_": [hunter_id]}})
    assert any(log["message"].startswith("cycle 2, ") for log in logs)
    assert (tracker["state_type"], tracker["name"]) == ("COMPLETED", "tracker 0/1 of run 1234.1"), tracker["state"]
    assert tracker["state"]["message"].endswith(f"; {len(tracked)} snapshots stored, 0 claims released")
    assert (janitor["state_type"], janitor["name"]) == ("COMPLETED", "janitor 0/1 of run 1234.1"), janitor["state"]
    assert janitor["state"]["message"].startswith("Ok: a dry run: nothing was deleted")
    rows = await fetch(db, "SELECT agent, outcome, run_id FROM runs ORDER BY agent")
    assert [tuple(each.values()) for each in rows] == [
        (agent, "ok", "1234.1") for agent in ("hunter", "janitor", "tracker")
    ]
    await assert_every_call_is_counted(db, api)


async def test_a_workers_churn_says_what_was_stored_and_released(
    db: Database, api: RunningSandbox, deployed: PrefectServer, background: Start
) -> None:
    await QueueDAO().add(["python", "guitar", "rust", "cooking"])
    api.faults.add("rate-limit:search:after=1")
    run_id = deployed.schedule("hunter/process", batch_size=4)
    async with background(*WORKER, YOUTUBE_CONCURRENCY="1"):
        run = await asyncio.to_thread(deployed.wait, run_id)
    row = await row_of(db)
    assert (row["outcome"], row["exit_code"], row["run_id"]) == ("churn", 75, run_id)
    assert run["state_type"] == "CRASHED"
    message = run["state"]["message"]
    assert message.startswith("Churn: HTTP 429 rateLimitExceeded: ")
    stats = row["stats"]
    assert stats["videos_new"] > 0
    done = f"{stats['videos_new']} videos and {stats['videos_enriched']} snapshots stored, 3 claims released"
    assert message.endswith(f"; {done}"), message
    assert await nothing_is_claimed(db)


async def test_what_kept_a_run_of_a_worker_from_starting_is_its_message(
    db: Database, deployed: PrefectServer, background: Start
) -> None:
    ids = [deployed.schedule("hunter/process"), deployed.schedule("tracker/process")]
    wrong = {"YOUTUBE_API_KEY_POOL_JSON": pool(hunting=()), "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"}
    async with background(*WORKER, **wrong):
        hunter, tracker = [await asyncio.to_thread(deployed.wait, run_id) for run_id in ids]
    assert (hunter["state_type"], tracker["state_type"]) == ("FAILED", "FAILED")
    assert hunter["state"]["message"].startswith("Config: Empty KeyRing: no keys for 'hunting'"), hunter["state"]
    assert tracker["state"]["message"].startswith("Unavailable: "), tracker["state"]
    assert await fetch(db, "SELECT * FROM runs") == []


async def test_a_run_that_is_cancelled_in_prefect_stores_and_releases(
    db: Database, api: RunningSandbox, deployed: PrefectServer, background: Start
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.add("slow:search:seconds=3")
    run_id = deployed.schedule("hunter/process", batch_size=2)
    async with background(*WORKER, YOUTUBE_CONCURRENCY="1"):
        await api.log.wait_for(lambda log: bool(log.calls("search")), timeout=90)
        state = {"type": "CANCELLING", "message": "by a test"}
        await asyncio.to_thread(deployed.ask, f"/flow_runs/{run_id}/set_state", state=state)
        run = await asyncio.to_thread(deployed.wait, run_id, "CANCELLED")
    assert run["state_type"] == "CANCELLED"
    row = await row_of(db)
    assert (row["outcome"], row["exit_code"]) == ("cancelled", 143)
    assert await nothing_is_claimed(db)


async def test_serve_runs_a_flow_without_a_work_pool(
    db: Database, api: RunningSandbox, deployed: PrefectServer, background: Start
) -> None:
    await QueueDAO().add(["python"])
    script = "import maia.flows; maia.flows.hunter.serve(name='here', parameters={'shard': '1/2'})"
    async with background(sys.executable, "-c", script):
        while not [each for each in deployed.ask("/deployments/filter") if each["name"] == "here"]:
            await asyncio.sleep(0.2)  # polling: the server does not announce a deployment
        run_id = await asyncio.to_thread(deployed.schedule, "hunter/here")
        run = await asyncio.to_thread(deployed.wait, run_id)
    assert (run["state_type"], run["name"]) == ("COMPLETED", "hunter 1/2"), run["state"]
    row = await row_of(db)
    assert (row["agent"], row["shard"], row["outcome"], row["run_id"]) == ("hunter", "1/2", "ok", run_id)
