"""docs/prefect.md, followed from its top: every command, in order, against a real server and real workers.

The worker of a docker pool needs an engine: tests/e2e/test_prefect.py runs that part.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from maia.runtime.exitcodes import Outcome
from youtube_sandbox import RunningSandbox

from ...support.agents import fetch, nothing_is_claimed
from ...support.child_processes import child, finished
from ...support.documents import CHECKOUT, document, needs_documents, sections, table
from ...support.event_loop import PATIENCE
from ...support.prefect_server import PrefectServer
from ...support.secrets_plugin import shown

pytestmark = [pytest.mark.integration, needs_documents]

PAGE = "docs/prefect.md"
STARTED = "prefect server start"
"""The tests' own server is started by this command."""
SERVERS = ("prefect worker start --pool maia-process", "maia.flows.hunter.serve(")
"""What runs until it is stopped."""
ELSEWHERE = ("prefect worker start --pool maia-docker", "prefect deployment run tracker/docker")
"""What needs a Docker engine."""
OF_ONE_KIND = re.compile(r"^prefect deploy --no-prompt --name (docker|kubernetes)$", re.MULTILINE)
"""Left out for time: `prefect deploy --all` makes these deployments too."""
KUBECTL = '#!/bin/sh\ntest "$*" = "create secret generic maia --from-env-file=.env" && test -f .env\n'
IMPATIENT = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_RUNNER_POLL_FREQUENCY": "2"}


def test_the_outcomes_are_those_of_the_code() -> None:
    rows = table(document(PAGE), "outcome", "state", "message, for example")
    assert {outcome.strip("`") for outcome, _, _ in rows} == {str(outcome) for outcome in Outcome}


async def test_the_page_can_be_followed_and_a_run_can_be_cancelled(
    db: Database, api: RunningSandbox, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    await QueueDAO().add(["python", "guitar", "rust"])
    here = tmp_path / "checkout"
    here.mkdir()
    for name in ("prefect.yaml", "container"):
        (here / name).symlink_to(CHECKOUT / name)
    given = {
        name: text for name, text in os.environ.items()
        if re.match(r"(DATABASE|YOUTUBE|VAULT|ATLAS|HUNTER|TRACKER)_", name)
    }  # fmt: skip
    given |= {"HUNTER_MAX_SEARCHES_PER_RUN": "2", "MAIA_RUN_ID": "1234.1", "MAIA_WAVE": "2"}
    (here / ".env").write_text("".join(f"{name}={shlex.quote(text)}\n" for name, text in given.items()))
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    environment = {
        name: text for name, text in prefect_server.environment(**IMPATIENT).items()
        if name not in {*given, "PREFECT_API_URL"}
    }  # fmt: skip
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    log = tmp_path / "servers.log"
    exported = ""
    async with contextlib.AsyncExitStack() as running:
        output = running.enter_context(log.open("ab"))
        for block in blocks():
            at_the_server = OF_ONE_KIND.sub("", block).replace("http://127.0.0.1:4200/api", prefect_server.api_url)
            script = f"{exported}set -e\n{at_the_server}"
            if block.startswith("export "):
                exported = f"{at_the_server}\n"
            elif any(server in block for server in SERVERS):
                await running.enter_async_context(
                    child(
                        "bash", "-c", script.replace("\nprefect worker", "\nexec prefect worker"), cwd=here,
                        env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                        start_new_session=True, stop=signal.SIGINT,
                    )
                )  # fmt: skip
                if "serve(" in block:
                    await served(prefect_server)
            elif block != STARTED and not any(each in block for each in ELSEWHERE):
                code, out, err = await finished(
                    "bash", "-c", script, cwd=here, env=environment, timeout=PATIENCE * 2, start_new_session=True
                )
                assert code == 0, f"{block}\n{(out + err).decode()[-3000:]}\n{log.read_text()[-3000:]}"
        try:
            every_flow_is_deployed(prefect_server)
            await the_runs_are_those_of_agents(db, prefect_server)
            await a_cancelled_run_releases(db, api, prefect_server)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"{error!r}\n{log.read_text()[-5000:]}") from error
    shown(log.name, log.read_bytes())


