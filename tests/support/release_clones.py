"""Scratch clones of the project, to make releases in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .documents import CHECKOUT

VERSION = "1.2.3"
TAG = f"v{VERSION}"
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64

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


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def shell(folder: Path, script: str) -> None:
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True, capture_output=True, timeout=60)


def commit(folder: Path, message: str) -> str:
    """Commit every change in the folder and return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def make_clone(folder: Path) -> Path:
    """A clone at the commit of its branch main, version 1.2.3, with the real workflows, scripts and action.yml."""
    if 'MAIA_ACTION_IMAGE: ""' not in (CHECKOUT / "action.yml").read_text(encoding="utf-8"):
        pytest.skip("this is the checkout of a release, which is pinned already")
    clone, origin = folder / "clone", folder / "origin.git"
    shutil.copytree(CHECKOUT / ".github", clone / ".github", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(CHECKOUT / "action.yml", clone)
    (clone / "maia").mkdir()
    source = (CHECKOUT / "maia" / "__init__.py").read_text(encoding="utf-8")
    (clone / "maia" / "__init__.py").write_text(re.sub(r'__version__ = "[^"]+"', f'__version__ = "{VERSION}"', source))
    (clone / "CHANGELOG.md").write_text(CHANGELOG)
    (clone / ".gitignore").write_text("__pycache__/\n")
    git(clone, "init", "--quiet", "--initial-branch=main")
    for name, value in (("user.name", "A"), ("user.email", "a@example.org"), ("commit.gpgsign", "false")):
        git(clone, "config", name, value)
    commit(clone, VERSION)
    git(folder, "init", "--quiet", "--bare", str(origin))
    git(clone, "remote", "add", "origin", str(origin))
    git(clone, "push", "--quiet", "--set-upstream", "origin", "main")
    return clone


def copy_clone(template: Path, folder: Path) -> Path:
    """A copy of the clone and of its origin, which is what `make_clone` made in the folder `template`."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    git(folder / "clone", "remote", "set-url", "origin", str(folder / "origin.git"))
    return folder / "clone"
