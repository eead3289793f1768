"""The agents under a real Prefect server: what is seen there, and that nothing depends on it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from maia.sandbox import RunningSandbox

from ..prefect_server import PrefectServer
from .harness import Timeline, assert_every_call_is_counted, discover, nothing_is_claimed, value
from .processes import Children, Ended

pytestmark = pytest.mark.integration

HUNTER_TASKS = {
    "finish_earlier COMPLETED",
    "fetch_batch COMPLETED",
    "search_youtube COMPLETED",
    "ingest_results COMPLETED",
}
TRACKER_TASKS = {"fetch_targets COMPLETED", "update_stats COMPLETED"}


async def run(children: Children, agent: str, server: PrefectServer) -> tuple[Ended, str, str, set[str]]:
    """Runs an agent under the server: how it ended, and the flow, the state and the tasks that are seen there."""
    ended = await children.run(
        agent, PREFECT_API_URL=server.api_url, PREFECT_HOME=str(children.folder / "prefect"), DO_NOT_TRACK="1"
    )
    run, tasks = await asyncio.to_thread(server.newest_run)
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


async def test_a_churn_is_a_crashed_run_and_exit_75(
    db: Database, api: RunningSandbox, children: Children, prefect_server: PrefectServer
) -> None:
    await QueueDAO().add(["python", "guitar", "rust"])
    api.faults.add("rate-limit:search:after=1")
    ended, flow, state, tasks = await run(children, "hunter", prefect_server)
    assert (ended.code, flow, state) == (75, "run_hunter_cycle", "CRASHED"), ended.stderr
    assert tasks == HUNTER_TASKS, "what was answered is stored before it ends"
    assert ended.result is not None
    assert (ended.result["outcome"], ended.result["stats"]["searches"]) == ("churn", 1)
    assert "came too fast" in ended.reason
    (answered,) = api.log.calls("search", status=200)
    assert await value(db, "SELECT count(*) FROM videos WHERE id = ANY ($1)", answered.ids) == len(answered.ids)
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_an_unreachable_server_costs_a_warning(db: Database, api: RunningSandbox, children: Children) -> None:
    await QueueDAO().add(["rust"])
    with socket.socket() as taken:  # bound and not listening: refuses
        taken.bind(("127.0.0.1", 0))
        ended = await children.run("hunter", PREFECT_API_URL=f"http://127.0.0.1:{taken.getsockname()[1]}/api")
    assert ended.code == 0, ended.stderr
    assert "does not answer: this run goes on without it" in ended.stderr
    assert ended.result is not None
    assert ended.result["stats"]["searches"] == 1
    assert await value(db, "SELECT count(*) FROM videos") > 10
