"""The agents under a real Prefect server: what is seen there, and that nothing depends on it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children, Ended
from ...support.agents import Timeline, assert_every_call_is_counted, discover, value
from ...support.prefect_server import PrefectServer

pytestmark = pytest.mark.integration

HUNTER_TASKS = {
    "finish_earlier COMPLETED",
    "fetch_batch COMPLETED",
    "search_youtube COMPLETED",
    "ingest_results COMPLETED",
}
TRACKER_TASKS = {"fetch_targets COMPLETED", "update_stats COMPLETED"}


async def reported(
    children: Children, server: PrefectServer, *command: str, **environment: str
) -> tuple[Ended, dict[str, Any], set[str]]:
    """Run an agent under the server: how it ended, and the newest flow run and its tasks that are seen there."""
    environment |= {"PREFECT_API_URL": server.api_url, "PREFECT_HOME": str(children.folder / "prefect")}
    ended = await children.run(*command, DO_NOT_TRACK="1", **environment)
    run, tasks = await asyncio.to_thread(server.newest_run)
    return ended, run, tasks


async def run(children: Children, agent: str, server: PrefectServer) -> tuple[Ended, str, str, set[str]]:
    """Run an agent under the server: how it ended, and the flow, the state and the tasks that are seen there."""
    ended, run, tasks = await reported(children, server, agent)
    (flow,) = await asyncio.to_thread(server.ask, "/flows/filter", flows={"id": {"any_": [run["flow_id"]]}})
    return ended, flow["name"], run["state_type"], tasks


async def test_a_cycle_is_a_run_and_its_stages_are_tasks(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, prefect_server: PrefectServer
) -> None:
    tracked = await discover(db, api, timeline, "python")
    await QueueDAO().add(["guitar", "rust"])
    ended, flow, state, tasks = await run(children, "hunter", prefect_server)
    assert (ended.code, flow, state, tasks) == (0, "run_hunter_cycle", "COMPLETED", HUNTER_TASKS), ended.stderr
    assert ended.result is not None
    assert ended.result["stats"]["searches"] == 10
    ended, flow, state, tasks = await run(children, "tracker", prefect_server)
    assert (ended.code, flow, state, tasks) == (0, "run_tracker_cycle", "COMPLETED", TRACKER_TASKS), ended.stderr
    assert ended.result is not None
    assert ended.result["stats"]["updated"] == len(tracked) == 50
    await assert_every_call_is_counted(db, api)
    logs = await asyncio.to_thread(prefect_server.ask, "/logs/filter", sort="TIMESTAMP_DESC", limit=200)
    assert any(log["message"].startswith("claimed 50 videos") for log in logs), "loggers are the run's"


async def test_a_cycle_has_the_name_of_its_shard_and_says_what_it_stored(
    db: Database, api: RunningSandbox, children: Children, prefect_server: PrefectServer
) -> None:
    await QueueDAO().add(["python", "guitar", "rust"])
    command = ("hunter", "--shard", "2/4", "--batch-size", "2", "--cycles", "2")
    ended, second, _ = await reported(children, prefect_server, *command, MAIA_RUN_ID="1234.1", MAIA_WAVE="1")
    assert ended.code == 0, ended.stderr
    assert second["name"] == "hunter 2/4 of run 1234.1, cycle 2"
    (first,) = prefect_server.ask("/flow_runs/filter", flow_runs={"name": {"any_": ["hunter 2/4 of run 1234.1"]}})
    for each in (first, second):
        assert set(each["tags"]) == {"agent:hunter", "shard:2/4", "wave:1", "run:1234.1"}
        assert each["state_type"] == "COMPLETED"
    videos = await value(db, "SELECT count(*) FROM videos")
    messages = [each["state"]["message"] for each in (first, second)]
    pattern = re.compile(r"Ok; (\d+) videos and (\d+) snapshots stored, 0 claims released")
    counts = [[int(number) for number in match.groups()] for match in map(pattern.fullmatch, messages) if match]
    assert [sum(column) for column in zip(*counts, strict=True)] == [videos, videos], messages


@pytest.mark.parametrize(
    ("fault", "code", "state", "message"),
    [
        ("rate-limit:search", 75, "CRASHED", "Churn: HTTP 429 rateLimitExceeded: 'search' calls came too fast "),
        ("quota:search", 0, "COMPLETED", "Quota exhausted: "),
        ("backend-error:search", 1, "FAILED", "Failure: "),
        ("key-invalid", 78, "FAILED", "Config: "),
    ],
)
async def test_how_a_cycle_ended_is_its_message(
    db: Database,
    api: RunningSandbox,
    children: Children,
    prefect_server: PrefectServer,
    fault: str,
    code: int,
    state: str,
    message: str,
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.add(fault)
    ended, run, _ = await reported(children, prefect_server, "hunter", YOUTUBE_CONCURRENCY="1")
    assert (ended.code, run["state_type"]) == (code, state), ended.stderr
    assert run["state"]["message"].startswith(message)
    released = 0 if code == 1 else 2  # what failed is set aside until the end of the process
    assert run["state"]["message"].endswith(f"; 0 videos and 0 snapshots stored, {released} claims released")
