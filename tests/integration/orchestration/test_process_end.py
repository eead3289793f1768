"""How an agent's process ends without an engine: code, result file, one line, and its clean-up done."""

import signal
import time

import pytest

from ...support.ignored_signals import ignoring

pytestmark = [pytest.mark.integration, pytest.mark.wheel]


def test_a_plain_run_never_imports_prefect(agent):
    process = agent("ok")
    assert process.end() == 0, process.stderr
    assert process.said == ["plain", "fetched", "in body", "last stage", "released done=3", "prefect imported: False"]
    assert process.result["outcome"] == "ok"
    assert "error" not in process.result


def test_a_churn_ends_with_75_and_keeps_what_was_done(agent):
    process = agent("churn")
    assert process.end() == 75, process.stderr
    assert process.said[-1] == "released done=1"
    assert process.result["stats"] == {"cycles": 1, "done": 1}
    assert process.result["error"] == "rate limit on item 1"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_work_in_flight_finish(agent, signum, code):
    process = agent("term")
    process.wait_for("working")
    process.process.send_signal(signum)
    assert process.end() == code, process.stderr
    assert process.said[-2:] == ["worker saw the shutdown", "released done=2"]
    assert process.result["outcome"] == "cancelled"


def test_a_background_job_of_a_script_keeps_ignoring_sigint_and_ends_by_sigterm(agent):
    with ignoring(signal.SIGINT):
        process = agent("term")
    process.wait_for("working")
    process.process.send_signal(signal.SIGINT)
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 143, process.stderr
    assert process.said[-2:] == ["worker saw the shutdown", "released done=2"], "one signal, so the work finishes"


def test_work_that_ignores_the_signal_is_cut_off_before_docker_kills(agent):
    process = agent("term-hang")
    process.wait_for("working")
    signalled_at = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 143, process.stderr
    assert 4.5 < time.monotonic() - signalled_at < 9.5
    assert process.said[-1] == "released done=0"


def test_a_run_that_ignores_even_its_cancellation_is_given_up(agent):
    process = agent("deaf")
    process.wait_for("deaf")
    signalled_at = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 143, process.stderr
    assert time.monotonic() - signalled_at < 9.5
    assert process.result["outcome"] == "cancelled"


def test_a_second_signal_ends_at_once_with_a_result(agent):
    process = agent("term-hang")
    process.wait_for("working")
    first = time.monotonic()
    process.process.send_signal(signal.SIGINT)
    process.wait_for("saw the first signal")
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 143
    assert time.monotonic() - first < 4.5  # before the grace was over
    assert process.result["outcome"] == "cancelled"
    assert process.result["exit_code"] == 143


def test_a_churn_in_a_task_that_is_not_awaited_still_ends_with_75(agent):
    process = agent("stray-churn")
    assert process.end() == 75, process.stderr
    assert "cleaned up" in process.said
    assert process.result["outcome"] == "churn"


def test_a_thread_that_never_ends_does_not_hold_the_process(agent):
    process = agent("stuck-thread")
    assert process.end() == 0, process.stderr
    assert process.result["outcome"] == "ok"
