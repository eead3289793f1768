"""A container of the image, on a real engine: how it runs, stops and fails."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from ..support.docker_engine import HARDENED, RESULT, Containers, Docker, Ended
from ..support.documents import document, sections
from ..support.event_loop import PATIENCE
from ..support.prefect_server import PrefectServer, prefect_server
from .conftest import Query, Sandbox

__all__ = ["prefect_server"]  # a fixture

pytestmark = pytest.mark.e2e

WITHOUT_INIT = tuple(option for option in HARDENED if option != "--init")
CLAIMED = """
    SELECT id::text FROM search_queue WHERE lease_token IS NOT NULL
    UNION ALL SELECT id FROM videos WHERE lease_token IS NOT NULL
"""


def check(ended: Ended, code: int, outcome: str) -> None:
    """The exit code, and the result file that agrees with it."""
    assert ended.code == code, ended.output
    assert ended.result is not None, ended.output
    assert (ended.result["outcome"], ended.result["exit_code"]) == (outcome, code)


@pytest.mark.parametrize(
    "options",
    [
        ("--network", "host", "--volume", "/run/maia"),
        (*HARDENED, "--user", "12345:54321", "--env", "HOME=/nonexistent"),
    ],
    ids=["plain", "hardened, any user, without a home"],
)
@pytest.mark.usefixtures("seeded")
def test_the_agents_do_their_work(
    containers: Containers, environment: dict[str, str], query: Query, sandbox: Sandbox, options: tuple[str, ...]
) -> None:
    hunter = containers.maia("hunter", "--shard", "0/4", environment=environment, options=options).end()
    check(hunter, 0, "ok")
    found = {id_ for call in sandbox.log.calls("search") for id_ in call.ids}
    assert len(found) > 50
    enriched = query("SELECT id FROM videos WHERE tags IS NOT NULL AND enriched_at IS NOT NULL")
    assert {row["id"] for row in enriched} == found
    assert query("SELECT count(DISTINCT video_id) AS n FROM video_stats_log") == [{"n": len(found)}]
    assert query("SELECT count(*) AS n FROM search_queue WHERE searches = 1") == [{"n": 3}]

    query("UPDATE videos SET due_at = now() - interval '1 minute'")
    tracker = containers.maia("tracker", "--batch-size", "500", environment=environment, options=options).end()
    check(tracker, 0, "ok")
    assert tracker.result is not None
    assert tracker.result["stats"]["updated"] == len(found)
    assert query(CLAIMED) == []
    rows = query("SELECT agent, shard, outcome, exit_code FROM runs ORDER BY agent")
    assert [tuple(row.values()) for row in rows] == [("hunter", "0/4", "ok", 0), ("tracker", "0/1", "ok", 0)]


@pytest.mark.usefixtures("seeded")
def test_a_rate_limit_ends_it_with_75_and_keeps_what_was_answered(
    containers: Containers, environment: dict[str, str], query: Query, sandbox: Sandbox
) -> None:
    sandbox.faults("rate-limit:search:after=1")
    ended = containers.maia("hunter", environment=environment).end()
    check(ended, 75, "churn")
    (answered,) = sandbox.log.calls("search", status=200)
    assert {row["id"] for row in query("SELECT id FROM videos")} == set(answered.ids)
    assert query("SELECT query_term FROM search_queue WHERE searches = 1") == [{"query_term": answered.params["q"]}]
    assert query(CLAIMED) == []


@pytest.mark.usefixtures("seeded")
def test_the_commands_of_the_documents_work_as_written(
    docker: Docker, image: str, environment: dict[str, str], query: Query, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    blocks = [block for section in sections(document("docs/container.md")) for block in section.blocks]
    lines = [line for block in blocks if block.language == "bash" for line in block.lines if "docker run" in line]
    assert len(lines) == 6
    for line in lines:
        # the database and the sandbox of this test are on this machine's own network
        here = line.replace("docker run", "docker run --network host")
        done = subprocess.run(["sh", "-c", here], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (result["agent"], result["exit_code"]) == ("hunter", 0)
    assert query("SELECT count(*) AS n FROM runs WHERE exit_code = 0") == [{"n": 4}]
    assert query("SELECT query_term FROM search_queue WHERE query_term = 'street food' AND searches > 0")


UNSET = (
    "HF_TOKEN", "HF_DATASET_ID", "NOTIFY_URLS", "PREFECT_API_URL", "PREFECT_API_KEY", "HUNTER_REGION", "VAULT_PROVIDER"
)  # fmt: skip


@pytest.mark.usefixtures("seeded")
def test_an_env_file_with_quotes_and_with_secrets_that_are_empty(
    containers: Containers, environment: dict[str, str], query: Query, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    lines = [
        f'DATABASE_URL="{environment["DATABASE_URL"]}"',
        f"YOUTUBE_API_KEY_POOL_JSON='{environment['YOUTUBE_API_KEY_POOL_JSON']}'",
        f"YOUTUBE_API_BASE_URL={environment['YOUTUBE_API_BASE_URL']}",
        f"MAIA_RESULT_FILE='{RESULT}'",
        'HUNTER_BATCH_SIZE="2"',
        *(f"{name}=" for name in UNSET),
        'ATLAS_CLOCK=""',
    ]
    file.write_text("\n".join(lines) + "\n")
    ended = containers.run("python", "-m", "maia", "hunter", options=(*HARDENED, "--env-file", str(file)))
    check(ended, 0, "ok")
    assert query("SELECT count(*) AS n FROM search_queue WHERE searches = 1") == [{"n": 2}]
    assert query("SELECT count(*) AS n FROM videos WHERE archived_at IS NOT NULL") == [{"n": 0}], "the image's default"


def test_a_setting_that_is_missing_or_wrong_is_named_and_not_shown(
    containers: Containers, environment: dict[str, str]
) -> None:
    """Containers that run at the same time."""
    wrong_password = environment["DATABASE_URL"].replace(":hunter@", ":n0t-the-passw0rd@")
    cases = [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://maia:hunter@127.0.0.1/maia"),
        ("YOUTUBE_API_KEY_POOL_JSON", ""),
        ("YOUTUBE_API_KEY_POOL_JSON", '["half-a-key'),
        ("HUNTER_BATCH_SIZE", "many"),
    ]
    if not os.environ.get("MAIA_TEST_DATABASE_URL"):  # whose server may ask for no password
        cases.append(("DATABASE_URL", wrong_password))
    started = [containers.maia("hunter", environment={**environment, name: value}) for name, value in cases]
    for (name, value), container in zip(cases, started, strict=True):
        ended = container.end()
        check(ended, 78, "config")
        assert ended.result is not None
        (reason,) = [line for line in ended.stderr.splitlines() if line.startswith("maia hunter: ")]
        for secret in ("half-a-key", "n0t-the-passw0rd"):
            assert secret not in ended.output + json.dumps(ended.result)
        if value != wrong_password:
            assert name in reason
            assert name in ended.result["error"]


@pytest.mark.parametrize("options", [HARDENED, WITHOUT_INIT], ids=["--init", "as process 1"])
@pytest.mark.usefixtures("seeded")
def test_docker_stop_in_mid_cycle_keeps_what_was_answered_and_releases_the_claims(
    containers: Containers, environment: dict[str, str], query: Query, sandbox: Sandbox, options: tuple[str, ...]
) -> None:
    sandbox.faults("slow:search:after=1:seconds=300")
    container = containers.maia("hunter", environment=environment, options=options)
    sandbox.wait_for(lambda log: bool(log.calls("search")))
    assert len(query(CLAIMED)) == 3
    container.stop()
    ended = container.end()
    check(ended, 143, "cancelled")
    (answered,) = sandbox.log.calls("search")
    assert {row["id"] for row in query("SELECT id FROM videos")} == set(answered.ids)
    assert query(CLAIMED) == []


def test_docker_stop_in_the_first_moments_ends_it_at_once_even_without_init(
    containers: Containers, environment: dict[str, str]
) -> None:
    container = containers.maia("hunter", environment=environment, options=WITHOUT_INIT)
    heeds_sigterm(container.pid())
    began = time.monotonic()
    container.stop(60)
    ended = container.end()
    assert time.monotonic() - began < 30, "not the kill"
    check(ended, 143, "cancelled")


def heeds_sigterm(pid: int) -> None:
    """Returns once the process, seen from this machine, has a handler for SIGTERM; it is still importing then."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("the engine's processes cannot be seen from here")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        (mask,) = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt:")]
        if int(mask, 16) >> 14 & 1:
            return
        time.sleep(0.001)  # polling: nothing announces the handlers of a process
    pytest.fail("no handler")


