"""A real Prefect server for the integration tests."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from maia import orchestration

from .child_processes import popen
from .secrets_plugin import shown

PATIENCE = 90.0  # seconds: only a defect lasts so long, even on a busy machine


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
        self._open = contextlib.ExitStack()

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
            self._process = self._open.enter_context(
                popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
                )
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
        """End it and all its children."""
        self._open.close()

    def look_through(self) -> None:
        """Fails if what runs and logs came to, or the server's own log, shows a planted secret."""
        for file in (*self._home.glob("prefect.db*"), self._log):
            shown(f"the Prefect server's {file.name}", file.read_bytes())

    def ask(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """POST to its API."""
        found: list[dict[str, Any]] = self._call(path, json.dumps(body).encode())
        return found

    def get(self, path: str) -> dict[str, Any]:
        """GET from its API."""
        found: dict[str, Any] = self._call(path, None)
        return found

    def _call(self, path: str, body: bytes | None) -> Any:
        request = urllib.request.Request(f"{self.api_url}{path}", body, {"Content-Type": "application/json"})
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                # another write had locked its database: nothing was done, and Prefect's own client repeats the call
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def environment(self, **more: str) -> dict[str, str]:
        """This process's environment for clients of this server: commands, workers, and what they start."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        mine = {"PREFECT_API_URL": self.api_url, "PREFECT_HOME": str(self._home / "client"), "DO_NOT_TRACK": "1"}
        return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **mine, **more}

    def schedule(self, deployment: str, **parameters: Any) -> str:
        """Have a deployment, such as `hunter/process`, run now; the id of the flow run."""
        found = self.get(f"/deployments/name/{deployment}")
        body = json.dumps({"parameters": parameters}).encode()
        return str(self._call(f"/deployments/{found['id']}/create_flow_run", body)["id"])

    def wait(self, run_id: str, *states: str) -> dict[str, Any]:
        """The flow run, once it is in one of these states; without any: once it has ended."""
        wanted = states or ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        deadline = time.monotonic() + PATIENCE
        while (run := self.get(f"/flow_runs/{run_id}"))["state_type"] not in wanted:
            assert time.monotonic() < deadline, f"the flow run is {run['state']}"
            time.sleep(0.1)  # polling: the server tells nobody when a run ends
        return run

    def newest_run(self, at_least: int = 0) -> tuple[dict[str, Any], set[str]]:
        """The newest flow run, with its flow's name as `flow`, and `at_least` tasks or more, as `name STATE`."""
        (run,) = self.ask("/flow_runs/filter", sort="EXPECTED_START_TIME_DESC", limit=1)
        run["flow"] = self.get(f"/flows/{run['flow_id']}")["name"]
        only = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        deadline = time.monotonic() + PATIENCE
        while True:
            # The server takes in the states of tasks as a stream of events, a moment after they were sent.
            tasks = {f"{t['name'].rpartition('-')[0]} {t['state_type']}" for t in self.ask("/task_runs/filter", **only)}
            ended = not any(task.endswith((" RUNNING", " PENDING")) for task in tasks)
            if (ended and len(tasks) >= at_least) or time.monotonic() > deadline:
                return run, tasks
            time.sleep(0.1)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server that all tests share; none may stop it."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
    server.look_through()


@contextlib.contextmanager
def reporting_to(api_url: str, home: Path) -> Iterator[None]:
    """Report the flows of this process to a Prefect server, as `maia` does after `activate`, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        for name in ("URL", "KEY"):  # what `activate` sets does not outlive the block
            patch.setenv(f"PREFECT_API_{name}", "")
            patch.delenv(f"PREFECT_API_{name}")
        assert orchestration.activate(api_url)
        from prefect.context import refresh_global_settings_context  # noqa: PLC0415  after the environment is set

        from maia.prefect.engine import _Engine  # noqa: PLC0415

        refresh_global_settings_context()  # an earlier test may have imported Prefect
        try:
            yield
        finally:
            orchestration.activate(None)
            _Engine.lost = False
