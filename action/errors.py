"""The errors of the action itself, as opposed to the exit codes of the container.

ActionError
├── UsageError      a wrong input                           2
├── SettingError    a setting is missing or wrong           78
└── EngineError     Docker, the image or its network        125
Cancelled           a signal, not an error                  130, 143
"""

from __future__ import annotations

from maia.runtime.exitcodes import ExitCode, Outcome

ENGINE = 125
"""The exit code of `docker run` when the engine, not the command, failed."""


class ActionError(Exception):
    """The action cannot run or judge the container; the message says what to do."""

    code: int = ExitCode.FAILURE
    outcome = Outcome.FAILURE
    title = "Maia: failure"


class UsageError(ActionError):
    code = ExitCode.USAGE
    title = "Maia: wrong input"


class SettingError(ActionError):
    code = ExitCode.CONFIG
    outcome = Outcome.CONFIG
    title = "Maia: configuration"


class EngineError(ActionError):
    code = ENGINE
    title = "Maia: container engine"


class Cancelled(Exception):
    """The job was cancelled; `code` is 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"cancelled by signal {signum}")
        self.code = 128 + signum
