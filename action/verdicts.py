"""The one table of verdicts: what each exit code of a container means for the step.

Maia's own codes come from `maia.runtime.exitcodes`; the engine adds 125 to 127 and 137. docs/action.md repeats the
table, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from action.errors import ENGINE
from maia.runtime.exitcodes import EXIT_CODES, ExitCode, Outcome

__all__ = ["NOT_EXECUTABLE", "OUT_OF_MEMORY", "VERDICTS", "Level", "Verdict", "verdict_of"]

NOT_EXECUTABLE: Final = 126
"""The exit code of `docker run` when the command is there and cannot be executed."""

Level = Literal["notice", "warning", "error"]


@dataclass(frozen=True)
class Verdict:
    """One row.

    Attributes:
        passes: whether the step is green.
        level: of the annotation; None for none.
        when: what happened.
        advice: what to do.
    """

    code: int
    name: str
    when: str
    advice: str
    outcome: Outcome = Outcome.FAILURE
    passes: bool = False
    level: Level | None = "error"

    @property
    def title(self) -> str:
        """The title of the annotation."""
        return f"Maia: {self.name} ({self.code})"

    @property
    def step(self) -> str:
        """What the step does, in words."""
        if self.code == ExitCode.CHURN:
            return "passes, `churned=true`; fails with `fail-on: churn`"
        return "passes" if self.passes else "fails"


# where a step of a workflow calls for something else than a command line does
_ADVICE: Final = {
    ExitCode.USAGE: "correct the input that the log names; an image of another version may know other options",
    ExitCode.CHURN: "nothing: the next wave or run goes on with a fresh container",
    ExitCode.CONFIG: "fix what the message names: settings and secrets come by `env:` or the input `settings`",
    ExitCode.SIGINT: "run it again when you want",
    ExitCode.SIGTERM: "run it again when you want",
}
_OUTCOMES: Final = {
    **{outcome.exit_code: outcome for outcome in reversed(Outcome)},
    ExitCode.USAGE: Outcome.FAILURE,
    ExitCode.SIGINT: Outcome.CANCELLED,
}
_LEVELS: Final[dict[int, Level | None]] = {ExitCode.OK: None, ExitCode.CHURN: "notice"}

_LEASES = "its claims come free when their leases end"

VERDICTS: Final = (
    *(
        Verdict(
            code=int(row.code),
            name=row.name,
            when=row.when,
            advice=_ADVICE.get(row.code, row.action),
            outcome=_OUTCOMES[row.code],
            passes=row.code in _LEVELS,
            level=_LEVELS.get(row.code, "error"),
        )
        for row in EXIT_CODES
    ),
    Verdict(
        ENGINE,
        "container engine",
        "Docker could not be reached, the image could not be had, or the container could not be started",
        "read what Docker says; on a runner of your own, see that the engine runs and that its user may use it",
    ),
    Verdict(
        NOT_EXECUTABLE,
        "not executable",
        "the container's command cannot be executed",
        "the image is not one of Maia's, or is for another processor",
    ),
    Verdict(127, "not found", "the container's command is not there", "the image is not one of Maia's"),
    Verdict(
        137,
        "killed",
        "something killed the container: its engine was stopped, or it did not end in time",
        f"run it again; {_LEASES}",
    ),
)
"""A row for each code that is known."""

OUT_OF_MEMORY: Final = Verdict(
    137,
    "out of memory",
    "the kernel killed the container because memory ran out",
    f"use a smaller `batch-size`, fewer shards on one machine, or a larger runner; {_LEASES}",
)
"""The row for 137 where the engine says so."""


def verdict_of(code: int, *, out_of_memory: bool = False) -> Verdict:
    """Return the row of a code; an unknown code is a failure."""
    if code == OUT_OF_MEMORY.code and out_of_memory:
        return OUT_OF_MEMORY
    unknown = Verdict(code, "failure", "the container ended with a code that is none of Maia's", "read the log above")
    return next((row for row in VERDICTS if row.code == code), unknown)
