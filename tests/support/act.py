"""act, and repositories for it to run the workflows in.

The commands are those of docs/local-testing-with-act.md, word for word: a test compares them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .child_processes import popen
from .documents import CHECKOUT

EXPORT = (
    "rm -rf .act && mkdir -p .act/maia",
    "git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - | "
    "tar --extract --directory .act/maia",
)
"""What gives act Maia's own files as pleiades/maia@v1: it copies the folder at every use, so only what is needed."""

HUNTER = "act workflow_dispatch -W .github/workflows/hunter.yml -e .github/act/hunter.json"
TRACKER = "act workflow_dispatch -W .github/workflows/tracker.yml -e .github/act/tracker.json"
JANITOR = "act workflow_dispatch -W .github/workflows/janitor.yml -e .github/act/janitor.json"
SCHEDULED = "act schedule -W .github/workflows/hunter.yml"
FOREIGN = (
    "act workflow_dispatch -W .github/workflows/hunter.yml -P ubuntu-latest=-self-hosted "
    "--local-repository pleiades/maia@v1=../maia/.act/maia --action-offline-mode --no-cache-server --rm"
)
"""From a repository beside Maia's checkout, which has hunter.yml and nothing else."""

FOREIGN_FORM = FOREIGN.replace("hunter.yml", "hunter.yml -e ../maia/.github/act/hunter.json")
"""Likewise, with what the form "Run workflow" would send."""

COMMANDS = (HUNTER, TRACKER, JANITOR, SCHEDULED, FOREIGN_FORM)

AT_MOST = 240.0  # seconds of one run
PASSED = ("PATH", "TMPDIR", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
"""What of this process's environment act may see: on this machine it gives all that it has to the jobs."""

_ENDED = re.compile(r"^\[[^/\]]+/Maia/(?P<job>[^\]]+?) *\] +\N{CHEQUERED FLAG} +Job (?P<result>\w+)", re.MULTILINE)


def missing() -> str | None:
    """Why there is no act to test with; None where there is one."""
    return None if shutil.which("act") else "act is not on PATH (go install github.com/nektos/act@v0.2.87)"


def read_values(path: Path) -> dict[str, str]:
    """What a file such as .vars holds, as act reads it; a value in quotes may have several lines."""
    found = re.finditer(r'^([A-Z_]+)=(?:"([^"]*)"|(.*))$', path.read_text(encoding="utf-8"), re.MULTILINE)
    return {match[1]: match[3] if match[2] is None else match[2] for match in found}


def copy_checkout(folder: Path) -> None:
    """Copy the files of the checkout that a clean clone would have, new ones with them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if name and (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name, follow_symlinks=False)


@dataclass(frozen=True)
class Acted:
    """What one run of act did."""

    code: int
    output: str

    @property
    def green(self) -> bool:
        return self.code == 0

    @property
    def jobs(self) -> dict[str, int]:
        """How often a job ran, by its name without numbers of legs, such as {"Plan": 1, "Shard": 4}."""
        return dict(Counter(_kind(match["job"]) for match in _ENDED.finditer(self.output)))

    @property
    def failed(self) -> dict[str, int]:
        ended = _ENDED.finditer(self.output)
        return dict(Counter(_kind(match["job"]) for match in ended if match["result"] == "failed"))


def _kind(job: str) -> str:
    """`Shard 0-1` is a Shard, `Wave 2, shard 0` a Wave 2: act numbers the legs of a matrix."""
    return re.sub(r"(, shard|(?<=Shard)) \d+(-\d+)?$", "", job)


@dataclass(frozen=True)
class Repository:
    """A git repository that act runs workflows of."""

    folder: Path
    home: Path  # with nothing in it, where act keeps what it unpacks

    @classmethod
    def make(cls, folder: Path, home: Path, name: str) -> Repository:
        """Makes one that was cloned from that name on GitHub, such as `someone/tubes`, of all files in the folder."""
        repository = cls(folder, home)
        home.mkdir(exist_ok=True)
        repository.git("init", "--quiet", "--initial-branch=main")
        repository.git("remote", "add", "origin", f"https://github.com/{name}.git")
        repository.git("add", "--all")
        repository.git("commit", "--quiet", "--message=Begin")
        return repository

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, env=self.environment(), check=True)

    def write(self, name: str, values: Mapping[str, str]) -> None:
        """Writes .secrets or .vars, as act reads them."""
        lines = [f'{key}="{value}"' if "\n" in value else f"{key}={value}" for key, value in values.items()]
        (self.folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")

    def shell(self, *commands: str) -> None:
        """Runs commands of the document."""
        for command in commands:
            subprocess.run(["sh", "-ec", command], cwd=self.folder, env=self.environment(), check=True)

    def act(self, command: str, **extra: str) -> Acted:
        """Runs act to its end; `extra` is what its environment has besides PATH and a home."""
        with popen(
            command.split(),
            cwd=self.folder,
            env=self.environment() | extra,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=AT_MOST)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                raise AssertionError(f"{command} did not end within {AT_MOST:.0f} s:\n{output[-5000:]}") from None
        return Acted(process.returncode, output)

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in PASSED if name in os.environ}
        return {**kept, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache"), "LANG": "C.UTF-8"}
