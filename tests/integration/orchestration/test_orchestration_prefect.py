"""The engine's path against a real Prefect server: what is reported, and that nothing depends on it."""

import signal
import time

import pytest

pytestmark = pytest.mark.integration


def test_a_run_is_visible_with_the_names_of_its_flow_and_tasks(agent, prefect_server):
    process = agent("ok", prefect_server.api_url)
    assert process.end() == 0, process.stderr
    assert process.said[0] == "engine"
    assert process.result["outcome"] == "ok"
    run, tasks = prefect_server.newest_run(3)
    assert (run["state_type"], run["name"]) == ("COMPLETED", "example_cycle")
    assert run["parameters"] == {"size": 3}
    (flow,) = prefect_server.ask("/flows/filter", flows={"id": {"any_": [run["flow_id"]]}})
    assert flow["name"] == "example_cycle"
    assert tasks == {"fetch_batch COMPLETED", "process_batch COMPLETED", "last_stage COMPLETED"}
    logs = prefect_server.ask("/logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})
    assert "fetching 3" in [log["message"] for log in logs]


def test_a_churn_is_a_crashed_run_and_exit_75(agent, prefect_server):
    process = agent("churn", prefect_server.api_url)
    assert process.end() == 75, process.stderr
    assert process.result["outcome"] == "churn"
    assert process.result["stats"] == {"cycles": 1, "done": 1}
    assert "released done=1" in process.said
    assert "maia hunter: rate limit on item 1; start a fresh container" in process.stderr
    run, tasks = prefect_server.newest_run(2)
    assert run["state_type"] == "CRASHED"
    assert run["state"]["message"] == "Churn: rate limit on item 1; cycles 1, done 1"
    assert tasks == {"fetch_batch COMPLETED", "process_batch COMPLETED"}


def test_a_failure_is_a_failed_run_and_exit_1(agent, prefect_server):
    process = agent("error", prefect_server.api_url)
    assert process.end() == 1, process.stderr
    assert process.result["error"] == "ValueError: broken"
    run, _ = prefect_server.newest_run()
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"] == "Failure: ValueError: broken; cycles 1, done 3"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_under_the_engine_lets_the_run_clean_up(agent, prefect_server, signum, code):
    process = agent("term", prefect_server.api_url)
    process.wait_for("working")
    process.process.send_signal(signum)
    assert process.end() == code, process.stderr
    assert process.said[-2:] == ["worker saw the shutdown", "released done=2"]
    assert process.result["outcome"] == "cancelled"
    assert process.result["exit_code"] == code
    run, _ = prefect_server.newest_run()
    assert run["state_type"] == "CRASHED"


def test_a_signal_before_the_body_keeps_it_from_starting(agent, prefect_server):
    process = agent("term-early", prefect_server.api_url)
    assert process.end() == 143, process.stderr
    assert process.said == ["engine"]


def test_a_signal_to_a_handler_of_prefects_own_is_ours_all_the_same(agent, prefect_server):
    process = agent("term-foreign", prefect_server.api_url)
    assert process.end() == 143, process.stderr
    assert process.said[-1] == "released done=0"
    assert process.result["outcome"] == "cancelled"


@pytest.mark.parametrize("outage", ["kill", "freeze"])
def test_a_server_lost_in_mid_run_costs_only_its_reports(agent, mortal_server, outage):
    mortal_server.start()
    process = agent("server-lost", mortal_server.api_url)
    process.wait_for("in body")
    getattr(mortal_server, outage)()
    lost_at = time.monotonic()
    process.go_on()
    assert process.end() == 0, process.stderr
    assert time.monotonic() - lost_at < 30
    assert process.said[0] == "engine"
    assert [process.said.count(line) for line in ("fetched", "in body", "last stage", "released done=3")] == [1] * 4
    assert process.result["stats"] == {"cycles": 1, "done": 3}
    assert "Prefect did not report" in process.stderr


def test_a_server_lost_between_cycles_leaves_plain_cycles(agent, mortal_server):
    mortal_server.start()
    process = agent("two-cycles", mortal_server.api_url)
    process.wait_for("first cycle done")
    mortal_server.kill()
    process.go_on()
    assert process.end() == 0, process.stderr
    assert process.said.count("released done=2") == 1
    assert process.said.count("last stage") == 2
    assert "Prefect could not begin the run of flow example_cycle" in process.stderr
