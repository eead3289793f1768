"""Agents as child processes, and a real Prefect server."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "agent.py"
PATIENCE = 90.0  # seconds: only a defect lasts so long, even on a busy machine


class AgentProcess:
    """One run of scripts/agent.py. What it says on stdout is waited for, line by line."""

    def __init__(self, scenario: str, folder: Path, api_url: str | None = None) -> None:
        self.result_file = folder / f"{scenario}.json"
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors = folder / f"{scenario}.stderr"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment["PREFECT_HOME"] = str(folder / "prefect-home")
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", SCRIPT, scenario, self.result_file, *([api_url] if api_url else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
                start_new_session=True,
            )
        threading.Thread(target=self._read, daemon=True).start()

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

    def tell(self) -> None:
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
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


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


class PrefectServer:
    """A real `prefect server start`, with a home of its own."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        self._home = home
        self._log = home / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment |= {
            "PREFECT_HOME": str(self._home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_UI_ENABLED": "false",
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the Prefect server did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.2)  # polling: the server tells nobody when it is ready

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api_url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End it and all its children, at once and without a word: an outage."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it take connections and never answer: the other kind of outage."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def ask(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """POST to its API."""
        request = urllib.request.Request(
            f"{self.api_url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def newest_run(self) -> tuple[dict[str, Any], set[str]]:
        """The newest flow run, and the names and states of its tasks, as `name STATE`."""
        (run,) = self.ask("/flow_runs/filter", sort="EXPECTED_START_TIME_DESC", limit=1)
        only = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        deadline = time.monotonic() + PATIENCE
        while True:
            # The server takes in the states of tasks as a stream of events, a moment after they were sent.
            tasks = {f"{t['name'].rpartition('-')[0]} {t['state_type']}" for t in self.ask("/task_runs/filter", **only)}
            if not any(task.endswith((" RUNNING", " PENDING")) for task in tasks) or time.monotonic() > deadline:
                return run, tasks
            time.sleep(0.1)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server that all tests share; none may stop it."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def mortal_server(tmp_path: Path) -> Iterator[PrefectServer]:
    """A Prefect server of the test's own, which it may kill."""
    server = PrefectServer(tmp_path)
    yield server
    server.kill()
