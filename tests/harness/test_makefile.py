"""The Makefile: what it says, what it asks of a machine, and what it removes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("demo", reason="the Makefile is part of the checkout, not of the wheel")

from harness.driver.options import ROOT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile and what it depends on."""
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "tools").mkdir()
    for name in ("Makefile", "requirements-dev.txt", "requirements-uv.txt", "tools/uv.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def installed(project: Path) -> None:
    """As if the environment were there: its Python only says what it was asked for."""
    program(project / ".venv" / "bin" / "python", 'printf "<%s>" "$@"; echo')
    for name in (".dependencies", ".installed"):
        (project / ".venv" / name).touch()


def make(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # not what a make around these tests says, nor its DATASET
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    given = {**kept, "PWD": str(cwd), **environment}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=given, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_is_the_default_and_names_every_target(project: Path) -> None:
    said = make(cwd=project)
    assert said.returncode == 0
    targets = set(re.findall(r"^  ([a-z0-9-]+) +\S", said.stdout, re.MULTILINE))
    assert targets == set(re.search(r"^.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    assert said.stdout == make("help", cwd=project).stdout


def test_a_python_that_is_missing_or_too_old_is_named_with_what_to_do(project: Path, tmp_path: Path) -> None:
    said = make("demo", "PYTHON=no-such-python", cwd=project)
    assert said.returncode == 2
    assert "Python 3.11 or newer is needed, but 'no-such-python' is nothing that runs" in said.stderr
    old = program(tmp_path / "old", '[ "$1" = --version ] && { echo Python 3.9.1; exit 0; }; exit 1')
    said = make("test", f"PYTHON={old}", cwd=project)
    assert "is Python 3.9.1." in said.stderr
    assert "make test PYTHON=python3.12" in said.stderr
    assert not (project / ".venv").exists()


def test_a_python_without_venv_says_which_package_to_install(project: Path, tmp_path: Path) -> None:
    bare = program(tmp_path / "bare", f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"')
    said = make("demo", f"PYTHON={bare}", cwd=project)
    assert said.returncode == 2
    assert f"apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in said.stderr


def test_what_is_installed_is_not_installed_again(project: Path) -> None:
    installed(project)
    said = make("demo", cwd=project)
    assert said.stdout.strip() == "<-m><demo>"
    os.utime(project / "pyproject.toml", (2**31, 2**31))
    again = make("demo", cwd=project)
    assert "<install>" in again.stdout
    assert "--editable" in again.stdout


def test_a_data_set_reaches_the_demo_whole_with_where_make_was_called(project: Path, tmp_path: Path) -> None:
    installed(project)
    said = make("-C", str(project), "--no-print-directory", "demo", "DATASET=my 'odd\" data.csv", cwd=tmp_path)
    assert said.stdout.strip() == f"<-m><demo><--dataset><my 'odd\" data.csv><--called-from><{tmp_path}>"


def test_clean_removes_data_and_caches_and_nothing_else(project: Path) -> None:
    installed(project)
    gone = [".demo/postgres", ".pytest_cache", ".mypy_cache", ".ruff_cache", "htmlcov", "dist", "atlas/__pycache__"]
    kept = [".venv/lib/__pycache__", "atlas/sql", ".git/objects"]
    for name in gone + kept:
        (project / name).mkdir(parents=True)
    (project / ".coverage.host.1").touch()
    said = make("clean", cwd=project)
    assert said.returncode == 0
    assert "<-m><demo.clean><.demo>" in said.stdout
    assert not [name for name in [*gone, ".demo", ".coverage.host.1"] if (project / name).exists()]
    assert all((project / name).is_dir() for name in kept)


def test_clean_removes_nothing_while_the_demo_cannot_be_stopped(project: Path) -> None:
    installed(project)
    program(project / ".venv" / "bin" / "python", "exit 1")
    (project / ".demo" / "postgres").mkdir(parents=True)
    assert make("clean", cwd=project).returncode == 2
    assert (project / ".demo" / "postgres").is_dir()
