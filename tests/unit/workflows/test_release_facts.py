"""release_facts.py: what is required before the image of a release, or the release itself, is made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import maia

from ...support.documents import document
from ...support.release_clones import CHANGELOG, DIGEST, TAG, commit, copy_clone, git, shell
from ...support.workflow_files import needs_checkout

pytestmark = needs_checkout

PIN = ".github/scripts/pin_release.py"
NOTES = "### Added\n\n- Something.\n"


@pytest.fixture(scope="module")
def facts(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("release_facts")


@pytest.fixture
def clone(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone that is at the commit of its branch main."""
    monkeypatch.chdir(copy_clone(template, tmp_path))
    return tmp_path / "clone"


@pytest.fixture(scope="module")
def pushed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a clone that is at the commit of a release that was pushed, to be copied."""
    folder = tmp_path_factory.mktemp("pushed")
    clone = copy_clone(template, folder)
    numbers = ["--owner-id", "41", "--repository-id", "42"]
    subprocess.run([sys.executable, "-B", PIN, "commit", TAG, DIGEST, *numbers], cwd=clone, check=True)
    git(clone, "push", "--quiet", "--atomic", "origin", f"release/{TAG}", TAG)
    git(clone, "switch", "--quiet", "--detach", TAG)
    return folder


@pytest.fixture
def tagged(tmp_path: Path, pushed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copy_clone(pushed, tmp_path))
    return tmp_path / "clone"


def environment(clone: Path, **others: str) -> dict[str, str]:
    """Of a run on the branch main."""
    sha = git(clone, "rev-parse", "HEAD")
    return {"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_SHA": sha} | others


def of_tag(clone: Path, **others: str) -> dict[str, str]:
    return environment(clone, **({"GITHUB_REF_NAME": TAG, "GITHUB_REF_TYPE": "tag"} | others))


FACTS = {"tag": TAG, "version": "1.2.3", "image": "ghcr.io/pleiades/maia"}


def test_the_facts_of_an_image(facts: ModuleType, clone: Path) -> None:
    commit, created = git(clone, "log", "-1", "--format=%H %cI").split()
    assert facts.facts(environment(clone), clone) == ({**FACTS, "commit": commit, "created": created}, NOTES)


def test_the_facts_of_a_release(facts: ModuleType, tagged: Path) -> None:
    source, created = git(tagged, "log", "-1", "--format=%H %cI", "main").split()
    expected = {"commit": git(tagged, "rev-parse", "HEAD"), "source": source, "digest": DIGEST, "created": created}
    assert facts.facts(of_tag(tagged), tagged) == ({**FACTS, **expected}, NOTES)


@pytest.mark.parametrize(
    ("before", "others", "reason"),
    [
        ("", {"ACT": "true"}, "not under act"),
        ("", {"GITHUB_REF_NAME": "feature/x"}, "is built from the branch main, and this is 'feature/x'"),
        ("", {"GITHUB_SHA": "0" * 40}, f"the run at {'0' * 40}"),
        (f"git tag {TAG}", {}, r"v1.2.3 is already a tag: raise maia.__version__"),
        ("git commit -qm x --allow-empty", {}, "is not on the branch main"),
    ],
)
def test_a_run_that_makes_no_image_is_refused(
    facts: ModuleType, clone: Path, before: str, others: dict[str, str], reason: str
) -> None:
    shell(clone, before)
    with pytest.raises(facts.Refusal, match=reason):
        facts.facts(environment(clone, **others), clone)


OTHER_MAIN = "git update-ref refs/remotes/origin/main $(git commit-tree -m x HEAD^{tree})"


@pytest.mark.parametrize(
    ("before", "others", "reason"),
    [
        ("", {"ACT": "true"}, "not under act"),
        *(("", {"GITHUB_REF_NAME": ref}, f"'{ref}' is no tag vX.Y.Z") for ref in ("v1.2.3-rc1", "v1.2.03", "v1")),
        ("", {"GITHUB_REF_NAME": "v1.2.4"}, "the tag is v1.2.4, and maia.__version__ is 1.2.3"),
        ("", {"GITHUB_SHA": "0" * 40}, f"the run at {'0' * 40}"),
        # GitHub's token may only move the major tag to workflow files that some branch has
        (f"git push -q --delete origin release/{TAG}", {}, "is not the branch release/v1.2.3: push both"),
        (OTHER_MAIN, {}, "is not on the branch main"),
    ],
)
def test_a_run_that_is_no_release_is_refused(
    facts: ModuleType, tagged: Path, before: str, others: dict[str, str], reason: str
) -> None:
    shell(tagged, before)
    with pytest.raises(facts.Refusal, match=reason):
        facts.facts(of_tag(tagged, **others), tagged)


def test_a_tag_that_names_no_image_is_refused(facts: ModuleType, clone: Path) -> None:
    git(clone, "push", "--quiet", "origin", f"{commit(clone, 'by hand')}:refs/heads/release/{TAG}")
    with pytest.raises(facts.Refusal, match=r"pins nothing: make the tag with .github/scripts/pin_release.py"):
        facts.facts(of_tag(clone), clone)


@pytest.mark.parametrize(
    ("changelog", "reason"),
    [
        (CHANGELOG.replace("[1.2.3] - 2026-11-22", "[1.2.3]"), r"no heading '## \[1.2.3\] - YYYY-MM-DD'"),
        (CHANGELOG.replace("[1.2.3]", "[1x2.3]"), "no heading"),
        (CHANGELOG.replace(NOTES, ""), "says nothing about 1.2.3"),
    ],
)
def test_a_version_without_its_changes_is_refused(facts: ModuleType, changelog: str, reason: str) -> None:
    with pytest.raises(facts.Refusal, match=reason):
        facts.changes(changelog, "1.2.3")


def test_the_workflow_gets_outputs_and_notes(
    facts: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ACT", raising=False)
    for name, value in environment(clone, GITHUB_OUTPUT=str(clone / "output")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["release_facts.py", "--notes", "notes.md"])
    facts.main()
    assert "version=1.2.3\n" in (clone / "output").read_text()
    assert (clone / "notes.md").read_text() == NOTES
    monkeypatch.setenv("GITHUB_REF_NAME", "other")
    with pytest.raises(SystemExit, match="1"):
        facts.main()
    assert "::error title=No release::the image of a release is built from the branch main" in capsys.readouterr().out


def test_our_own_files_are_of_the_form_that_is_read(facts: ModuleType) -> None:
    """The version is found where it is looked for, and the changelog's next section would be."""
    assert facts.changes(CHANGELOG, "1.2.2") == "- Older.\n", "the last section ends where the links begin"
    version = maia.__version__
    changelog = document("CHANGELOG.md").replace("## [Unreleased]", f"## [{version}] - 2026-11-22", 1)
    assert "- Hunter" in facts.changes(changelog, version)
    assert f'\n__version__ = "{version}"\n' in Path(maia.__file__).read_text(encoding="utf-8")
