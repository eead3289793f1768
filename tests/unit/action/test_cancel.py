"""A cancelled job: the container is stopped, and nothing is left behind."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.cancel import Cancel
from action.container import STOP_SECONDS
from action.errors import Cancelled
from maia.runtime.shutdown import CLEANUP_SECONDS, GRACE_SECONDS

from ...support.action_step import FakeDocker, Step, ran, result

BLOCKED = ran(143, block=True, output="at work\n", result=result(outcome="cancelled", code=143))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_container_and_the_step_ends_as_cancelled(
    step: Step, docker: FakeDocker, number: signal.Signals, code: int
) -> None:
    docker.plays(run=[BLOCKED])
    leg = step.start(shard="1/4")
    leg.wait_for("at work")
    leg.signal(number)
    done = leg.end()
    assert done.code == code
    assert done.outputs["outcome"] == "cancelled"
    assert done.outputs["exit-code"] == str(code)
    assert '"videos_new":42' in done.outputs["stats"]
    (stop,) = docker.of("stop")
    (run,) = docker.of("run")
    assert stop["arguments"] == ["stop", "-t", "7", run["arguments"][run["arguments"].index("--name") + 1]]
    assert len(docker.of("rm")) == 1
    assert done.annotations("notice") == [
        "Maia: cancelled: hunter 1/4: the container ended by itself; its claims are released."
    ]
    assert done.annotations("error") == []
    assert done.summary.startswith("### Maia hunter 1/4: cancelled\n")


def test_the_agent_has_time_to_give_its_claims_back_and_the_runner_waits_for_that() -> None:
    killed_after = 7.5 + 2.5
    assert GRACE_SECONDS + 2 * CLEANUP_SECONDS <= STOP_SECONDS <= killed_after - 2


def test_signals_that_follow_change_nothing(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[BLOCKED], deaf_stops=1)
    leg = step.start()
    leg.wait_for("at work")
    leg.signal(signal.SIGINT)
    leg.wait_for("Stopping the container.")
    leg.signal(signal.SIGTERM)
    leg.signal(signal.SIGINT)
    assert leg.end().code == 130


def test_a_container_that_was_not_up_yet_is_stopped_once_it_is(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[BLOCKED], deaf_stops=2)
    leg = step.start()
    leg.wait_for("at work")
    leg.signal(signal.SIGTERM)
    assert leg.end().code == 143
    assert len(docker.of("stop")) == 3


def test_a_container_that_was_killed_keeps_its_claims_and_it_is_said(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(137, block=True, output="at work\n")])
    leg = step.start()
    leg.wait_for("at work")
    leg.signal(signal.SIGINT)
    done = leg.end()
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (130, "cancelled", "130")
    assert "ended with 137; its claims come free when their leases end" in done.annotations("notice")[0]


@pytest.mark.parametrize("verb", ["pull", "build"])
def test_a_cancel_ends_a_pull_and_a_build(step: Step, docker: FakeDocker, verb: str) -> None:
    docker.plays(images=[], **{verb: [{"code": 0, "block": True, "output": "layers ...\n"}]})
    leg = step.start(image="build" if verb == "build" else "maia:remote")
    leg.wait_for("layers ...")
    leg.signal(signal.SIGINT)
    done = leg.end()
    assert (done.code, done.outputs) == (130, {"outcome": "cancelled", "exit-code": "130", "stats": "{}"})
    assert docker.of("run") == []
    assert len(docker.of(verb)) == 1


def test_a_cancel_between_two_tries_of_a_pull_ends_the_waiting(step: Step, docker: FakeDocker) -> None:
    docker.plays(images=[], pull=[{"code": 1, "output": "timeout\n"}])
    leg = step.start(image="maia:remote")
    leg.wait_for("::endgroup::")
    leg.signal(signal.SIGINT)
    done = leg.end()
    assert done.code == 130
    assert len(docker.of("pull")) == 1


def test_a_cancelled_plan_starts_nothing(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(143, block=True, output="at work\n")])
    leg = step.start(command="plan", migrate="true")
    leg.wait_for("at work")
    leg.signal(signal.SIGINT)
    done = leg.end()
    assert (done.code, done.outputs["shards"], done.outputs["outcome"]) == (130, "[]", "cancelled")
    assert len(docker.of("run")) == 1


def test_a_cancelled_verdict_is_cancelled(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(143, block=True, output="at work\n")])
    leg = step.start(command="verdict", needs='{"shards": {"result": "success", "outputs": {}}}')
    leg.wait_for("at work")
    leg.signal(signal.SIGINT)
    assert leg.end().code == 130


def test_a_cancel_before_the_start_of_something_keeps_it_from_starting() -> None:
    cancel = Cancel()
    cancel.request(signal.SIGINT)
    cancel.request(signal.SIGTERM)
    with pytest.raises(Cancelled) as raised:
        cancel.check()
    assert raised.value.code == 130
    with pytest.raises(Cancelled):
        cancel.wait(60)


def test_a_cancel_that_came_a_moment_before_is_not_missed() -> None:
    cancel, called = Cancel(), []
    cancel.request(signal.SIGINT)
    with cancel.calling(lambda: called.append(1)):
        pass
    assert called == [1]


def test_a_cancel_after_the_end_of_something_calls_nothing() -> None:
    cancel, called = Cancel(), []
    with cancel.calling(lambda: called.append(1)):
        pass
    cancel.request(signal.SIGINT)
    assert called == []
