"""A step of the action, run as the runner runs it, and a fake `docker` that plays given behaviour."""

from __future__ import annotations

import contextlib
import io
import json
import marshal
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from action.cancel import Cancel
from action.main import main

from .child_processes import popen
from .documents import CHECKOUT

KEYS = ["key-hunting-1", "key-hunting-2", "key-tracking-1"]
POOL = json.dumps({"hunting": KEYS[:2], "tracking": KEYS[2:]})
PASSWORD = "hunter"
"""Deliberately a word that stands in names of agents, files and jobs."""
DSN = f"postgresql://maia:{PASSWORD}@127.0.0.1:5432/maia"
PATIENCE = 30.0


def result(agent: str = "hunter", outcome: str = "ok", code: int = 0, **more: Any) -> dict[str, Any]:
    """Return a result file as an agent writes it."""
    return {
        "agent": agent,
        "shard": "0/1",
        "outcome": outcome,
        "exit_code": code,
        "started_at": "2026-11-22T08:00:00.000Z",
        "finished_at": "2026-11-22T08:00:12.500Z",
        "stats": {"searches": 3, "videos_new": 42, "calls": {"search": 3, "units": 1}, "outcome": outcome},
        **more,
    }


def ran(code: int = 0, **more: Any) -> dict[str, Any]:
    """Return how one container ends; `result` is its result file, or the text of one."""
    if isinstance(more.get("result"), dict):
        more["result"] = json.dumps(more["result"])
    return {"code": code, **more}


class FakeDocker:
    """The folder from which the fake `docker` takes its behaviour, and into which it writes what was asked of it."""

    IMAGE_ID = f"sha256:{'0a1b' * 16}"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "fake-docker"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        script = Path(__file__).with_name("fake_docker.py").read_text(encoding="utf-8")
        command = self.bin / "docker"
        command.write_text(f"#!{sys.executable} -IS\n{script}", encoding="utf-8")
        command.chmod(0o755)
        self.behaviour: dict[str, Any] = {
            "secrets": [*KEYS, DSN, f":{PASSWORD}@"],
            "images": ["maia:test"],
            "engine": "",  # what an engine that does not answer says
            "image_id": self.IMAGE_ID,
            "run": [ran(result=result())],
            "pull": [{"code": 0}],
            "build": [{"code": 0}],
            "lost": False,  # whether a build leaves no image
            "deaf_stops": 0,
            "absent": "Error: No such container",
            "rm": "",  # what a removal that fails says
        }
        self.plays()

    def plays(self, **behaviour: Any) -> None:
        """Change the behaviour from now on; what is not named stays."""
        assert set(behaviour) <= set(self.behaviour)
        self.behaviour |= behaviour
        (self.folder / "behaviour").write_bytes(marshal.dumps(self.behaviour))

    @property
    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if (self.folder / "calls").exists():
            with (self.folder / "calls").open("rb") as file:
                while file.peek(1):
                    found.append(marshal.load(file))
        return found

    def of(self, verb: str) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["arguments"][0] == verb]

    def wait_until_busy(self, verb: str) -> None:
        """Return once a call of this verb blocks."""
        give_up = time.monotonic() + PATIENCE
        while not (self.folder / f"{verb}.busy").exists():
            assert time.monotonic() < give_up, f"no docker {verb}"
            time.sleep(0.01)

    @property
    def left(self) -> list[str]:
        """Containers that were not removed."""
        return [path.name for path in self.folder.glob("maia-*") if not path.suffix]


@dataclass
class Done:
    """What a step left behind."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str

    def annotations(self, level: str) -> list[str]:
        """Title and message of each annotation, as the runner reads them outside of stopped commands."""
        found = []
        for name, properties, data in commands(self.log):
            if name == level:
                text = data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
                title = properties.get("title", "").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
                found.append(f"{title}: {text}")
        return found

    @property
    def masks(self) -> list[str]:
        return [
            data.replace("%0A", "\n").replace("%25", "%") for name, _, data in commands(self.log) if name == "add-mask"
        ]


COMMANDS = {"add-mask", "error", "warning", "notice", "group", "endgroup", "debug", "set-env", "set-output", "add-path"}


def commands(log: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands that the runner would process, in both forms (runner: ActionCommand, ActionCommandManager)."""
    found: list[tuple[str, dict[str, str], str]] = []
    token = None
    for line in re.split(r"\r\n|\r|\n", log):
        new = re.match(r"::([^ :]+)(?: (.*?))?::(.*)$", line.lstrip())
        old = re.search(r"##\[([^ \]]+)(?: ([^\]]*))?\](.*)$", line)
        for match in (new, old):
            if match is None:
                continue
            name = match[1].lower()
            if token is not None:
                if name == token:
                    token = None
                break
            if name == "stop-commands":
                token = match[3]
                break
            if name in COMMANDS:
                pairs = (pair.split("=", 1) for pair in (match[2] or "").split(",") if "=" in pair)
                found.append((name, dict(pairs), match[3]))
                break
    assert token is None, "commands were stopped and never resumed"
    return found


def outputs_of(text: str) -> dict[str, str]:
    """GITHUB_OUTPUT as the runner reads it."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, delimiter = re.match(r"([\w-]+)<<(.+)", line).groups() if "<<" in line else (None, None)  # type: ignore[union-attr]
        if delimiter:
            found[name] = "\n".join(iter(lambda end=delimiter: None if (got := next(lines)) == end else got, None))
        else:
            name, _, value = line.partition("=")
            found[name] = value
    return found


@dataclass
class Step:
    """One step of the action, with an empty workspace: `env` is added to what the runner gives it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def environ(self, inputs: Mapping[str, str]) -> dict[str, str]:
        (self.folder / "workspace").mkdir(exist_ok=True)
        return {
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_WORKSPACE": str(self.folder / "workspace"),
            "GITHUB_RUN_ID": "4711",
            "GITHUB_RUN_ATTEMPT": "2",
            **self.env,
            **{f"MAIA_INPUT_{name.upper()}": value for name, value in inputs.items()},
        }

    def here(self, cancel: Cancel | None = None, /, **inputs: str) -> Done:
        """Run it in this process."""
        out = io.BytesIO()
        code = main(self.environ(inputs), out, cancel or Cancel())
        return self.done(code, out.getvalue().decode())

    def start(self, **inputs: str) -> Running:
        """Start entry.py as action.yml does."""
        process = popen(
            [sys.executable, "-IB", str(CHECKOUT / "action" / "entry.py")],
            env=self.environ(inputs),
            cwd=self.folder / "workspace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Running(self, self.opened.enter_context(process))

    def run(self, **inputs: str) -> Done:
        return self.start(**inputs).end()

    def done(self, code: int, log: str) -> Done:
        def text(name: str) -> str:
            path = self.folder / name
            return path.read_text(encoding="utf-8") if path.exists() else ""

        self.logs.append(log)
        return Done(code, log, outputs_of(text("output")), text("summary"))


@dataclass
class Running:
    """A step in a process of its own."""

    step: Step
    process: subprocess.Popen[bytes]
    log: bytes = b""

    def wait_for(self, text: str) -> None:
        """Return once it has printed this."""
        assert self.process.stdout is not None
        while text.encode() not in self.log:
            chunk = os.read(self.process.stdout.fileno(), 65536)
            assert chunk, self.log.decode()
            self.log += chunk

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Done:
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.step.done(self.process.returncode, (self.log + out).decode())
