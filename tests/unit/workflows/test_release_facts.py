"""release_facts.py: what has to hold before anything of a release is built."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import maia

from ...markdown import document
from .checkout import needs_checkout

pytestmark = needs_checkout

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.3] - 2026-11-22

### Added

- Something.

## [1.2.2] - 2026-11-01

- Older.

[1.2.3]: https://example.org/1.2.3
"""


@pytest.fixture(scope="module")
def release(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("release_facts")


def git(cwd: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone that is at the commit of its branch main."""
    (tmp_path / "maia").mkdir()
    (tmp_path / "maia" / "__init__.py").write_text('"""Maia."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=1.2.3")
    git(tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(clone: Path, **others: str) -> dict[str, str]:
    return {
        "GITHUB_REF_NAME": "v1.2.3",
        "GITHUB_REF_TYPE": "tag",
        "GITHUB_REPOSITORY": "Pleiades/Maia",
        "GITHUB_SHA": git(clone, "rev-parse", "HEAD"),
    } | others


def test_the_facts_of_a_tag(release: ModuleType, clone: Path) -> None:
    outputs, notes = release.facts(environment(clone), clone)
    assert outputs == {
        "tag": "v1.2.3",
        "version": "1.2.3",
        "commit": git(clone, "rev-parse", "HEAD"),
        "image": "ghcr.io/pleiades/maia",
        "created": git(clone, "log", "-1", "--format=%cI"),
    }
    assert notes == "### Added\n\n- Something.\n"


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"ACT": "true"}, "not under act"),
        ({"GITHUB_REF_TYPE": "branch"}, "'v1.2.3' is no tag vX.Y.Z"),
        ({"GITHUB_REF_NAME": "v1.2.3-rc1"}, "'v1.2.3-rc1' is no tag vX.Y.Z"),
        ({"GITHUB_REF_NAME": "v1.2.03"}, "'v1.2.03' is no tag vX.Y.Z"),
        ({"GITHUB_REF_NAME": "v1"}, "'v1' is no tag vX.Y.Z"),
        ({"GITHUB_REF_NAME": "v1.2.4"}, "the tag is v1.2.4, and maia.__version__ is 1.2.3"),
        ({"GITHUB_SHA": "0" * 40}, f"the run at {'0' * 40}"),
    ],
)
def test_a_run_that_is_no_release_is_refused(
    release: ModuleType, clone: Path, others: dict[str, str], reason: str
) -> None:
    with pytest.raises(release.Refusal, match=reason):
        release.facts(environment(clone, **others), clone)


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


def test_a_commit_beside_main_is_refused(release: ModuleType, clone: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message=beside main")
    with pytest.raises(release.Refusal, match="is not on the branch main"):
        release.facts(environment(clone), clone)


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
    monkeypatch.setenv("GITHUB_REF_NAME", "v9.9.9")
    with pytest.raises(SystemExit, match="1"):
        release.main()
    assert "::error title=No release::the tag is v9.9.9" in capsys.readouterr().out


def test_our_own_files_are_of_the_form_that_is_read(release: ModuleType) -> None:
    """The version is found where it is looked for, and the changelog's next section would be."""
    version = maia.__version__
    changelog = document("CHANGELOG.md").replace("## [Unreleased]", f"## [{version}] - 2026-11-22", 1)
    assert "- Hunter" in release.changes(changelog, version)
    source = Path(maia.__file__).read_text(encoding="utf-8")
    assert f'\n__version__ = "{version}"\n' in source
