"""The workflows and their scripts, which belong to the checkout and not to the wheel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .documents import CHECKOUT

SCRIPTS = CHECKOUT / ".github" / "scripts"
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
ACTION = CHECKOUT / "action.yml"

needs_checkout = pytest.mark.skipif(
    not SCRIPTS.is_dir(), reason="the workflows are part of the checkout, not of the wheel"
)


def load(path: Path) -> dict[Any, Any]:
    """A workflow or an action, as GitHub reads it but for `on`, which YAML 1.1 takes for true."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of a workflow or of a composite action."""
    document = load(path)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job.get("steps", [])]


class Programs:
    """Programs of the test's own, first on PATH: each records its name and arguments, and runs the given script."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._log = folder / "calls"
        self._log.touch()

    def add(self, name: str, body: str = "") -> None:
        """`body` is shell; its arguments are the program's."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >>'{self._log}'\n{body}\n")
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """Every call so far, as a line of the program and its arguments."""
        return self._log.read_text().splitlines()

    def run(self, script: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the scripts with these programs and nothing else in the environment."""
        path = f"{self.bin}:{os.environ['PATH']}"
        return subprocess.run(
            [str(SCRIPTS / script), *arguments],
            cwd=cwd,
            env={"PATH": path, "HOME": str(cwd), **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
