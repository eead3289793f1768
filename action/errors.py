"""How the action itself can fail, before or beside the container.

ActionError
├── UsageError      a wrong input                           2
├── SettingError    a setting is missing or wrong           78
└── EngineError     Docker, the image or its network        125
Cancelled           a signal: not an error of ours          130, 143
"""

from __future__ import annotations

from maia.runtime.exitcodes import ExitCode, Outcome

__all__ = ["ENGINE", "ActionError", "Cancelled", "EngineError", "SettingError", "UsageError"]

ENGINE = 125
"""The exit code of `docker run` when the engine, not the command, failed."""


class ActionError(Exception):
    """The action cannot give a container's verdict; the message says what to do."""

    code: int = ExitCode.FAILURE
    outcome = Outcome.FAILURE
    title = "Maia: failure"


class UsageError(ActionError):
    """An input has a wrong value."""

    code = ExitCode.USAGE
    title = "Maia: wrong input"


class SettingError(ActionError):
    """A setting is missing or wrong."""

    code = ExitCode.CONFIG
    outcome = Outcome.CONFIG
    title = "Maia: configuration"


class EngineError(ActionError):
    """The Docker engine or the image cannot be used."""

    code = ENGINE
    title = "Maia: container engine"


class Cancelled(Exception):
    """The job was cancelled; `code` is 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"cancelled by signal {signum}")
        self.code = 128 + signum
