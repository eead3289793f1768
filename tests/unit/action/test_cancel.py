"""A cancelled job: the container is stopped, and nothing is left behind."""

from __future__ import annotations

import signal
import threading

import pytest

from action import container
from action.cancel import Cancel
from action.container import STOP_SECONDS
from action.errors import Cancelled
from maia.runtime.shutdown import CLEANUP_SECONDS, GRACE_SECONDS

from ...support.action_step import Done, FakeDocker, Step, ran, result

BLOCKED = ran(143, block=True, output="at work\n", result=result(outcome="cancelled", code=143))


def cancelled(step: Step, docker: FakeDocker, verb: str, **inputs: str) -> Done:
    """Run the step here, and cancel it with SIGINT once docker is busy with `verb`."""
    cancel = Cancel()

    def request() -> None:
        docker.wait_until_busy(verb)
        cancel.request(signal.SIGINT)

    thread = threading.Thread(target=request)
    thread.start()
    try:
        return step.here(cancel, **inputs)
    finally:
        thread.join()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_container_and_the_step_ends_as_cancelled(
    step: Step, docker: FakeDocker, number: signal.Signals, code: int
) -> None:
    docker.plays(run=[BLOCKED])
    leg = step.start(shard="1/4")
    leg.wait_for("at work")
    leg.signal(number)
    leg.wait_for("Stopping the container.")
    leg.signal(signal.SIGTERM)  # those that follow change nothing
    leg.signal(signal.SIGINT)
    done = leg.end()
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (code, "cancelled", str(code))
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


def test_the_agent_has_time_to_release_its_claims_and_the_runner_waits_for_that() -> None:
    killed_after = 7.5 + 2.5
    assert GRACE_SECONDS + 2 * CLEANUP_SECONDS <= STOP_SECONDS <= killed_after - 2


def test_a_container_that_was_not_up_yet_is_stopped_once_it_is(
    step: Step, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_STOP_PAUSE", 0.1)
    docker.plays(run=[BLOCKED], deaf_stops=2)
    assert cancelled(step, docker, "run").code == 130
    assert len(docker.of("stop")) >= 3


def test_a_container_that_was_killed_keeps_its_claims_and_the_notice_says_so(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(137, block=True, output="at work\n")])
    done = cancelled(step, docker, "run")
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (130, "cancelled", "130")
    assert "ended with 137; its claims end with their leases" in done.annotations("notice")[0]


@pytest.mark.parametrize(
    ("verb", "how"),
    [
        ("pull", {"code": 0, "block": True}),
        ("build", {"code": 0, "block": True}),
        # between two tries of a pull, the cancel ends the waiting
        ("pull", {"code": 1, "busy": True, "output": "timeout\n"}),
    ],
)
def test_a_cancel_ends_a_pull_and_a_build(step: Step, docker: FakeDocker, verb: str, how: dict[str, object]) -> None:
    docker.plays(images=[], **{verb: [how]})
    done = cancelled(step, docker, verb, image="build" if verb == "build" else "maia:remote")
    assert (done.code, done.outputs) == (130, {"outcome": "cancelled", "exit-code": "130", "stats": "{}"})
    assert docker.of("run") == []
    assert len(docker.of(verb)) == 1


def test_a_cancelled_plan_starts_nothing(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(143, block=True)])
    done = cancelled(step, docker, "run", command="plan", migrate="true")
    assert (done.code, done.outputs["shards"], done.outputs["outcome"]) == (130, "[]", "cancelled")
    assert len(docker.of("run")) == 1


def test_a_cancelled_verdict_is_cancelled(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(143, block=True)])
    needs = '{"shards": {"result": "success", "outputs": {}}}'
    assert cancelled(step, docker, "run", command="verdict", needs=needs).code == 130


def test_a_cancel_before_the_start_is_not_missed_and_one_after_the_end_calls_nothing() -> None:
    cancel, called = Cancel(), []
    with cancel.calling(lambda: called.append("during")):
        pass
    cancel.request(signal.SIGINT)
    cancel.request(signal.SIGTERM)
    assert called == []
    with pytest.raises(Cancelled) as raised:
        cancel.check()
    assert raised.value.code == 130
    with pytest.raises(Cancelled):
        cancel.wait(60)
    with cancel.calling(lambda: called.append("after")):
        pass
    assert called == ["after"]
