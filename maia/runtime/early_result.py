"""The result file of a process that a signal ends while it is still importing.

Standard library only, and little of it. `maia.resilience` takes over once its handlers are installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from atlas.result_path import option_values, result_path

_COMMANDS = frozenset({"hunter", "tracker", "janitor", "plan", "verdict"})


class EarlyResult:
    """The result of this process, from its command line alone."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._began = time.time()
        self._agent = arguments[0] if arguments and arguments[0] in _COMMANDS else None
        self._shard = _shard(arguments)
        self.path: str | Path | None = result_path(arguments) if self._agent else None  # of the result file

    def end(self, signum: int) -> NoReturn:
        """Write the result file and end the process at once; safe in a signal handler."""
        try:
            if self.path and self._agent:
                with contextlib.suppress(OSError, ValueError):
                    self._write(os.path.abspath(self.path), signum)  # noqa: PTH100  as the shell means it
        finally:
            os._exit(128 + signum)

    def _write(self, path: str, signum: int) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        result: dict[str, object] = {
            "agent": self._agent,
            "shard": self._shard,
            "outcome": "cancelled",
            "exit_code": 128 + signum,
            "started_at": _iso(self._began),
            "finished_at": _iso(time.time()),
            "stats": {},
            "error": f"stopped by {signal.Signals(signum).name}",
        }
        temporary = f"{path}.{os.getpid()}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        try:
            os.write(handle, f"{json.dumps(result, indent=2)}\n".encode())
            os.fchmod(handle, 0o644)  # despite the umask: the action's next step has to read it
        finally:
            os.close(handle)
        os.replace(temporary, path)  # noqa: PTH105  a reader sees no part of it


def _shard(arguments: Sequence[str]) -> str:
    """Return the value of --shard, or the default where it cannot be read."""
    for given in option_values(arguments, "--shard"):
        if re.fullmatch(r"[0-9]{1,6}/[0-9]{1,6}", given):
            return given
    return "0/1"


def _iso(moment: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment * 1000) % 1000:03}Z"


current: EarlyResult | None = None
"""Of this process; None where it did not start in `maia.__main__`."""
