"""The result file: read with suspicion, and worth nothing against the exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from action.result import LARGEST, DamagedError, parse
from maia.runtime.exitcodes import Outcome

from ...support.action_step import FakeDocker, Step, ran, result


def test_a_result_is_read() -> None:
    data = json.dumps(result(outcome="churn", code=75, error="429")).encode()
    found = parse(data, agent="hunter", exit_code=75)
    assert (found.outcome, found.error, found.stats["searches"]) == (Outcome.CHURN, "429", 3)
    assert (found.finished_at - found.started_at).total_seconds() == 12.5


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"agent": "tracker"}, "another agent's"),
        ({"exit_code": 75}, "its exit code is not 0"),
        ({"exit_code": "0"}, "its exit code is not 0"),
        ({"exit_code": False}, "its exit code is not 0"),
        ({"outcome": "fine"}, "none of Maia's"),
        ({"outcome": ["ok"]}, "none of Maia's"),
        ({"outcome": "churn"}, "does not match exit code 0"),
        ({"stats": []}, "no stats"),
        ({"error": {"a": 1}}, "not a text"),
        ({"started_at": 5}, "started_at is not a time"),
        ({"started_at": "2026-11-22T08:00:00"}, "no time zone"),
        ({"finished_at": None}, "finished_at is not a time"),
    ],
)
def test_a_result_of_wrong_types_is_not_used(change: dict[str, Any], why: str) -> None:
    with pytest.raises(DamagedError, match=why):
        parse(json.dumps(result() | change).encode(), agent="hunter", exit_code=0)


@pytest.mark.parametrize(
    ("code", "how"),
    [
        pytest.param(0, {"result": None}, id="missing"),
        pytest.param(1, {"result": None}, id="missing, of a failure"),
        pytest.param(75, {"result": None}, id="missing, of a churn"),
        pytest.param(0, {"result": "not JSON"}, id="no JSON"),
        pytest.param(0, {"result": "x" * (LARGEST + 1)}, id="huge"),
        pytest.param(0, {"result": result(), "link": True}, id="link"),
        pytest.param(78, {"result": result(code=78), "cut": 100}, id="cut"),
        pytest.param(0, {"result": result(outcome="failure", code=1)}, id="other code"),
        pytest.param(1, {"result": result()}, id="other code, of a failure"),
        pytest.param(75, {"result": result(code=75) | {"stats": "::error::x"}}, id="wrong types"),
    ],
)
def test_without_a_usable_result_the_exit_code_alone_is_the_verdict(
    step: Step, docker: FakeDocker, code: int, how: dict[str, Any]
) -> None:
    docker.plays(run=[ran(code, **how)])
    done = step.here()
    green = code in {0, 75}
    assert done.code == (0 if green else code)
    words = {0: "ok", 75: "churn", 1: "failure", 78: "config"}
    churned = {"churned": "true"} if code == 75 else {}
    assert done.outputs == {"outcome": words[code], "exit-code": str(code), "stats": "{}", **churned}
    if green or how["result"] is not None:
        assert any(text.startswith("Maia: result file: Not used") for text in done.annotations("warning"))
