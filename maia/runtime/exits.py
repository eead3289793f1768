"""The two ways in which a run is asked to leave, as exceptions, and how to find them in a group."""

import signal

from maia.runtime.exitcodes import ExitCode

__all__ = ["CancelledExit", "ChurnExit", "exit_within", "leaves"]


class ChurnExit(SystemExit):
    """A rate limit: this container should end and a fresh one go on. Exit status 75 (EX_TEMPFAIL).

    Nothing below the top level swallows it. `reason` is one line for people; it holds no secret.
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
    """The SystemExit that `exc` is, or that a group holds at any depth: a signal before a churn before any other."""
    exits = [leaf for leaf in leaves(exc) if isinstance(leaf, SystemExit)]
    return min(
        exits, key=lambda e: 0 if isinstance(e, CancelledExit) else 1 if isinstance(e, ChurnExit) else 2, default=None
    )


def leaves(exc: BaseException) -> list[BaseException]:
    """The exceptions that a group holds at any depth; one that is no group by itself."""
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for member in exc.exceptions for leaf in leaves(member)]
    return [exc]
