"""One container: started, stopped when the job is cancelled, asked how it ended, and always removed."""

from __future__ import annotations

import json
import secrets
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
from action.process import Work, ask
from action.result import DamagedError, Result
from action.runner import Runner
from action.settings import network_of
from action.text import last_line
from maia.runtime.exitcodes import ExitCode

__all__ = ["STOP_SECONDS", "Containers", "Ended", "Times"]

STOP_SECONDS = 7
"""Seconds between SIGTERM and kill. An agent lets calls in flight finish for 5 s and releases its claims in 2 s more
(maia.runtime.shutdown); 10 s after its first signal the runner kills us, and until then the container has to be
removed."""

_STOPS = 5
_UP_AFTER = 1.0  # seconds
_UNSEEN = "bind source path does not exist"


@dataclass(frozen=True)
class Times:
    """Seconds of one run, split; None where it is not known.

    Attributes:
        container: from `docker run` to the start of the process.
        python: from there to the agent's start.
        work: the agent's own time.
        end: from the agent's end until the container was gone.
    """

    container: float | None = None
    python: float | None = None
    work: float | None = None
    end: float | None = None

    @classmethod
    def split(cls, began: float, up: float | None, found: Result | None, ended: float) -> Times:
        """Split times in seconds since the epoch."""
        start, finish = (found.started_at.timestamp(), found.finished_at.timestamp()) if found else (None, None)
        moments = [began, up, start, finish, ended]
        return cls(*(None if a is None or b is None else max(0.0, b - a) for a, b in pairwise(moments)))


@dataclass(frozen=True)
class Ended:
    """How a container ended.

    Attributes:
        code: the exit code of `docker run`.
        started: whether a container was made at all.
        out_of_memory: whether the kernel killed it for its memory.
        result: what its result file says; None where there is none.
        damaged: why there is no result, where there should be one.
        last_line: the last line that it printed.
    """

    code: int
    started: bool = True
    out_of_memory: bool = False
    result: Result | None = None
    damaged: str | None = None
    last_line: str = ""
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
        self,
        command: Sequence[str],
        settings: Mapping[str, str],
        *,
        agent: str | None = None,
        stdin: str | None = None,
    ) -> Ended:
        """Run `command` with these settings to its end.

        `agent`: whose result file to read; None: there is none. Raises EngineError where there is no docker, and
        Cancelled where that came before the start; a cancel later is for the caller to see.
        """
        name = f"maia-{secrets.token_hex(8)}"
        proxies, authorities = network_of(self.environ)
        given = {**settings, **proxies}
        try:
            ended = self._run(name, command, given, authorities, agent, stdin)
            if authorities and ended.code == ENGINE and not ended.started and _UNSEEN in ended.last_line:
                # such as a runner in a container that uses the engine of its host
                names = ", ".join(authorities)
                self.runner.warning(
                    "Maia: certificates",
                    f"The Docker engine does not see the files of {names}; the container goes without.",
                )
                ended = self._run(name, command, given, {}, agent, stdin)
            return ended
        finally:
            removed = ask(["rm", "--force", "--volumes", name], self.environ)
            if removed.code and b"no such container" not in removed.err.lower():
                self.runner.warning("Maia: container", f"{name} could not be removed: {last_line(removed.err)}")

    def _run(
        self,
        name: str,
        command: Sequence[str],
        given: Mapping[str, str],
        authorities: Mapping[str, str],
        agent: str | None,
        stdin: str | None,
    ) -> Ended:
        arguments = [
            "run", "--init", "--name", name, "--pull", "never",
            "--read-only", "--tmpfs", "/tmp", "--volume", result.PATH.rpartition("/")[0],  # noqa: S108  the container's own
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            *(["--network", self.network] if self.network else []),
            *(["--interactive"] if stdin is not None else []),
        ]  # fmt: skip
        for path in sorted(set(authorities.values())):
            arguments += ["--mount", f"type=bind,source={path},target={path},readonly"]
        # names only: docker takes the values from the environment, so that no process list shows them
        for setting in sorted([*given, *authorities]):
            arguments += ["--env", setting]
        arguments += [self.image, *command]
        self.runner.line(f"docker {' '.join(arguments)}")
        with self.runner.foreign() as write:
            work = Work(arguments, {**self.environ, **given, **authorities}, write, stdin)
            began = time.time()
            code = work.run(self.cancel, lambda: self._stop(name, work))
            ended = time.time()
        return self._ended(name, code, work.tail, agent, began, ended)

    def _stop(self, name: str, work: Work) -> None:
        """Stop the container; called once, in a thread, while the main thread waits for the end."""
        self.runner.line("Stopping the container.")
        for _ in range(_STOPS):
            with suppress(EngineError):
                ask(["stop", "-t", str(STOP_SECONDS), name], self.environ, seconds=STOP_SECONDS + 20)
            # Where the cancel came within a moment of its start, it was not up yet, and stop has found nothing.
            if work.ended.wait(_UP_AFTER):
                return
        work.terminate()

    def _ended(self, name: str, code: int, tail: bytes, agent: str | None, began: float, ended: float) -> Ended:
        state = self._state(name)
        up = _moment(state.get("StartedAt"))
        found, damaged = None, None
        if agent is not None and up is not None:
            try:
                found = self._result(name, agent, code)
            except DamagedError as error:
                damaged = f"it is damaged: {error}"
            if found is None and damaged is None and code in {ExitCode.OK, ExitCode.CHURN}:
                damaged = "the container left none"
        return Ended(
            code=code if code >= 0 else ENGINE,  # the docker command itself was killed
            started=up is not None,
            out_of_memory=state.get("OOMKilled") is True,
            result=found,
            damaged=damaged,
            last_line=last_line(tail),
            times=Times.split(began, up, found, ended),
        )

    def _state(self, name: str) -> dict[str, Any]:
        answer = ask(["inspect", "--type", "container", "--format", "{{json .State}}", name], self.environ)
        try:
            state = json.loads(answer.out)
        except ValueError:
            return {}
        return state if isinstance(state, dict) else {}

    def _result(self, name: str, agent: str, code: int) -> Result | None:
        """Return None where the container left none. Raises DamagedError."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            copied = Path(folder, "result")
            ask(["cp", f"{name}:{result.PATH}", str(copied)], self.environ)
            data = result.read(copied)
        return None if data is None else result.parse(data, agent=agent, exit_code=code)


def _moment(text: object) -> float | None:
    """Return Docker's time in seconds since the epoch; the year 1 stands for never."""
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.timestamp() if moment.year > 1 else None
    except ValueError:
        return None
