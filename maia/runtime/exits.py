"""The exceptions that end a run early, and how to find them in a group."""

import signal

from maia.runtime.exitcodes import ExitCode


class ChurnExit(SystemExit):
    """A rate limit: this container should end and a fresh one replace it. Exit status 75 (EX_TEMPFAIL).

    Nothing below the top level swallows it. `reason` is one line for people, without a secret.
    """

    def __init__(self, reason: str = "rate limit") -> None:
        super().__init__(int(ExitCode.CHURN))
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class CancelledExit(SystemExit):
    """A signal asked the process to end: status 128 + the signal's number (130 SIGINT, 143 SIGTERM)."""

    def __init__(self, signum: int = signal.SIGTERM) -> None:
        super().__init__(128 + signum)
        self.signum = int(signum)
        self.reason = f"stopped by {signal.Signals(signum).name}"

    def __str__(self) -> str:
        return self.reason


def exit_within(exc: BaseException) -> SystemExit | None:
    """Return the SystemExit that `exc` is or, as a group, contains at any depth: a signal first, then a churn."""
    exits = [leaf for leaf in leaf_exceptions(exc) if isinstance(leaf, SystemExit)]
    return min(
        exits, key=lambda e: 0 if isinstance(e, CancelledExit) else 1 if isinstance(e, ChurnExit) else 2, default=None
    )


def leaf_exceptions(exc: BaseException) -> list[BaseException]:
    """Return the exceptions that a group contains at any depth; of another exception, itself."""
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for member in exc.exceptions for leaf in leaf_exceptions(member)]
    return [exc]
