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
from ...support.release_clones import CHANGELOG, DIGEST, TAG, commit, copy_clone, git
from ...support.workflow_files import needs_checkout

pytestmark = needs_checkout

PIN = ".github/scripts/pin_release.py"


@pytest.fixture(scope="module")
def release(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("release_facts")


@pytest.fixture
def clone(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone that is at the commit of its branch main."""
    monkeypatch.chdir(copy_clone(template, tmp_path))
    return tmp_path / "clone"


@pytest.fixture
def source(clone: Path) -> str:
    """The commit of the image of a release that was pushed; the clone is at the release's own commit."""
    source = git(clone, "rev-parse", "HEAD")
    numbers = ["--owner-id", "41", "--repository-id", "42"]
    subprocess.run([sys.executable, "-B", PIN, "commit", TAG, DIGEST, *numbers], cwd=clone, check=True)
    git(clone, "push", "--quiet", "--atomic", "origin", f"release/{TAG}", TAG)
    git(clone, "switch", "--quiet", "--detach", TAG)
    return source


def environment(clone: Path, **others: str) -> dict[str, str]:
    """Of a run on the branch main."""
    return {
        "GITHUB_REF_NAME": "main",
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_SHA": git(clone, "rev-parse", "HEAD"),
    } | others


def of_tag(clone: Path, **others: str) -> dict[str, str]:
    return environment(clone, **({"GITHUB_REF_NAME": TAG, "GITHUB_REF_TYPE": "tag"} | others))


def test_the_facts_of_an_image(release: ModuleType, clone: Path) -> None:
    outputs, notes = release.facts(environment(clone), clone)
    assert outputs == {
        "tag": TAG,
        "version": "1.2.3",
        "commit": git(clone, "rev-parse", "HEAD"),
        "image": "ghcr.io/pleiades/maia",
        "created": git(clone, "log", "-1", "--format=%cI"),
    }
    assert notes == "### Added\n\n- Something.\n"


def test_the_facts_of_a_release(release: ModuleType, clone: Path, source: str) -> None:
    outputs, notes = release.facts(of_tag(clone), clone)
    assert outputs == {
        "tag": TAG,
        "version": "1.2.3",
        "commit": git(clone, "rev-parse", "HEAD"),
        "source": source,
        "digest": DIGEST,
        "image": "ghcr.io/pleiades/maia",
        "created": git(clone, "log", "-1", "--format=%cI", source),
    }
    assert notes == "### Added\n\n- Something.\n"


def tagged(clone: Path) -> None:
    git(clone, "tag", TAG)


def beside_main(clone: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message=beside main")


def nothing(clone: Path) -> None:
    """Leave the clone as it is."""


@pytest.mark.parametrize(
    ("before", "others", "reason"),
    [
        (nothing, {"ACT": "true"}, "not under act"),
        (nothing, {"GITHUB_REF_NAME": "feature/x"}, "is built from the branch main, and this is 'feature/x'"),
        (nothing, {"GITHUB_SHA": "0" * 40}, f"the run at {'0' * 40}"),
        (tagged, {}, r"v1.2.3 is already a tag: raise maia.__version__"),
        (beside_main, {}, "is not on the branch main"),
    ],
)
def test_a_run_that_makes_no_image_is_refused(
    release: ModuleType, clone: Path, before: Callable[[Path], None], others: dict[str, str], reason: str
) -> None:
    before(clone)
    with pytest.raises(release.Refusal, match=reason):
        release.facts(environment(clone, **others), clone)


def without_branch(clone: Path) -> None:
    """GitHub's token may only move the major tag to workflow files that some branch has."""
    git(clone, "push", "--quiet", "--delete", "origin", f"release/{TAG}")


def image_not_of_main(clone: Path) -> None:
    git(clone, "update-ref", "refs/remotes/origin/main", git(clone, "commit-tree", "-m", "x", "HEAD^{tree}"))


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("before", "others", "reason"),
    [
        (nothing, {"ACT": "true"}, "not under act"),
        (nothing, {"GITHUB_REF_NAME": "v1.2.3-rc1"}, "'v1.2.3-rc1' is no tag vX.Y.Z"),
        (nothing, {"GITHUB_REF_NAME": "v1.2.03"}, "'v1.2.03' is no tag vX.Y.Z"),
        (nothing, {"GITHUB_REF_NAME": "v1"}, "'v1' is no tag vX.Y.Z"),
        (nothing, {"GITHUB_REF_NAME": "v1.2.4"}, "the tag is v1.2.4, and maia.__version__ is 1.2.3"),
        (nothing, {"GITHUB_SHA": "0" * 40}, f"the run at {'0' * 40}"),
        (without_branch, {}, r"is not the branch release/v1.2.3: push both"),
        (image_not_of_main, {}, "is not on the branch main"),
    ],
)
def test_a_run_that_is_no_release_is_refused(
    release: ModuleType, clone: Path, before: Callable[[Path], None], others: dict[str, str], reason: str
) -> None:
    before(clone)
    with pytest.raises(release.Refusal, match=reason):
        release.facts(of_tag(clone, **others), clone)


def test_a_tag_that_names_no_image_is_refused(release: ModuleType, clone: Path) -> None:
    git(clone, "push", "--quiet", "origin", f"{commit(clone, 'by hand')}:refs/heads/release/{TAG}")
    with pytest.raises(release.Refusal, match=r"pins nothing: make the tag with .github/scripts/pin_release.py"):
        release.facts(of_tag(clone), clone)


@pytest.mark.parametrize(
    ("changelog", "reason"),
    [
        (CHANGELOG.replace("[1.2.3] - 2026-11-22", "[1.2.3]"), r"no heading '## \[1.2.3\] - YYYY-MM-DD'"),
        (CHANGELOG.replace("[1.2.3]", "[1x2.3]"), "no heading"),
        (CHANGELOG.replace("### Added\n\n- Something.\n", ""), "says nothing about 1.2.3"),
    ],
)
def test_a_version_without_its_changes_is_refused(
    release: ModuleType, clone: Path, changelog: str, reason: str
) -> None:
    (clone / "CHANGELOG.md").write_text(changelog)
    with pytest.raises(release.Refusal, match=reason):
        release.facts(environment(clone), clone)


def test_the_last_section_ends_where_the_links_begin(release: ModuleType) -> None:
    assert release.changes(CHANGELOG, "1.2.2") == "- Older.\n"


def test_the_workflow_gets_outputs_and_notes(
    release: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ACT", raising=False)
    for name, value in environment(clone, GITHUB_OUTPUT=str(clone / "output")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["release_facts.py", "--notes", "notes.md"])
    release.main()
    assert "version=1.2.3\n" in (clone / "output").read_text()
    assert (clone / "notes.md").read_text() == "### Added\n\n- Something.\n"
    monkeypatch.setenv("GITHUB_REF_NAME", "other")
    with pytest.raises(SystemExit, match="1"):
        release.main()
    assert "::error title=No release::the image of a release is built from the branch main" in capsys.readouterr().out


def test_our_own_files_are_of_the_form_that_is_read(release: ModuleType) -> None:
    """The version is found where it is looked for, and the changelog's next section would be."""
    version = maia.__version__
    changelog = document("CHANGELOG.md").replace("## [Unreleased]", f"## [{version}] - 2026-11-22", 1)
    assert "- Hunter" in release.changes(changelog, version)
    source = Path(maia.__file__).read_text(encoding="utf-8")
    assert f'\n__version__ = "{version}"\n' in source
