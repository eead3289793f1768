"""The result file: read with suspicion, and worth nothing against the exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.result import LARGEST, DamagedError, parse
from maia.runtime.exitcodes import Outcome

from ...support.action_step import FakeDocker, Step, ran, result


def packed(**more: Any) -> bytes:
    return json.dumps(result(**more)).encode()


def test_a_result_is_read() -> None:
    found = parse(packed(outcome="churn", code=75, error="429"), agent="hunter", exit_code=75)
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
        ({"outcome": "churn"}, "does not go with exit code 0"),
        ({"stats": []}, "no stats"),
        ({"error": {"a": 1}}, "no text"),
        ({"started_at": 5}, "started_at is no time"),
        ({"started_at": "2026-11-22T08:00:00"}, "no time zone"),
        ({"finished_at": None}, "finished_at is no time"),
    ],
)
def test_a_result_of_wrong_types_is_not_used(change: dict[str, Any], why: str) -> None:
    with pytest.raises(DamagedError, match=why):
        parse(json.dumps(result() | change).encode(), agent="hunter", exit_code=0)


@pytest.mark.parametrize(
    "how",
    [
        {"result": None},
        {"result": "not JSON"},
        {"result": "x" * (LARGEST + 1)},
        {"result": result(), "link": True},
        {"result": result(), "cut": 600},
        {"result": result(), "cut": 100},
        {"result": result(outcome="failure", code=1)},
        {"result": {"agent": "hunter", "exit_code": 0, "outcome": "ok", "stats": "::error::x"}},
    ],
    ids=["missing", "no JSON", "huge", "link", "cut", "header cut", "other code", "wrong types"],
)
@pytest.mark.parametrize(("code", "green"), [(0, True), (75, True), (1, False), (78, False)])
def test_without_a_usable_result_the_exit_code_alone_is_the_verdict(
    step: Step, docker: FakeDocker, how: dict[str, Any], code: int, green: bool
) -> None:
    given = how["result"]
    if isinstance(given, dict) and given.get("exit_code") == code:
        given = given | {"exit_code": 99}
    docker.plays(run=[ran(code, **how | {"result": given})])
    done = step.here()
    assert done.code == (0 if green else code)
    words = {0: "ok", 75: "churn", 1: "failure", 78: "config"}
    churned = {"churned": "true"} if code == 75 else {}
    assert done.outputs == {"outcome": words[code], "exit-code": str(code), "stats": "{}", **churned}
    if green or how["result"] is not None:
        assert any(text.startswith("Maia: result file: Not used") for text in done.annotations("warning"))
