"""The action on a real engine: each behaviour of a step, with the real image, a PostgreSQL and the sandbox."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.action_step import Done, Step
from ..support.docker_engine import Docker
from ..support.mermaid import charts
from .conftest import POOL, Query, Sandbox

pytestmark = pytest.mark.e2e

KEYS = [key for ring in POOL.values() for key in ring]
PASSED = ("PATH", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
CLAIMED = "SELECT id FROM search_queue WHERE lease_token IS NOT NULL"


@pytest.fixture
def step(tmp_path: Path, docker: Docker, image: str, environment: dict[str, str]) -> Iterator[Step]:
    """A step with this test's database and sandbox, on this machine's network."""
    inputs = {"MAIA_INPUT_IMAGE": image, "MAIA_INPUT_NETWORK": "host"}
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    step = Step(tmp_path, {**passed, **environment, **inputs})
    yield step
    for name in re.findall(r"--name (maia-[0-9a-f]{16}) ", "\n".join(step.logs)):
        assert docker("ps", "--all", "--filter", f"name={name}", "--format", "{{.Names}}") == "", "it was left behind"


def planned(step: Step, queries: str = "python\nguitar\ncooking") -> Done:
    done = step.run(command="plan", queries=queries, batch_size="1")
    assert done.code == 0, done.log
    return done


def check(done: Done, code: int, outcome: str, exit_code: int) -> None:
    assert done.code == code, done.log
    assert (done.outputs["outcome"], done.outputs["exit-code"]) == (outcome, str(exit_code)), done.log
    assert not any(key in line for key in KEYS for line in done.log.splitlines() if not line.startswith("::add-mask::"))
    assert not any(key in done.summary for key in KEYS)


def test_a_plan_its_shards_the_verdict_the_check_and_the_page(step: Step, query: Query) -> None:
    plan = planned(step)
    check(plan, 0, "ok", 0)
    assert plan.outputs["shards"] == "[0,1,2]"
    assert "3 shards" in plan.summary

    run = plan.outputs["run"]
    for shard in json.loads(plan.outputs["shards"]):
        done = step.run(command="hunter", shard=f"{shard}/3", run=run, batch_size="1")
        check(done, 0, "ok", 0)
        stats = json.loads(done.outputs["stats"])
        assert stats["searches"] == stats["calls"]["search"] == 1
        assert stats["videos_found"] > 0
    assert re.search(r"time: image \d+\.\d s, container \d+\.\d s, Python \d+\.\d s, work \d+\.\d s, end \d", done.log)
    rows = query("SELECT agent, run_id, wave, shard, outcome FROM runs ORDER BY started_at")
    assert [tuple(row.values()) for row in rows] == [
        ("plan", run, 1, "0/1", "ok"),
        *(("hunter", run, 1, f"{shard}/3", "ok") for shard in range(3)),
    ]

    needs = {name: {"result": "success", "outputs": {}} for name in ("plan", "shards")}
    verdict = step.run(command="verdict", run=run, needs=json.dumps(needs))
    check(verdict, 0, "ok", 0)
    assert re.search(r"\| 1 \| 2/3 \| ok \| \d+\.\d \|", verdict.summary)
    assert json.loads(verdict.outputs["stats"])["searches"] == 3
    (chart,) = charts(verdict.summary)
    assert (chart.title, set(chart.values)) == ("Videos that were read in time", {100})
    for heading in ("Fastest risers", "Quota of the Pacific day", "Cost"):
        assert f"#### {heading}\n" in verdict.summary

    well = step.run(command="check", run=run)
    check(well, 0, "ok", 0)
    page = step.run(command="report", run=run)
    check(page, 0, "ok", 0)
    html = Path(page.outputs["page"], "index.html").read_text(encoding="utf-8")
    assert html.lstrip().lower().startswith("<!doctype html>")
    query("UPDATE videos SET due_at = due_at - interval '1 day', last_updated_at = last_updated_at - interval '1 day'")
    stale = step.run(command="check", run=run)
    check(stale, 1, "failure", 1)
    assert "stale-zone: Zone 1 is stale" in stale.summary


def test_a_run_whose_quota_is_spent_says_what_it_achieved_and_why_not_more(step: Step, sandbox: Sandbox) -> None:
    plan = planned(step)
    run = plan.outputs["run"]
    sandbox.faults("quota:search:after=1")
    for shard in json.loads(plan.outputs["shards"]):
        done = step.run(command="hunter", shard=f"{shard}/3", run=run, batch_size="3", max_minutes="1")
        check(done, 0, "quota-exhausted", 0)
    needs = {name: {"result": "success", "outputs": {}} for name in ("plan", "shards")}
    verdict = step.run(command="verdict", run=run, needs=json.dumps(needs))
    check(verdict, 0, "quota-exhausted", 0)
    (notice,) = verdict.annotations("notice")
    assert re.match(r"Maia: quota-exhausted: hunter, all shards: \d+ new videos, \d+ snapshots, \d+ calls \(", notice)
    assert "3 of 3 shards stopped because the quota is spent (0/3, 1/3, 2/3): every key of the ring 'hunting'" in notice
    assert "it resets at 2" in notice
    assert "All shards ended well" not in verdict.summary


def test_a_search_that_fails_names_its_cause(step: Step, sandbox: Sandbox) -> None:
    planned(step, "python")
    sandbox.faults("bad-parameter:search:reason=q")
    done = step.run()
    check(done, 1, "failure", 1)
    (error,) = done.annotations("error")
    for text in (error, done.summary):
        assert "1 of 1 searches failed: 400 invalidQ (1): Invalid value for q" in text


@pytest.mark.parametrize(
    ("env", "inputs", "code", "outcome", "message"),
    [
        ({"DATABASE_URL": "postgresql://maia@127.0.0.1:9/maia"}, {"network": "none"}, 69, "unavailable",
         "127.0.0.1 is the container itself: set the input `network: host`"),
        ({"YOUTUBE_API_KEY_POOL_JSON": ""}, {}, 78, "config",
         "Empty KeyRing: no keys for 'hunting' in YOUTUBE_API_KEY_POOL_JSON"),
        ({}, {"image": "127.0.0.1:9/none:none"}, 125, "failure",
         "The image 127.0.0.1:9/none:none could not be pulled: "),
        ({}, {"network": "no-such-network"}, 125, "failure", "no-such-network"),
    ],
    ids=["a database in the container itself", "no keys", "no image", "no network"],
)  # fmt: skip
def test_what_keeps_a_shard_from_its_work_is_named(
    step: Step, env: dict[str, str], inputs: dict[str, str], code: int, outcome: str, message: str
) -> None:
    step.env |= env
    done = step.run(**inputs)
    check(done, code, outcome, code)
    assert message in done.annotations("error")[0]


def test_a_migration_comes_before_the_plan(step: Step, empty_dsn: str) -> None:
    step.env["DATABASE_URL"] = empty_dsn
    without = step.run(command="plan")
    check(without, 78, "config", 78)
    assert "*Bring the database's schema up to date first*" in without.annotations("error")[0]
    step.env["MIGRATE_DATABASE_URL"] = empty_dsn
    done = step.run(command="plan", migrate="true")
    check(done, 0, "idle", 0)


def test_a_rate_limit_passes_and_a_second_wave_goes_on(step: Step, sandbox: Sandbox) -> None:
    plan = planned(step)
    sandbox.faults("rate-limit:search:after=1")
    done = step.run(shard="0/1", run=plan.outputs["run"])
    check(done, 0, "churn", 75)
    assert done.outputs["churned"] == "true"
    assert any(text.startswith("Maia: churn (75)") for text in done.annotations("notice"))

    step.env["MAIA_WAVE_PAUSE_SECONDS"] = "1"
    gate = step.run(command="plan", wave="2", run=plan.outputs["run"])
    check(gate, 0, "ok", 0)
    assert gate.outputs["shards"] == "[0]"
    assert "before wave 2: the rate limit of wave 1 may hold" in gate.log
    sandbox.faults()
    check(step.run(shard="0/1", run=plan.outputs["run"], wave="2"), 0, "ok", 0)
    assert step.run(command="plan", wave="3", run=plan.outputs["run"]).outputs["shards"] == "[]"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_cancel_keeps_what_was_answered_and_gives_the_claims_back(
    step: Step, sandbox: Sandbox, query: Query, number: signal.Signals, code: int
) -> None:
    """Also where a call in flight takes all the time that the agent gives it."""
    plan = planned(step)
    sandbox.faults("slow:search:after=1:seconds=300")
    leg = step.start(shard="0/1", run=plan.outputs["run"])
    sandbox.wait_for(lambda log: bool(log.calls("search")))
    assert len(query(CLAIMED)) == 3
    leg.signal(number)
    done = leg.end()
    check(done, code, "cancelled", code)
    assert "its claims are released" in done.annotations("notice")[0]
    (answered,) = sandbox.log.calls("search")
    assert {row["id"] for row in query("SELECT id FROM videos")} == set(answered.ids)
    assert query(CLAIMED) == []
    assert query("SELECT outcome FROM runs WHERE agent = 'hunter'") == [{"outcome": "cancelled"}]


def test_a_title_is_no_command(step: Step, query: Query) -> None:
    """The container's log goes through as it is, also where it prints what the queue holds."""
    done = planned(step, "::error::a query\n##[add-mask]b")
    assert done.annotations("error") == []
    assert "b" not in done.masks
    assert {row["query_term"] for row in query("SELECT query_term FROM search_queue")} >= {"::error::a query"}


