"""How a run ended: its outcome, exit code and error, from what it returned or raised."""

import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

from atlas.errors import ConfigError, DatabaseUnavailable
from maia.errors import Unconfirmed
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.runtime.exits import CancelledExit, ChurnExit, exit_within, leaf_exceptions
from maia.runtime.result_file import describe, one_line
from maia.runtime.shutdown import Shutdown


class RunEnd(NamedTuple):
    """How a run ended; `error` is one line without a secret, None where the exit code is 0."""

    outcome: Outcome
    exit_code: int
    error: str | None


_BY_TYPE: tuple[tuple[type[BaseException], Outcome, ExitCode], ...] = (
    (ConfigError, Outcome.CONFIG, ExitCode.CONFIG),
    (DatabaseUnavailable, Outcome.UNAVAILABLE, ExitCode.UNAVAILABLE),
    (Unconfirmed, Outcome.FAILURE, ExitCode.USAGE),
)
"""The outcome of an error; in a group the first line that has one decides."""


def run_end(result: Mapping[str, Any] | BaseException, shutdown: Shutdown) -> RunEnd:
    """Return how a run ended, from the stats that it returned or the exception that it raised.

    A signal decides over everything. Then what was raised: a SystemExit, alone or in a group, before any other
    exception. A churn that was requested and not raised does not hide a lost database: it promises that everything is
    stored.
    """
    error = result if isinstance(result, BaseException) else None
    exit_ = exit_within(error) if error is not None else None
    if shutdown.cancelled or (shutdown.requested and error is None):
        exit_ = shutdown.exit
    if exit_ is not None:
        return _of_exit(exit_)
    if isinstance(result, BaseException):
        return _of_error(result)
    return _of_stats(result)


def _of_exit(exit_: SystemExit) -> RunEnd:
    reason = one_line(str(exit_))
    if isinstance(exit_, CancelledExit):
        return RunEnd(Outcome.CANCELLED, 128 + exit_.signum, reason)
    if isinstance(exit_, ChurnExit):
        return RunEnd(Outcome.CHURN, ExitCode.CHURN, reason)
    for outcome in (Outcome.UNAVAILABLE, Outcome.CONFIG):
        if exit_.code == outcome.exit_code:
            return RunEnd(outcome, outcome.exit_code, f"left with code {exit_.code}")
    # A library chose this code: even 0 is no success of the run.
    return RunEnd(Outcome.FAILURE, ExitCode.FAILURE, f"something called sys.exit({one_line(repr(exit_.code))})")


def _of_error(error: BaseException) -> RunEnd:
    parts = leaf_exceptions(error)
    for kind, outcome, code in _BY_TYPE:
        for part in parts:
            if isinstance(part, kind):
                return RunEnd(outcome, code, describe(part))
    if any(isinstance(part, KeyboardInterrupt) for part in parts):
        return _of_exit(CancelledExit(signal.SIGINT))
    return RunEnd(Outcome.FAILURE, ExitCode.FAILURE, "; ".join(dict.fromkeys(describe(part) for part in parts)))


def _of_stats(stats: Mapping[str, Any]) -> RunEnd:
    word = stats.get("outcome", Outcome.OK)
    try:
        outcome = Outcome(word)
    except ValueError:
        return RunEnd(Outcome.FAILURE, ExitCode.FAILURE, f"the agent returned an unknown outcome {word!r}")
    if outcome.exit_code is ExitCode.OK:
        return RunEnd(outcome, ExitCode.OK, None)
    error = one_line(str(stats.get("error") or "nothing of the batch succeeded, and no cause was given"))
    return RunEnd(outcome, outcome.exit_code, error)
