"""Get the image: published for the action's ref, named by the user, or built from this checkout."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from action.cancel import Cancel
from action.errors import EngineError, SettingError
from action.inputs import BUILD, Inputs
from action.process import LongCommand, run_docker
from action.runner import Runner
from action.text import last_line, one_line

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "ghcr.io"
TRIES = 3
_BACKOFF = (2.0, 6.0)
"""Seconds between the tries of a pull."""

_RELEASE = re.compile(r"v[0-9]+(\.[0-9]+\.[0-9]+)?")
_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")
_FIXED = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+|[0-9a-f]{40}")
# errors that a retry does not fix
_PERMANENT = re.compile(
    r"manifest unknown|not found|denied|unauthorized|invalid reference|no match for platform|no matching manifest"
    r"|no image found in|short-name|daemon running|docker API at|podman socket",
    re.I,
)
# messages of Docker, podman and others
_ABSENT = re.compile(r"no such (image|object)|image not known|not found", re.I)


def published(repository: str, ref: str) -> str:
    """Return the image that is published for the action at `ref`. Raises SettingError if none is."""
    ref = ref.removeprefix("refs/tags/")
    if repository and (_RELEASE.fullmatch(ref) or _FIXED.fullmatch(ref)):
        return f"{REGISTRY}/{repository.lower()}:{ref}"
    what = f"{repository or 'the action'} at {one_line(ref, 100)!r}" if ref else "an action without a ref (`uses: ./`)"
    raise SettingError(
        f"No image is published for {what}. Use a release tag, such as v1, or `image: build` to build it from the "
        "action's own checkout."
    )


@dataclass(frozen=True)
class Images:
    """Makes the image available to the engine."""

    inputs: Inputs
    environ: Mapping[str, str]
    runner: Runner
    cancel: Cancel
    root: Path = ROOT

    def ready(self) -> str:
        """Get the image and return its name. Raises SettingError, EngineError, Cancelled."""
        self.cancel.check()
        if self.inputs.image == BUILD:
            return self._built()
        fixed = self.inputs.image or self.inputs.pinned
        name = fixed or published(self.inputs.repository, self.inputs.ref)
        # An image that the user names is used as it is; a moving tag of ours, such as v1, is pulled again.
        moving = not fixed and not _FIXED.fullmatch(name.rpartition(":")[2])
        exists = self._exists(name)
        if not exists or moving:
            self._pull(name, needed=not exists)
        return name

    def _exists(self, name: str) -> bool:
        answer = run_docker(["image", "inspect", "--format", "{{.Id}}", name], self.environ)
        if answer.code == 0:
            return True
        message = answer.err.decode("utf-8", "replace")
        if answer.code > 0 and _ABSENT.search(message):
            return False
        raise EngineError(
            f"The container engine cannot inspect the image; check that it runs. It reports: {one_line(message)}"
        )

    def _pull(self, name: str, *, needed: bool) -> None:
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                self.cancel.wait(_BACKOFF[attempt - 2])
            code, message = self._work(f"docker pull {name}", ["pull", name])
            if code == 0:
                return
            if _PERMANENT.search(message):
                break
        if not needed:
            self.runner.warning("Maia: image", f"{name} could not be pulled ({message}); the local copy is used.")
            return
        fork = "" if self.inputs.image else " Where no image is published for it, as in a fork, use `image: build`."
        raise EngineError(f"The image {name} could not be pulled: {message}.{fork}")

    def _built(self) -> str:
        """Build the image, with the engine's own cache; return its id.

        Not its tag, which a parallel job that builds other files at the same path may move.
        """
        if not (self.root / "Dockerfile").is_file():
            raise SettingError(
                "`image: build` needs a checkout of Maia, and there is no Dockerfile beside this action. "
                "Name one by the input `source`, or leave `image` empty."
            )
        tag = f"pleiades-maia:build-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]}"
        # BuildKit supports only the host's network
        network = ["--network", "host"] if self.inputs.network == "host" else []
        code, message = self._work(f"docker build --tag {tag}", ["build", "--tag", tag, *network, str(self.root)])
        if code:
            raise EngineError(f"The image could not be built (docker build ended with {code}): {message}")
        # not from --iidfile, which is empty with some engines, or names an id that cannot be run
        answer = run_docker(["image", "inspect", "--format", "{{.Id}}", tag], self.environ)
        built = answer.out.decode("ascii", "replace").strip()
        if answer.code or not _ID.fullmatch(built):
            raise EngineError(f"The built image cannot be found: {one_line(answer.err.decode('utf-8', 'replace'))}")
        return built

    def _work(self, title: str, arguments: list[str]) -> tuple[int, str]:
        with self.runner.group(title), self.runner.foreign() as write:
            work = LongCommand(arguments, self.environ, write)
            code = work.run(self.cancel)
        self.cancel.check()
        return code, last_line(work.tail)