@pytest.mark.parametrize(("where", "code"), [("/elsewhere/python", 127), ("/bin/python", 126)])
def test_a_foreign_image_is_distinguished_from_a_failure(
    step: Step, docker: Docker, tmp_path: Path, where: str, code: int
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "python").write_text("no program")
    (context / "python").chmod(0o644)
    (context / "Dockerfile").write_text(f"FROM scratch\nCOPY python {where}\n")
    name = f"maia-test-image-{code}:latest"
    docker("build", "--tag", name, str(context))
    try:
        check(step.run(image=name), code, "failure", code)
    finally:
        docker("rmi", "--force", name)


def test_an_image_that_is_built_from_the_checkout(step: Step, docker: Docker) -> None:
    if os.environ.get("MAIA_E2E_BUILD_OPTIONS", "--network=host") != "--network=host":
        pytest.skip("here a build needs options that the action has none for: MAIA_E2E_BUILD_OPTIONS")
    done = step.run(command="plan", image="build")
    check(done, 0, "idle", 0)
    (tag,) = set(re.findall(r"pleiades-maia:build-[0-9a-f]{12}", done.log))
    built = docker("image", "inspect", "--format", "{{.Id}}", tag).strip()
    again = step.run(command="plan", image="build")
    check(again, 0, "idle", 0)
    assert docker("image", "inspect", "--format", "{{.Id}}", tag).strip() == built, "all of it came from the cache"
    assert f" {built} python -m maia plan" in again.log
    assert docker("image", "inspect", "--format", "{{.Config.User}}", tag).strip() == "10001:10001"
