"""What the workflows take from others is pinned to its content, and each thing to one version."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...support.documents import CHECKOUT
from ...support.workflow_files import ACTION, SCRIPTS, WORKFLOWS, load, needs_checkout

pytestmark = needs_checkout

FILES = [*WORKFLOWS, *([ACTION] if ACTION.exists() else [])]
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)

USES = re.compile(r"^\s*(?:- )?uses: (?P<what>\S+)(?: +# *(?P<comment>.*))?$")
OWN = re.compile(r"\./\S*|pleiades/maia(/\.github/workflows/\w+\.yml)?@(v\d+|[0-9a-f]{40})")
"""Of this project: by the major version, and in the commit of a release by a commit."""
FOREIGN = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
VERSION = re.compile(r"v\d+\.\d+\.\d+")
IMAGE = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")


def uses(path: Path) -> list[tuple[str, str]]:
    """What each `uses:` names, and the comment behind it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(match["what"], match["comment"] or "") for line in lines if (match := USES.match(line))]


def values(node: Any, key: str, seen: set[int] | None = None) -> Iterator[Any]:
    """Every value of a key, at any depth; what a YAML alias repeats is the same object, and counted once."""
    seen = set() if seen is None else seen
    if id(node) in seen or not isinstance(node, dict | list):
        return
    seen.add(id(node))
    if isinstance(node, dict) and key in node:
        yield node[key]
    for child in node.values() if isinstance(node, dict) else node:
        yield from values(child, key, seen)


@each_file
def test_a_foreign_action_is_pinned_by_its_full_commit_with_the_version_behind_it(path: Path) -> None:
    assert sorted(what for what, _ in uses(path)) == sorted(values(load(path), "uses")), "none is overlooked"
    for what, comment in uses(path):
        if not OWN.fullmatch(what):
            assert FOREIGN.fullmatch(what), what
            assert VERSION.match(comment), f"{what} # {comment}"


def test_an_action_has_one_version_everywhere() -> None:
    assert {"ci.yml", "release.yml"} <= {path.name for path in FILES}
    versions = defaultdict(set)
    for path in FILES:
        for what, comment in uses(path):
            if not OWN.fullmatch(what):
                name, _, commit = what.partition("@")
                versions[name].add((commit, comment.split()[0]))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@each_file
def test_an_image_is_pinned_by_its_digest(path: Path) -> None:
    """Those of services, and those that the tools of a release would otherwise choose by themselves."""
    found = [image for services in values(load(path), "services") for image in values(services, "image")]
    for step in values(load(path), "with"):
        found += [step["image"]] if "binfmt" in str(step.get("image")) else []
        for option in ("driver-opts", "sbom"):
            found += [step[option].partition("=")[2]] if option in step else []
    assert len(found) == {"ci.yml": 2, "release-image.yml": 3}.get(path.name, 0)
    for image in found:
        assert IMAGE.fullmatch(image), image


def test_dependabot_reads_the_base_of_the_image() -> None:
    """It reads no FROM whose image is an argument, so the base stands in a file of its own once more."""
    dockerfile, base = (CHECKOUT / name for name in ("Dockerfile", "container/base.Dockerfile"))
    argument = re.search(r"^ARG BASE=(\S+)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    literal = re.search(r"^FROM (\S+)$", base.read_text(encoding="utf-8"), re.MULTILINE)
    assert argument is not None
    assert literal is not None
    assert argument[1] == literal[1]


def test_the_tools_that_are_built_from_source_have_versions() -> None:
    text = (SCRIPTS / "go-tools.sh").read_text(encoding="utf-8")
    found = re.findall(r"go install (\S+)", text)
    assert len(found) == 2
    assert all(re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", module) for module in found), found


@pytest.mark.parametrize("path", [*FILES, *sorted(SCRIPTS.glob("*"))], ids=lambda path: path.name)
def test_no_package_registry_is_named(path: Path) -> None:
    if path.is_file():
        assert not re.search(r"pypi\.org|pythonhosted|docker\.io|registry\.npmjs", path.read_text(encoding="utf-8"))
