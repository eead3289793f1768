"""A Docker engine and containers of Maia, for tests that need the real ones."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .child_processes import popen
from .event_loop import PATIENCE
from .process_result import Ended
from .secrets_plugin import beside, shown

RESULT = "/run/maia/result.json"
HARDENED = (
    "--init", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--volume", "/run/maia", "--network", "host",
)  # fmt: skip
"""How the action runs a container, on this machine's own network."""


class Docker:
    """The command `docker`. Raises AssertionError where a command fails and `check` is not False."""

    def __call__(self, *arguments: str, check: bool = True, timeout: float = PATIENCE) -> str:
        """What the command printed on stdout."""
        return self.raw(*arguments, check=check, timeout=timeout).decode()

    def raw(self, *arguments: str, check: bool = True, timeout: float = PATIENCE) -> bytes:
        command = ["docker", *arguments]
        nothing = subprocess.DEVNULL
        done = subprocess.run(command, stdin=nothing, capture_output=True, timeout=timeout, check=False)
        if check and done.returncode:
            raise AssertionError(f"docker {arguments[0]} ended with {done.returncode}:\n{done.stderr.decode()[-3000:]}")
        return done.stdout

    @staticmethod
    def missing() -> str | None:
        """Why there is no engine to test with; None where one answers."""
        if shutil.which("docker") is None:
            return "there is no docker on PATH"
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not done.stdout.strip():
            said = (done.stderr.strip() or "no answer").splitlines()[-1]
            return f"no Docker engine answers ({said})"
        return None


@dataclass
class Container:
    """A container that was started, attached to the process of `docker run`."""

    name: str
    docker: Docker
    process: subprocess.Popen[bytes]

    def end(self, timeout: float = PATIENCE) -> Ended:
        """Waits for its end."""
        out, err = self.process.communicate(timeout=timeout)
        result = self.result()
        shown("what a container wrote", out, err, json.dumps(result))
        return Ended(self.process.returncode, out.decode(), err.decode(), result)

    def result(self) -> dict[str, Any] | None:
        """The result file, read as the action reads it."""
        packed = self.docker.raw("cp", f"{self.name}:{RESULT}", "-", check=False)
        if not packed:
            return None
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            file = archive.extractfile(archive.getmembers()[0])
            assert file is not None
            found: dict[str, Any] = json.load(file)
            return found

    def stop(self, seconds: int = 10) -> None:
        """Run `docker stop`: SIGTERM, and SIGKILL after this many seconds."""
        self.docker("stop", "--time", str(seconds), self.name)

    def state(self) -> dict[str, Any]:
        """What `docker inspect` has in State."""
        found: dict[str, Any] = json.loads(self.docker("inspect", "--format", "{{json .State}}", self.name))
        return found

    def pid(self) -> int:
        """The number of its first process on the engine's machine, once it runs."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.docker("inspect", "--format", "{{.State.Pid}}", self.name, check=False).strip()
            if found not in ("", "0"):
                return int(found)
        raise AssertionError(f"{self.name} does not start")

    def remove(self) -> None:
        self.docker("rm", "--force", "--volumes", self.name, check=False)
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@dataclass
class Containers:
    """Starts containers of one image, and leaves none behind."""

    docker: Docker
    image: str
    started: list[Container] = field(default_factory=list)
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(
        self,
        *command: str,
        options: Sequence[str] = HARDENED,
        environment: Mapping[str, str] | None = None,
    ) -> Container:
        """`docker run OPTIONS --env NAME… IMAGE COMMAND`; no value of the environment is on the command line."""
        name = f"maia-test-{uuid.uuid4().hex[:12]}"
        given = dict(environment or {})
        names = [word for name_ in given for word in ("--env", name_)]
        process = popen(
            ["docker", "run", "--name", name, *options, *names, self.image, *command],
            env={**os.environ, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        container = Container(name, self.docker, self.opened.enter_context(process))
        self.started.append(container)
        beside("with a container in it")
        return container

    def maia(self, *arguments: str, environment: Mapping[str, str], **options: Any) -> Container:
        """`python -m maia ARGUMENTS`; the result file is where the action has it."""
        given = {"MAIA_RESULT_FILE": RESULT, **environment}
        return self.start("python", "-m", "maia", *arguments, environment=given, **options)

    def run(self, *command: str, **options: Any) -> Ended:
        """Starts one and waits for its end."""
        return self.start(*command, **options).end()

    def close(self) -> None:
        with self.opened:
            for container in self.started:
                container.remove()
