"""Run `docker`: short commands with captured output, and long ones that stream their output and can be cancelled.

Every child has a session of its own, so that a terminal's Ctrl-C reaches only this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import IO

from action.cancel import Cancel
from action.errors import EngineError

_TAIL = 8192
_CHUNK = 65536
_KILL_AFTER = 2.0
"""Seconds from SIGTERM to SIGKILL for a child; below the runner's 2.5 s between SIGTERM and kill."""

_NO_DOCKER = (
    "There is no command `docker` here. The action needs a Linux runner with Docker; GitHub's ubuntu runners have it."
)


def _no_docker(error: OSError) -> EngineError:
    return EngineError(_NO_DOCKER if isinstance(error, FileNotFoundError) else f"docker: {error.strerror}")


@dataclass(frozen=True)
class CommandResult:
    """The result of a short command."""

    code: int
    out: bytes
    err: bytes


def run_docker(arguments: Sequence[str], environ: Mapping[str, str], *, seconds: float = 30.0) -> CommandResult:
    """Run `docker ARGUMENTS`, killed after `seconds` (code -9). Raises EngineError if there is no docker."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"docker {arguments[0]}: no answer after {seconds:g} s"
        return CommandResult(-signal.SIGKILL, error.stdout or b"", message.encode())
    except OSError as error:
        raise _no_docker(error) from error
    return CommandResult(done.returncode, done.stdout, done.stderr)


@dataclass
class LongCommand:
    """A long `docker ARGUMENTS` whose output, on one stream, goes to `write`."""

    arguments: Sequence[str]
    environ: Mapping[str, str]
    write: Callable[[bytes], None]
    stdin: str | None = None
    tail: bytes = b""  # the last 8 KiB of its output
    ended: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[bytes] | None = None

    def run(self, cancel: Cancel, end: Callable[[], None] | None = None) -> int:
        """Return the exit code. A cancel calls `end` (default: `terminate`) once, in a thread.

        Raises Cancelled if the cancel came before the start, EngineError if there is no docker.
        """
        cancel.check()
        with ExitStack() as stack:
            file: int | IO[bytes] = subprocess.DEVNULL
            if self.stdin is not None:
                # a file, not a pipe: a child that does not read it cannot block us
                file = stack.enter_context(tempfile.TemporaryFile())
                file.write(self.stdin.encode())
                file.seek(0)
            try:
                process = subprocess.Popen(
                    ["docker", *self.arguments],
                    env=dict(self.environ),
                    stdin=file,
                    stdout=subprocess.PIPE,
                    # one stream: with two, the runner could read a workflow command of the container before our
                    # line that disables commands
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise _no_docker(error) from error
            self._process = process
            stack.enter_context(cancel.calling(end or self.terminate))
            assert process.stdout is not None  # noqa: S101  for the type checker
            try:
                with process.stdout as pipe:
                    while chunk := os.read(pipe.fileno(), _CHUNK):
                        self.tail = (self.tail + chunk)[-_TAIL:]
                        self.write(chunk)
                return process.wait()
            finally:
                self.ended.set()

    def terminate(self) -> None:
        """Send SIGTERM to the command and its children, and SIGKILL after 2 s to those that are left."""
        self._signal(signal.SIGTERM)
        if not self.ended.wait(_KILL_AFTER):
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and not self.ended.is_set():
            with suppress(OSError):
                os.killpg(self._process.pid, number)
