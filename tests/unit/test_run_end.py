"""How a run ended, from what it returned or raised."""

import asyncio
import signal

import pytest

from atlas.errors import DatabaseUnavailable, EmptyKeyRing
from maia.errors import Unconfirmed
from maia.runtime.exits import CancelledExit, ChurnExit
from maia.runtime.run_end import run_end
from maia.runtime.shutdown import Shutdown

LOST = DatabaseUnavailable("no server")


@pytest.mark.parametrize(
    ("result", "requests", "outcome", "code", "error"),
    [
        ({}, [], "ok", 0, None),
        ({"outcome": "ok", "n": 1}, [], "ok", 0, None),
        ({"outcome": "idle"}, [], "idle", 0, None),
        ({"outcome": "quota-exhausted"}, [], "quota-exhausted", 0, None),
        ({"outcome": "failure", "error": "two\nlines"}, [], "failure", 1, "two lines"),
        ({"outcome": "failure"}, [], "failure", 1, "nothing of the batch succeeded, and no cause was given"),
        ({"outcome": "nonsense"}, [], "failure", 1, "the agent returned an unknown outcome 'nonsense'"),
        (EmptyKeyRing("hunting"), [], "config", 78, str(EmptyKeyRing("hunting"))),
        (LOST, [], "unavailable", 69, "no server"),
        (ExceptionGroup("", [ValueError(), LOST]), [], "unavailable", 69, "no server"),
        (Unconfirmed("too many"), [], "failure", 2, "too many"),
        (ChurnExit("rate limit"), [], "churn", 75, "rate limit"),
        (BaseExceptionGroup("", [ValueError("x"), ChurnExit("rate limit")]), [], "churn", 75, "rate limit"),
        (CancelledExit(signal.SIGTERM), [], "cancelled", 143, "stopped by SIGTERM"),
        (BaseExceptionGroup("", [ChurnExit(), CancelledExit(signal.SIGINT)]), [], "cancelled", 130, None),
        (KeyboardInterrupt(), [], "cancelled", 130, "stopped by SIGINT"),
        (ValueError("x"), [], "failure", 1, "ValueError: x"),
        (ExceptionGroup("g", [ValueError("x"), KeyError("y")]), [], "failure", 1, "ValueError: x; KeyError: 'y'"),
        (asyncio.CancelledError(), [], "failure", 1, "CancelledError"),
        (SystemExit(0), [], "failure", 1, "something called sys.exit(0)"),
        (SystemExit("some text"), [], "failure", 1, "something called sys.exit('some text')"),
        (SystemExit(78), [], "config", 78, "left with code 78"),
        # a request that was not raised
        ({"outcome": "ok"}, [ChurnExit("rate limit")], "churn", 75, "rate limit"),
        ({"outcome": "ok"}, [CancelledExit(signal.SIGTERM)], "cancelled", 143, "stopped by SIGTERM"),
        # a signal is above everything; a churn does not hide that something was not stored
        (LOST, [CancelledExit(signal.SIGINT)], "cancelled", 130, "stopped by SIGINT"),
        (asyncio.CancelledError(), [CancelledExit(signal.SIGTERM)], "cancelled", 143, "stopped by SIGTERM"),
        (LOST, [ChurnExit("rate limit")], "unavailable", 69, "no server"),
    ],
)
def test_a_run_ends_with_one_outcome_code_and_error(result, requests, outcome: str, code: int, error: str | None):
    shutdown = Shutdown()
    for exit_ in requests:
        shutdown.request(exit_)
    end = run_end(result, shutdown)
    assert (end.outcome, end.exit_code) == (outcome, code)
    assert (end.error is None) == (code == 0)
    if error is not None:
        assert end.error == error
