"""Run one container: start it, stop it if the job is cancelled, read how it ended, and always remove it."""

from __future__ import annotations

import json
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from action import result
from action.cancel import Cancel
from action.errors import ENGINE, EngineError
from action.process import LongCommand, run_docker
from action.result import DamagedError, Result
from action.runner import Runner
from action.settings import network_of
from action.text import last_line
from maia.runtime.exitcodes import ExitCode

STOP_SECONDS = 7
"""Seconds between SIGTERM and kill. An agent lets calls in flight finish for 5 s and releases its claims in 2 s more
(maia.runtime.shutdown); 10 s after its first signal the runner kills this process, and by then the container must be
removed."""

PAGE = f"{result.PATH.rpartition('/')[0]}/page.html"
"""The file of the container that `report` gives out."""
LARGEST_PAGE = 100_000_000
"""Bytes of a page; one of 100,000 videos has 8 MB."""

_STOP_ATTEMPTS = 5
_STOP_PAUSE = 1.0  # seconds between two attempts
_MOUNT_MISSING = "bind source path does not exist"


@dataclass(frozen=True)
class Times:
    """The seconds of one run by part; None if unknown."""

    container: float | None = None  # from `docker run` to the start of the process
    python: float | None = None  # from there to the agent's start
    work: float | None = None  # the agent's own time
    end: float | None = None  # from the agent's end until the container was gone

    @classmethod
    def split(cls, began: float, up: float | None, found: Result | None, ended: float) -> Times:
        """Split times in seconds since the epoch."""
        start, finish = (found.started_at.timestamp(), found.finished_at.timestamp()) if found else (None, None)
        moments = [began, up, start, finish, ended]
        return cls(*(None if a is None or b is None else max(0.0, b - a) for a, b in pairwise(moments)))


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    code: int  # of `docker run`
    started: bool = True  # whether the container's process started
    out_of_memory: bool = False
    result: Result | None = None
    damaged: str | None = None  # why there is no usable result
    last_line: str = ""
    output: str = ""  # the last 8 KiB of its output; foreign text
    times: Times = field(default_factory=Times)


