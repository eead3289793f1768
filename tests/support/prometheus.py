"""A Prometheus of the test's own, and promtool: both of Debian's package prometheus."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .child_processes import popen
from .event_loop import PATIENCE

__all__ = ["Prometheus", "prometheus", "promtool"]


def _program(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing(f"{name} is not installed (Debian, Ubuntu: apt install prometheus)")
    return program


def promtool(*arguments: str | Path, given: str = "") -> tuple[int, str]:
    """Return the exit code of promtool, and all that it wrote."""
    command = [_program("promtool"), *map(str, arguments)]
    done = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of its API's answer; what it refuses fails the test."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{parameters}: {error.read().decode()}")

    def samples(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and values of an expression's result now."""
        return [(row["metric"], float(row["value"][1])) for row in self.get("query", query=expression)["result"]]

    def wait_for(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the result of an expression once it has one; Prometheus sends no notification of a scrape."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.samples(expression)):
            assert time.monotonic() < deadline, f"{expression} has no result"
            time.sleep(0.1)
        return found


@contextlib.contextmanager
def prometheus(folder: Path, targets: Mapping[str, int], *rules: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes ports of this machine, by the name of their job, until the block ends."""
    program = _program("prometheus")
    configuration = folder / "prometheus.yml"
    scraped = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in targets.items()
    ]
    configuration.write_text(
        json.dumps(  # which is YAML, too
            {
                "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
                "rule_files": [str(rule) for rule in rules],
                "scrape_configs": scraped,
            }
        )
    )
    log = folder / "prometheus.log"
    deadline = time.monotonic() + PATIENCE
    while True:  # until the port that was free is free still
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        command = [
            program, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        ]  # fmt: skip
        with log.open("w") as output, popen(command, stdout=output, stderr=output, cwd=folder) as process:
            if _is_ready(process, port, deadline):
                yield Prometheus(port)
                return
        assert "address already in use" in log.read_text(), log.read_text()


def _is_ready(process: subprocess.Popen[Any], port: int, deadline: float) -> bool:
    while process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
            return True
        assert time.monotonic() < deadline, "Prometheus is not ready"
        time.sleep(0.05)
    return False
