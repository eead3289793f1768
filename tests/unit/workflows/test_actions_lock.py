"""actions.lock: in the form of GitHub's extension gh-actions-lock, and equal to what the workflows use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ...support.documents import document, sections
from ...support.workflow_files import WORKFLOWS, load, needs_checkout, steps
from ...support.workflow_reading import FOLDER

pytestmark = needs_checkout

USES = r"^ *(?:- )?uses: ([\w.-]+/[\w.-]+)@(\S+)(?: # (\S+))?"
"""An action; a reusable workflow has a path behind the repository."""
PIN = re.compile(r"[^/@:]+/[^/@:]+@[^:]+")
RELEASED = "the project's own action at its major version: the commit of the last release"
NOT_LISTED = {
    "ci.yml": "the extension leaves out what uses a local action",
    "hunter.yml": "no action",
    "tracker.yml": "no action",
    "maia.yml": RELEASED,
    "janitor.yml": RELEASED,
    "report.yml": RELEASED,
    "watch.yml": RELEASED,
    "release.yml": "an action that uses another one at a commit that is not known here",
}


def text() -> str:
    return (FOLDER / "actions.lock").read_text(encoding="utf-8")


@pytest.fixture
def lock() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text())
    return found


def used(name: str) -> dict[str, str]:
    """Pin of every action of a workflow in the lock's form, and the version that stands behind it."""
    lines = re.findall(USES, (FOLDER / name).read_text(encoding="utf-8"), re.MULTILINE)
    return {f"{action.lower()}@{ref}": version for action, ref, version in lines}


def names(lock: dict[str, Any]) -> dict[str, list[str]]:
    return {Path(path).name: pins for path, pins in lock["workflows"].items()}


def test_it_has_the_form_of_the_extension(lock: dict[str, Any]) -> None:
    assert list(lock) == ["version", "workflows", "dependencies"]
    assert lock["version"] == "v0.0.2"
    for pins in lock["workflows"].values():
        assert pins == sorted(pins)
        assert all(PIN.fullmatch(pin) for pin in pins)
    for pin, entry in lock["dependencies"].items():
        assert PIN.fullmatch(pin), pin
        assert list(entry) == ["ref", "commit", "owner_id", "repo_id", *(["uses"] if "uses" in entry else [])], pin
        assert isinstance(entry["owner_id"], int) and isinstance(entry["repo_id"], int), pin
    # it is written as the extension writes it: else its next run would change every line
    written = "version: 'v0.0.2'\nworkflows:\n"
    for path in sorted(lock["workflows"]):
        written += f"    '{path}':\n" + "".join(f"        - '{pin}'\n" for pin in lock["workflows"][path])
    written += "dependencies:\n"
    for pin in sorted(lock["dependencies"]):
        entry = lock["dependencies"][pin]
        written += f"    '{pin}':\n        ref: '{entry['ref']}'\n        commit: '{entry['commit']}'\n"
        written += f"        owner_id: {entry['owner_id']}\n        repo_id: {entry['repo_id']}\n"
        if "uses" in entry:
            written += "        uses:\n" + "".join(f"            - '{one}'\n" for one in sorted(entry["uses"]))
    header, _, rest = text().partition("version: ")
    assert all(line.startswith("# ") for line in header.splitlines())
    assert "version: " + rest == written


def test_a_workflow_that_is_listed_uses_what_is_listed_with_it_and_nothing_else(lock: dict[str, Any]) -> None:
    """One action that is not locked, and none of its jobs starts."""
    assert lock["workflows"]
    for name, pins in names(lock).items():
        assert pins == sorted(used(name)), name
        assert not any(step.get("uses", "").startswith("./") for step in steps(FOLDER / name)), name


def test_an_action_is_locked_to_the_commit_and_the_version_that_the_workflow_names(lock: dict[str, Any]) -> None:
    versions = {pin: version for name in names(lock) for pin, version in used(name).items()}
    direct = set(versions)
    for pin, entry in lock["dependencies"].items():
        name, _, ref = pin.partition("@")
        assert entry["commit"] == f"sha1-{ref}", pin
        if pin in versions and name != "pleiades/maia":
            assert entry["ref"] == versions[pin]
        direct |= set(entry.get("uses", []))
    assert direct == set(lock["dependencies"]), "no entry is missing, and none is left over"


def test_an_owner_and_a_repository_have_one_number_each(lock: dict[str, Any]) -> None:
    owners = {(pin.split("/")[0], entry["owner_id"]) for pin, entry in lock["dependencies"].items()}
    repositories = {(pin.split("@")[0], entry["repo_id"]) for pin, entry in lock["dependencies"].items()}
    for found in (owners, repositories):
        assert len({name for name, _ in found}) == len({number for _, number in found}) == len(found)


def test_a_workflow_that_is_not_listed_has_a_reason_that_the_document_gives(lock: dict[str, Any]) -> None:
    missing = {path.name for path in WORKFLOWS} - set(names(lock))
    pinned = {"maia.yml"} & set(names(lock))  # in the commit of a release: test_pin_release.py
    assert missing == set(NOT_LISTED) - pinned
    (section,) = (s for s in sections(document("docs/releasing.md")) if s.heading == "actions.lock")
    for name in missing:
        assert f"`{name}`" in section.text
        actions = set(used(name))
        assert (not actions) == (NOT_LISTED[name] == "no action"), name
        if NOT_LISTED[name] is RELEASED:
            assert "pleiades/maia@v1" in actions
    assert any(step.get("uses") == "./" for step in steps(FOLDER / "ci.yml"))
    assert load(FOLDER / "release.yml")["jobs"]["pypi"]