@pytest.mark.usefixtures("seeded")
def test_a_run_is_reported_to_a_prefect_server_and_a_work_pool_can_run_its_flows(
    containers: Containers, environment: dict[str, str], prefect_server: PrefectServer
) -> None:
    environment = {**environment, "PREFECT_API_URL": prefect_server.api_url}
    ended = containers.maia("hunter", environment=environment).end()
    check(ended, 0, "ok")
    run, tasks = prefect_server.newest_run()
    assert run["state_type"] == "COMPLETED"
    assert tasks
    assert all(task.endswith(" COMPLETED") for task in tasks)
    assert "Prefect" not in ended.stderr, "no warning"
    # what a Prefect worker starts in a container, for a scheduled flow run
    scheduled = containers.run("python", "-W", "ignore", "-c", SCHEDULE, environment=environment)
    assert scheduled.code == 0, scheduled.output
    ended = containers.run("prefect", "flow-run", "execute", scheduled.stdout.strip(), environment=environment)
    assert ended.code == 0, ended.output
    newest, _ = prefect_server.newest_run()
    assert newest["id"] != run["id"]
    assert newest["state_type"] == "COMPLETED", ended.output


@pytest.mark.usefixtures("seeded")
def test_a_prefect_server_that_is_not_there_costs_a_warning(
    containers: Containers, environment: dict[str, str]
) -> None:
    ended = containers.maia("hunter", environment={**environment, "PREFECT_API_URL": "http://127.0.0.1:9/api"}).end()
    check(ended, 0, "ok")
    assert "does not answer" in ended.stderr


SCHEDULE = """
import asyncio
import maia.flows
from prefect.client.orchestration import get_client
from prefect.flows import EntrypointType

async def main():
    deployment = await maia.flows.hunter.ato_deployment("here", entrypoint_type=EntrypointType.MODULE_PATH)
    deployment.entrypoint = "maia.flows.hunter"
    async with get_client() as client:
        run = await client.create_flow_run_from_deployment(await deployment.aapply(), parameters={"batch_size": 2})
    print(run.id)

asyncio.run(main())
"""
