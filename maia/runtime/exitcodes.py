"""How a run of Maia can end: the one table of exit codes, and the words that go with them.

README, docs and the action repeat this table; a test compares them with it.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """The exit status of a process. 69, 75 and 78 are those of sysexits.h; 130 and 143 are 128 + the signal."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNAVAILABLE = 69
    CHURN = 75
    CONFIG = 78
    SIGINT = 130
    SIGTERM = 143


class Outcome(StrEnum):
    """The word for how a run ended, as the result file gives it."""

    OK = "ok"
    IDLE = "idle"
    QUOTA_EXHAUSTED = "quota-exhausted"
    CHURN = "churn"
    FAILURE = "failure"
    UNAVAILABLE = "unavailable"
    CONFIG = "config"
    CANCELLED = "cancelled"

    @property
    def exit_code(self) -> ExitCode:
        """The code of this outcome; for CANCELLED that of SIGTERM, the signal itself being known elsewhere."""
        if self in {Outcome.OK, Outcome.IDLE, Outcome.QUOTA_EXHAUSTED}:
            return ExitCode.OK
        return ExitCode.SIGTERM if self is Outcome.CANCELLED else ExitCode[self.name]


@dataclass(frozen=True, slots=True)
class ExitCodeEntry:
    """One row of the table: a code, its name, when a process ends with it, and what its reader should do."""

    code: ExitCode
    name: str
    when: str
    action: str


EXIT_CODES: tuple[ExitCodeEntry, ...] = (
    ExitCodeEntry(
        ExitCode.OK,
        "ok",
        "the cycles ran, nothing was due (idle), or the ring's quota is spent (quota-exhausted)",
        "nothing",
    ),
    ExitCodeEntry(
        ExitCode.FAILURE,
        "failure",
        "anything unexpected, or a batch of which nothing succeeded",
        "read the log above; claims end with their lease at the latest, and a later run continues",
    ),
    ExitCodeEntry(
        ExitCode.USAGE, "usage", "wrong arguments, or a deletion that needs --yes", "see the message, and --help"
    ),
    ExitCodeEntry(
        ExitCode.UNAVAILABLE,
        "unavailable",
        "the database cannot be reached, is read-only, or was lost and did not come back",
        "check that the server or archive that the message names is up and reachable, then run again",
    ),
    ExitCodeEntry(
        ExitCode.CHURN,
        "churn",
        "YouTube's rate limit; everything answered is stored and the claims are released",
        "start a fresh container",
    ),
    ExitCodeEntry(
        ExitCode.CONFIG,
        "config",
        "a setting, the schema, the database user's rights, this machine's clock, or every key is wrong",
        "fix what the message names",
    ),
    ExitCodeEntry(ExitCode.SIGINT, "cancelled", "SIGINT (Ctrl-C); the claims are released", "run it again"),
    ExitCodeEntry(
        ExitCode.SIGTERM, "cancelled", "SIGTERM (docker stop, a cancelled job); the claims are released", "run it again"
    ),
)


def entry(code: int) -> ExitCodeEntry | None:
    """The table's row for `code`, or None for a code that is not Maia's."""
    return next((row for row in EXIT_CODES if row.code == code), None)
