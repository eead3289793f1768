"""Agents as child processes."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ...support.child_processes import popen

SCRIPT = Path(__file__).parent / "scripts" / "agent.py"
PATIENCE = 90.0  # seconds: only a defect lasts so long, even on a busy machine


class AgentProcess:
    """One run of scripts/agent.py. What it says on stdout is waited for, line by line."""

    def __init__(self, scenario: str, folder: Path, api_url: str | None = None) -> None:
        self.result_file = folder / f"{scenario}.json"
        self.said: list[str] = []
        self._opened = contextlib.ExitStack()
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors = folder / f"{scenario}.stderr"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment["PREFECT_HOME"] = str(folder / "prefect-home")
        with self._errors.open("wb") as errors:
            self.process = self._opened.enter_context(
                popen(
                    [sys.executable, "-X", "dev", SCRIPT, scenario, self.result_file, *([api_url] if api_url else [])],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env=environment,
                    start_new_session=True,
                )
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, expected: str) -> None:
        """Wait until it says `expected`."""
        deadline = time.monotonic() + PATIENCE
        while (line := self._next(deadline)) is not None:
            if line == expected:
                return
        pytest.fail(f"the agent ended without saying {expected!r}; it said {self.said}\n{self.stderr}")

    def _next(self, deadline: float) -> str | None:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            pytest.fail(f"the agent is silent; it said {self.said}\n{self.stderr}")
        if line is not None:
            self.said.append(line)
        return line

    def go_on(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end; its exit code as a shell gives it."""
        code = self.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while self._next(deadline) is not None:
            pass
        return code if code >= 0 else 128 - code

    @property
    def stderr(self) -> str:
        return self._errors.read_text()

    @property
    def result(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.result_file.read_text())
        return loaded

    def close(self) -> None:
        self._opened.close()
        self._reader.join()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Start an agent: agent(scenario, api_url=None)."""
    started: list[AgentProcess] = []

    def start(scenario: str, api_url: str | None = None) -> AgentProcess:
        started.append(AgentProcess(scenario, tmp_path, api_url))
        return started[-1]

    yield start
    for process in started:
        process.close()
