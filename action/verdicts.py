"""The one table of verdicts: what each exit code of a container means for the step.

Maia's own codes come from `maia.runtime.exitcodes`; the engine adds 125 to 127 and 137. docs/action.md repeats the
table, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from action.errors import ENGINE
from maia.runtime.exitcodes import EXIT_CODES, ExitCode, Outcome

NOT_EXECUTABLE: Final = 126
"""The exit code of `docker run` when the command is there and cannot be executed."""

Level = Literal["notice", "warning", "error"]


@dataclass(frozen=True)
class Verdict:
    """One row of the table."""

    code: int
    name: str
    when: str
    advice: str
    outcome: Outcome = Outcome.FAILURE
    passes: bool = False
    level: Level | None = "error"  # of the annotation

    @property
    def title(self) -> str:
        return f"Maia: {self.name} ({self.code})"

    @property
    def step(self) -> str:
        """Whether the step passes, in words."""
        if self.code == ExitCode.CHURN:
            return "passes, `churned=true`; fails with `fail-on: churn`"
        return "passes" if self.passes else "fails"


# advice that differs in a workflow from the one for a command line
_ADVICE: Final = {
    ExitCode.USAGE: "correct the input that the log names; another image may know other options",
    ExitCode.CHURN: "nothing: the next wave or run continues",
    ExitCode.CONFIG: "fix what the message names: settings and secrets come by `env:` or the input `settings`",
}
_OUTCOMES: Final = {
    **{outcome.exit_code: outcome for outcome in reversed(Outcome)},
    ExitCode.USAGE: Outcome.FAILURE,
    ExitCode.SIGINT: Outcome.CANCELLED,
}
_LEVELS: Final[dict[int, Level | None]] = {ExitCode.OK: None, ExitCode.CHURN: "notice"}

_LEASES = "its claims end with their leases"

VERDICTS: Final = (
    *(
        Verdict(
            int(row.code), row.name, row.when, _ADVICE.get(row.code, row.action), _OUTCOMES[row.code],
            row.code in _LEVELS, _LEVELS.get(row.code, "error"),
        )
        for row in EXIT_CODES
    ),
    Verdict(
        ENGINE, "container engine",
        "Docker could not be reached, get the image, or start the container",
        "read what Docker says; on your own runner, check that the engine runs and its user may use it",
    ),
    Verdict(
        NOT_EXECUTABLE, "not executable", "the container's command cannot be executed",
        "the image is not one of Maia's, or is for another processor",
    ),
    Verdict(127, "not found", "the container's command does not exist", "the image is not one of Maia's"),
    Verdict(
        137, "killed",
        "the container was killed, or did not end in time",
        f"run it again; {_LEASES}",
    ),
)  # fmt: skip
"""A row for each known code."""

OUT_OF_MEMORY: Final = Verdict(
    137, "out of memory", "the kernel killed the container because memory ran out",
    f"use a smaller `batch-size`, fewer shards, or a larger runner; {_LEASES}",
)  # fmt: skip
"""The row for 137 if the engine reports that memory ran out."""


def verdict_of(code: int, *, out_of_memory: bool = False) -> Verdict:
    """Return the row of a code; an unknown code is a failure."""
    if code == OUT_OF_MEMORY.code and out_of_memory:
        return OUT_OF_MEMORY
    unknown = Verdict(code, "failure", "the container ended with a code that is none of Maia's", "read the log above")
    return next((row for row in VERDICTS if row.code == code), unknown)
