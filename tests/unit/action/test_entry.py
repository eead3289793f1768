"""How the step begins: on any Python it says what it needs, and nothing of the workspace gets in."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

import action.main

from ...support.action_step import FakeDocker, Step, commands, outputs_of, ran
from ...support.documents import CHECKOUT

ENTRY = CHECKOUT / "action" / "entry.py"
LINE = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"][0]["run"]


def call(arguments: Sequence[object], env: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in arguments]
    return subprocess.run(words, env=env, cwd=cwd, capture_output=True, text=True, check=False)


def run_line(env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the line of action.yml as the runner does."""
    bash = shutil.which("bash")
    return call([bash, "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", LINE], env, cwd)


def test_nothing_of_the_workspace_is_imported_and_nothing_written_beside_the_action(step: Step, tmp_path: Path) -> None:
    workspace, copy = tmp_path / "workspace", tmp_path / "copy"
    for name in ("json", "secrets", "maia", "action", "atlas", "sitecustomize", "usercustomize"):
        (workspace / name).mkdir(parents=True)
        (workspace / name / "__init__.py").write_text("raise SystemExit('the workspace was imported')")
    for part in ("action", "maia"):
        shutil.copytree(CHECKOUT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted(copy.rglob("*"))
    env = step.environ({}) | {"PYTHONPATH": str(workspace)}
    done = call([sys.executable, "-IB", copy / "action" / "entry.py"], env, workspace)
    assert "was imported" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(copy.rglob("*")) == before


def test_the_line_of_action_yml_starts_it_and_source_names_another_checkout(
    step: Step, docker: FakeDocker, tmp_path: Path
) -> None:
    env = step.environ({}) | {"PATH": f"{docker.bin}:{Path(sys.executable).parent}:/usr/bin:/bin"}
    other = tmp_path / "workspace" / "other one"
    (other / "action").mkdir(parents=True)
    (other / "action" / "entry.py").write_text("print('the other one')")
    done = run_line(env | {"GITHUB_ACTION_PATH": str(CHECKOUT), "MAIA_INPUT_SOURCE": ""}, tmp_path / "workspace")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run_line(env | {"GITHUB_ACTION_PATH": "/nowhere", "MAIA_INPUT_SOURCE": "other one"}, tmp_path / "workspace")
    assert done.stdout == "the other one\n"


@pytest.mark.parametrize("shim", [None, "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n"])
def test_a_runner_without_python_names_what_is_needed(tmp_path: Path, shim: str | None) -> None:
    if shim is not None:
        (tmp_path / "python3").write_text(shim)
        (tmp_path / "python3").chmod(0o755)
    output = tmp_path / "output"
    env = {"PATH": str(tmp_path), "GITHUB_ACTION_PATH": str(CHECKOUT), "GITHUB_OUTPUT": str(output)}
    done = run_line(env, tmp_path)
    assert done.returncode == 78
    ((name, properties, message),) = commands(done.stdout)
    assert (name, properties) == ("error", {"title": "Maia%3A python3 is missing"})
    assert message.startswith("The action needs Python 3.11 or newer as python3, and no python3 runs here. Use runs-on")
    assert outputs_of(output.read_text()) == {"outcome": "config", "exit-code": "78"}


@pytest.mark.parametrize("stream", [">&-", ">&- 2>&-", "| true", "> /dev/full"])
def test_an_output_without_a_reader_changes_nothing_else(step: Step, docker: FakeDocker, stream: str) -> None:
    docker.plays(run=[ran(78, output="maia hunter: 日本 😀\n")])
    script = f'"$@" {stream}; exit ${{PIPESTATUS[0]}}'
    env = step.environ({}) | {"PYTHONIOENCODING": "ascii"}
    done = call(["bash", "-c", script, "bash", sys.executable, "-IB", ENTRY], env)
    assert (done.returncode, done.stdout, done.stderr) == (78, "", "")
    assert docker.left == []


def test_an_old_python_names_what_is_needed(tmp_path: Path) -> None:
    """The part before the imports, with the version that another Python would give."""
    tree = ast.parse(ENTRY.read_text(encoding="utf-8"))
    until = next(i for i, node in enumerate(tree.body) if isinstance(node, ast.Expr) and "insert" in ast.unparse(node))
    before = "\n".join(ast.unparse(node) for node in tree.body[:until])
    script = before.replace("sys.version_info", "(3, 10)").replace("sys.version.", "'3.10.12 (main)'.")
    done = call([sys.executable, "-c", script], {"GITHUB_OUTPUT": str(tmp_path / "output")})
    assert done.returncode == 78
    assert outputs_of((tmp_path / "output").read_text()) == {"outcome": "config", "exit-code": "78"}
    assert done.stdout.startswith("::error title=Maia%3A Python is too old::The action needs Python 3.11 or newer")
    assert "this is 3.10.12. Use runs-on: ubuntu-latest" in done.stdout


def test_by_hand_it_says_the_same_without_secrets(step: Step, docker: FakeDocker) -> None:
    step.env |= {"GITHUB_ACTIONS": "", "GITHUB_OUTPUT": "", "GITHUB_STEP_SUMMARY": "", "GITHUB_RUN_ID": ""}
    docker.plays(run=[ran(78, output="maia hunter: Empty KeyRing\n")])
    done = step.here()
    assert done.code == 78
    assert "output outcome: config\n" in done.log
    assert "### Maia hunter 0/1: config\n" in done.log
    assert "::" not in done.log.replace("::1", "")
    assert not any(secret in done.log for secret in docker.behaviour["secrets"])


def test_a_bug_of_the_action_is_a_failure_with_its_outputs(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_step: object) -> None:
        raise ZeroDivisionError("::error::x")

    monkeypatch.setitem(action.main._COMMANDS, "hunter", broken)
    done = step.here()
    assert done.code == 1
    assert done.outputs == {"outcome": "failure", "exit-code": "1", "stats": "{}"}
    message = "Maia: failure: The action itself failed: ZeroDivisionError. This is a bug; report it."
    assert done.annotations("error") == [message]
    assert "Traceback" in done.log
