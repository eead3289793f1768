"""The Makefile: what it says, what it asks of a machine, and what it removes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not (CHECKOUT / "Makefile").exists(), reason="the Makefile is part of the checkout"),
    pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile and what it depends on."""
    folder = tmp_path / "a project"
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "requirements-dev.txt", "requirements-uv.txt", "tools/uv.py", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, folder / name)
    return folder


@pytest.fixture
def installed(project: Path) -> Path:
    """The same, as if the environment were there: its Python only says what it was asked for."""
    program(project / ".venv/bin/python", 'printf "<%s>" "$@"; echo')
    for name in (".dependencies", ".installed"):
        (project / ".venv" / name).touch()
    return project


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def make(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    # not what a make around these tests says, nor its DATASET
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        ["make", *arguments], cwd=cwd, env={**environment, "PWD": str(cwd)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_help_is_the_default_and_names_every_target(project: Path) -> None:
    code, output, _ = make(cwd=project)
    assert (code, output) == make("help", cwd=project)[:2]
    targets = set(re.findall(r"^  ([a-z0-9-]+) +\S", output, re.MULTILINE))
    phony = re.search(r"^.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert targets == set(phony[1].split())


@pytest.mark.parametrize(
    ("target", "script", "errors"),
    [
        ("demo", None, ["Python 3.11 or newer is needed, but 'no-such-python' is nothing that runs"]),
        (
            "test", '[ "$1" = --version ] && { echo Python 3.9.1; exit 0; }; exit 1',
            ["is Python 3.9.1.", "make test PYTHON=python3.12"],
        ),
        (
            "demo", f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"',
            [f"apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv"],
        ),
    ],
    ids=["missing", "too old", "without venv"],
)  # fmt: skip
def test_a_python_that_cannot_be_used_is_named_with_what_to_do(
    target: str, script: str | None, errors: list[str], project: Path, tmp_path: Path
) -> None:
    python = "no-such-python" if script is None else program(tmp_path / "python", script)
    code, _, error = make(target, f"PYTHON={python}", cwd=project)
    assert code == 2
    assert all(text in error for text in errors), error
    assert not (project / ".venv").exists()


def test_what_is_installed_is_not_installed_again(installed: Path) -> None:
    assert make("demo", cwd=installed)[1].strip() == "<-m><demo>"
    os.utime(installed / "pyproject.toml", (2**31, 2**31))
    output = make("demo", cwd=installed)[1]
    assert "<install>" in output
    assert "--editable" in output


def test_a_data_set_reaches_the_demo_whole_with_where_make_was_called(installed: Path, tmp_path: Path) -> None:
    given = ("-C", str(installed), "--no-print-directory", "demo", "DATASET=my 'odd\" data.csv")
    output = make(*given, cwd=tmp_path)[1]
    assert output.strip() == f"<-m><demo><--dataset><my 'odd\" data.csv><--called-from><{tmp_path}>"


def test_clean_removes_data_and_caches_and_nothing_else(installed: Path) -> None:
    gone = [".demo/postgres", ".pytest_cache", ".mypy_cache", ".ruff_cache", "htmlcov", "dist", "atlas/__pycache__"]
    kept = [".venv/lib/__pycache__", "atlas/sql", ".git/objects"]
    for name in gone + kept:
        (installed / name).mkdir(parents=True)
    (installed / ".coverage.host.1").touch()
    code, output, _ = make("clean", cwd=installed)
    assert code == 0
    assert "<-m><demo.clean><.demo>" in output
    assert not [name for name in [*gone, ".demo", ".coverage.host.1"] if (installed / name).exists()]
    assert all((installed / name).is_dir() for name in kept)


def test_clean_removes_nothing_while_the_demo_cannot_be_stopped(installed: Path) -> None:
    program(installed / ".venv/bin/python", "exit 1")
    (installed / ".demo/postgres").mkdir(parents=True)
    assert make("clean", cwd=installed)[0] == 2
    assert (installed / ".demo/postgres").is_dir()


def test_the_nightly_profile_is_known_to_a_single_file() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--hypothesis-profile=all", "--collect-only"]
    done = subprocess.run(
        [*command, "tests/unit/test_policy.py"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
