"""The one table of exit codes."""

import signal

from maia.runtime.exitcodes import EXIT_CODES, ExitCode, Outcome, entry
from maia.runtime.exits import CancelledExit, ChurnExit


def test_every_exit_code_has_one_row_that_says_when_and_what_to_do():
    assert [row.code for row in EXIT_CODES] == list(ExitCode)
    assert all(row.name and row.when and row.action for row in EXIT_CODES)
    assert {outcome.exit_code for outcome in Outcome} <= set(ExitCode)
    assert entry(75) is not None
    assert entry(3) is None


def test_churn_and_cancel_are_system_exits_with_their_codes():
    assert isinstance(ChurnExit("x"), SystemExit)
    assert ChurnExit("too fast").code == 75
    assert ChurnExit("too fast").reason == str(ChurnExit("too fast")) == "too fast"
    assert CancelledExit(signal.SIGINT).code == 130
    assert CancelledExit(signal.SIGTERM).code == 143
    assert "SIGTERM" in CancelledExit(signal.SIGTERM).reason