def blocks() -> list[str]:
    """The shell blocks of the page, in order."""
    found = ["\n".join(b.lines) for each in sections(document(PAGE)) for b in each.blocks if b.language == "bash"]
    assert all(any(words in block for block in found) for words in (STARTED, *SERVERS, *ELSEWHERE))
    return found


async def served(server: PrefectServer) -> None:
    async with asyncio.timeout(PATIENCE):
        while not [each for each in server.ask("/deployments/filter") if each["name"] == "here"]:
            await asyncio.sleep(0.2)  # polling: the server does not announce a deployment


def every_flow_is_deployed(server: PrefectServer) -> None:
    """For every pool, switched off, and described."""
    flows = {flow["id"]: flow["name"] for flow in server.ask("/flows/filter")}
    found = [each for each in server.ask("/deployments/filter") if each["work_pool_name"]]
    assert {(flows[each["flow_id"]], each["name"], each["work_pool_name"]) for each in found} == {
        (flow, kind, f"maia-{kind}")
        for flow in ("hunter", "tracker", "janitor")
        for kind in ("process", "docker", "kubernetes")
    }
    for each in found:
        assert [schedule["active"] for schedule in each["schedules"]] == [False]
        parameters = each["parameter_openapi_schema"]["properties"]
        assert {"batch_size", "max_minutes"} <= parameters.keys()
        assert all(parameter["description"] for parameter in parameters.values())
        assert "Args:" not in each["description"]
        assert "env" not in each["job_variables"], "everybody can read this: secrets are elsewhere"


async def the_runs_are_those_of_agents(db: Database, server: PrefectServer) -> None:
    worker, serve = await fetch(db, "SELECT * FROM runs ORDER BY started_at")
    for row, shard in ((worker, "0/4"), (serve, "0/1")):
        identity = [row[name] for name in ("agent", "shard", "run_id", "wave")]
        assert identity == ["hunter", shard, "1234.1", 2]
        assert [row[name] for name in ("outcome", "exit_code", "error")] == ["ok", 0, None]
    (run,) = server.ask("/flow_runs/filter", flow_runs={"name": {"any_": ["hunter 0/4 of run 1234.1"]}})
    assert run["state_type"] == "COMPLETED", run["state"]
    assert set(run["tags"]) == {"maia", "agent:hunter", "shard:0/4", "wave:2", "run:1234.1"}
    stats = worker["stats"]
    assert stats["searches"] == 2
    assert stats["videos_new"] > 0
    done = f"{stats['videos_new']} videos and {stats['videos_enriched']} snapshots stored"
    assert done in run["state"]["message"]
    only = {"any_": [run["id"]]}
    tasks = server.ask("/task_runs/filter", flow_runs={"id": only})
    assert {task["name"].rpartition("-")[0] for task in tasks} >= {"fetch_batch", "search_youtube", "ingest_results"}
    logs = server.ask("/logs/filter", logs={"flow_run_id": only})
    assert any(entry["message"].startswith("cycle 1, ") for entry in logs)


async def a_cancelled_run_releases(db: Database, api: RunningSandbox, server: PrefectServer) -> None:
    await QueueDAO().add(["cooking", "news"])
    api.faults.add("slow:search:seconds=20")  # the run has not ended when the worker hears of the cancellation
    run_id = server.schedule("hunter/process", batch_size=2)
    async with asyncio.timeout(PATIENCE):
        while await nothing_is_claimed(db):
            await asyncio.sleep(0.1)  # polling: the sandbox records a call when it has answered
    state = {"type": "CANCELLING", "message": "by a test"}
    await asyncio.to_thread(server.ask, f"/flow_runs/{run_id}/set_state", state=state)
    await asyncio.to_thread(server.wait, run_id, "CANCELLED")
    async with asyncio.timeout(PATIENCE):
        while not (rows := await fetch(db, "SELECT * FROM runs WHERE outcome <> 'ok'")):
            await asyncio.sleep(0.1)  # polling: Prefect does not wait for the end of the process
    (row,) = rows
    assert (row["outcome"], row["exit_code"]) == ("cancelled", 143)
    assert await nothing_is_claimed(db)
