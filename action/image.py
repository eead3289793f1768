"""The image: the one published for the action's ref, one that is named, or one built from this checkout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from action.cancel import Cancel
from action.errors import EngineError, SettingError
from action.inputs import BUILD, Inputs
from action.lock import locked
from action.process import Work, ask
from action.runner import Runner
from action.text import last_line, one_line
from action.tree import tree_hash

__all__ = ["REGISTRY", "ROOT", "TRIES", "Images", "published"]

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "ghcr.io"
TRIES = 3
_BACKOFF = (2.0, 6.0)
"""Seconds between the tries of a pull."""

_RELEASE = re.compile(r"v[0-9]+(\.[0-9]+\.[0-9]+)?")
_FIXED = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+|[0-9a-f]{40}")
# what another try does not change
_HOPELESS = re.compile(r"manifest unknown|not found|denied|unauthorized|invalid reference|no match for platform", re.I)
_UNREACHABLE = re.compile(r"cannot connect|is the docker daemon running|permission denied.*sock|dial unix", re.I)


def published(repository: str, ref: str) -> str:
    """The image that is published for the action at `ref`. Raises SettingError where none is."""
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
    """Sees that the image is there."""

    inputs: Inputs
    environ: Mapping[str, str]
    runner: Runner
    cancel: Cancel
    root: Path = ROOT

    def ready(self) -> str:
        """The name of the image, which the engine now has. Raises SettingError, EngineError, Cancelled."""
        self.cancel.check()
        if self.inputs.image == BUILD:
            return self._built()
        name = self.inputs.image or published(self.inputs.repository, self.inputs.ref)
        # A named image is the user's: what is there is what is meant. Of ours, a moving tag may have moved.
        moving = not self.inputs.image and not _FIXED.fullmatch(name.rpartition(":")[2])
        there = self._is_there(name)
        if not there or moving:
            self._pull(name, needed=not there)
        return name

    def _is_there(self, name: str) -> bool:
        answer = ask(["image", "inspect", "--format", "{{.Id}}", name], self.environ)
        if answer.code == 0:
            return True
        said = last_line(answer.err)
        if answer.code < 0 or _UNREACHABLE.search(said):
            raise EngineError(f"The Docker engine does not answer: {said}")
        return False

    def _pull(self, name: str, *, needed: bool) -> None:
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                self.cancel.wait(_BACKOFF[attempt - 2])
            code, said = self._work(f"docker pull {name}", ["pull", name])
            if code == 0:
                return
            if _HOPELESS.search(said):
                break
        if not needed:
            self.runner.warning("Maia: image", f"{name} could not be pulled ({said}); the one that is here is used.")
            return
        fork = "" if self.inputs.image else " Where no image is published for it, as in a fork, use `image: build`."
        raise EngineError(f"The image {name} could not be pulled: {said}.{fork}")

    def _built(self) -> str:
        tag = f"pleiades-maia:tree-{tree_hash(self.root)}"
        if self._is_there(tag):
            return tag

        def waiting() -> None:
            self.runner.line("Another leg on this machine is building the image; waiting for it.")

        with locked("pleiades-maia-build", self.cancel, waiting):
            if self._is_there(tag):
                return tag
            # BuildKit takes no network of one's own: only the runner's may be handed on
            network = ["--network", "host"] if self.inputs.network == "host" else []
            code, said = self._work(f"docker build --tag {tag}", ["build", "--tag", tag, *network, str(self.root)])
        if code:
            raise EngineError(f"The image could not be built (docker build ended with {code}): {said}")
        return tag

    def _work(self, title: str, arguments: list[str]) -> tuple[int, str]:
        with self.runner.group(title), self.runner.foreign() as write:
            work = Work(arguments, self.environ, write)
            code = work.run(self.cancel)
        self.cancel.check()
        return code, last_line(work.tail)