@dataclass(frozen=True)
class Containers:
    """Runs containers of one image, one at a time."""

    image: str
    network: str
    environ: Mapping[str, str]
    runner: Runner
    cancel: Cancel

    def run(
        self, command: Sequence[str], settings: Mapping[str, str], *, agent: str = "", stdin: str | None = None,
        page: Path | None = None,
    ) -> Ended:  # fmt: skip
        """Run `command` with these settings to its end.

        `agent`: whose result file to read; "": there is none. `page`: where to put the file PAGE of a container that
        ended with 0. Raises EngineError if there is no docker or no such file, and Cancelled if the job was cancelled
        before the start; the caller has to check for a later cancel.
        """
        name = f"maia-{secrets.token_hex(8)}"
        proxies, authorities = network_of(self.environ)
        given = {**settings, **proxies}
        try:
            ended = self._run(name, command, given, authorities, agent, stdin)
            if authorities and ended.code == ENGINE and not ended.started and _MOUNT_MISSING in ended.last_line:
                # such as for a runner in a container that uses the engine of its host
                files = f"the files of {', '.join(authorities)}"
                message = f"The Docker engine does not see {files}; the container runs without them."
                self.runner.warning("Maia: certificates", message)
                ended = self._run(name, command, given, {}, agent, stdin)
            if page is not None and ended.code == ExitCode.OK:
                self._take(name, page)
            return ended
        finally:
            removed = run_docker(["rm", "--force", "--volumes", name], self.environ)
            if removed.code and b"no such container" not in removed.err.lower():
                self.runner.warning("Maia: container", f"{name} could not be removed: {last_line(removed.err)}")

    def _run(
        self, name: str, command: Sequence[str], given: Mapping[str, str], authorities: Mapping[str, str], agent: str,
        stdin: str | None,
    ) -> Ended:  # fmt: skip
        arguments = [
            "run", "--init", "--name", name, "--pull", "never",
            "--read-only", "--tmpfs", "/tmp", "--volume", result.PATH.rpartition("/")[0],  # noqa: S108  the container's own
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            *(["--network", self.network] if self.network else []),
            *(["--interactive"] if stdin is not None else []),
        ]  # fmt: skip
        for path in sorted(set(authorities.values())):
            arguments += ["--mount", f"type=bind,source={path},target={path},readonly"]
        # names only: docker reads the values from the environment, so that no process list shows them
        for setting in sorted([*given, *authorities]):
            arguments += ["--env", setting]
        arguments += [self.image, *command]
        self.runner.line(f"docker {' '.join(arguments)}")
        with self.runner.foreign() as write:
            work = LongCommand(arguments, {**self.environ, **given, **authorities}, write, stdin)
            began = time.time()
            code = work.run(self.cancel, lambda: self._stop(name, work))
            ended = time.time()
        return self._ended(name, code, work.tail, agent, began, ended)

    def _stop(self, name: str, work: LongCommand) -> None:
        """Stop the container; called once, in a thread, while the main thread waits for the end."""
        self.runner.line("Stopping the container.")
        for _ in range(_STOP_ATTEMPTS):
            with suppress(EngineError):
                run_docker(["stop", "-t", str(STOP_SECONDS), name], self.environ, seconds=STOP_SECONDS + 20)
            # right after its start the container may not be up yet, so that `docker stop` does not find it
            if work.ended.wait(_STOP_PAUSE):
                return
        work.terminate()

    def _ended(self, name: str, code: int, tail: bytes, agent: str, began: float, ended: float) -> Ended:
        state = self._state(name)
        up = _moment(state.get("StartedAt"))
        found, damaged = None, None
        if agent and up is not None:
            try:
                found = self._result(name, agent, code)
            except DamagedError as error:
                damaged = f"it is damaged: {error}"
            if found is None and damaged is None and code in {ExitCode.OK, ExitCode.CHURN}:
                damaged = "the container wrote none"
        return Ended(
            code=code if code >= 0 else ENGINE,  # the docker command itself was killed
            started=up is not None,
            out_of_memory=state.get("OOMKilled") is True,
            result=found,
            damaged=damaged,
            last_line=last_line(tail),
            output=tail.decode("utf-8", "replace"),
            times=Times.split(began, up, found, ended),
        )

    def _state(self, name: str) -> dict[str, Any]:
        answer = run_docker(["inspect", "--type", "container", "--format", "{{json .State}}", name], self.environ)
        try:
            state = json.loads(answer.out)
        except ValueError:
            return {}
        return state if isinstance(state, dict) else {}

    def _result(self, name: str, agent: str, code: int) -> Result | None:
        """Return the result; None if the container wrote none. Raises DamagedError."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            copied = Path(folder, "result")
            run_docker(["cp", f"{name}:{result.PATH}", str(copied)], self.environ)
            data = result.read(copied)
        return None if data is None else result.parse(data, agent=agent, exit_code=code)

    def _take(self, name: str, page: Path) -> None:
        """Copy the container's page to a path of the runner. Raises EngineError."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            copied = Path(folder, "page")
            answer = run_docker(["cp", f"{name}:{PAGE}", str(copied)], self.environ, seconds=120.0)
            # any image may have left a link there, or a device
            if answer.code or not stat.S_ISREG(copied.lstat().st_mode):
                raise EngineError(f"The container left no page: {last_line(answer.err) or 'it is not a regular file'}")
            if copied.lstat().st_size > LARGEST_PAGE:
                raise EngineError(f"The page has more than {LARGEST_PAGE:,} bytes.")
            shutil.copyfile(copied, page)


def _moment(text: object) -> float | None:
    """Return Docker's time in seconds since the epoch; None for its zero time, the year 1."""
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.timestamp() if moment.year > 1 else None
    except ValueError:
        return None
