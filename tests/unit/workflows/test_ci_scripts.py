"""The scripts of ci.yml, and the shell that stands in workflows and in the action."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ...support.documents import CHECKOUT
from ...support.workflow_files import ACTION, SCRIPTS, WORKFLOWS, Programs, load, needs_checkout, steps

pytestmark = needs_checkout

SHELL = [*sorted(SCRIPTS.glob("*.sh")), *CHECKOUT.glob(".ci/run")]
FILES = [*WORKFLOWS, *([ACTION] if ACTION.exists() else [])]


def shellcheck(*arguments: str, text: str | None = None) -> None:
    program = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scripts_have_no_finding_and_can_be_run() -> None:
    for path in SHELL:
        assert path.stat().st_mode & 0o111, path.name
        assert "\nset -euo pipefail\n" in path.read_text(encoding="utf-8"), path.name
    shellcheck(*map(str, SHELL))


def test_what_stands_in_yaml_is_one_command_without_logic_or_interpolation() -> None:
    """Longer texts and decisions belong into a script, where tests and shellcheck see them.

    But for one: the action is Python, so whether there is one has to be found out before. test_entry.py runs that.
    """
    guard = re.compile(r'if ! python3 -IBc ""; then\n.*?\nfi\n', re.DOTALL)
    for path in FILES:
        for step in steps(path):
            written = step.get("run", "")
            line = (guard.sub("", written) if path == ACTION else written).strip()
            assert "\n" not in line, f"{path.name}: {line}"
            assert not any(word in line for word in ("${{", "&&", "||", ";", " | ")), f"{path.name}: {line}"
    # actionlint looks into those of workflows; no linter looks into those of a composite action
    lines = [step["run"] for path in FILES for step in steps(path) if "run" in step]
    shellcheck("--shell=bash", "-", text="\n".join(lines) + "\n")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_starts_with_no_permission_and_keeps_no_credentials(path: Path) -> None:
    document = load(path)
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        assert "permissions" in job, name
        assert "timeout-minutes" in job or "uses" in job, name
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_the_sandbox_gets_its_faults_and_is_waited_for(programs: Programs, tmp_path: Path) -> None:
    programs.add("docker")
    programs.add("curl")
    done = programs.run("sandbox.sh", cwd=tmp_path, FAULTS="rate-limit:search:after=1 slow:videos")
    assert done.returncode == 0, done.stderr
    build, start, wait = programs.calls
    assert build == "docker build --quiet --tag pleiades-maia:latest ."
    faults = "--fault rate-limit:search:after=1 --fault slow:videos"
    assert start.endswith(f"maia sandbox --port 8080 --videos 20000 {faults}")
    assert "--retry-connrefused" in wait
    programs.add("curl", "exit 7")  # one that does not start shows its log
    assert programs.run("sandbox.sh", cwd=tmp_path).returncode == 1
    assert programs.calls[-1] == "docker logs youtube-sandbox"


@pytest.mark.parametrize(("left", "code"), [("", 0), ("maia-1 (Exited)\\nmaia-2 (Up)", 1)])
def test_a_container_that_stayed_is_found(programs: Programs, tmp_path: Path, left: str, code: int) -> None:
    programs.add("docker", f"printf '{left}'")
    done = programs.run("no-containers.sh", cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == ("::error title=A container stayed::maia-1 (Exited), maia-2 (Up)\n" if code else "")


def test_the_tools_are_put_on_path(programs: Programs, tmp_path: Path) -> None:
    programs.add("go", 'case "$*" in "env GOPATH") echo /go ;; esac')
    done = programs.run("go-tools.sh", "act", "actionlint", cwd=tmp_path, GITHUB_PATH=str(tmp_path / "path"))
    assert done.stdout == "/go/bin\n"
    assert (tmp_path / "path").read_text() == "/go/bin\n"
    installed = ["nektos/act", "rhysd/actionlint/cmd/actionlint"]
    assert [call.split("@")[0] for call in programs.calls[:2]] == [
        f"go install github.com/{name}" for name in installed
    ]
    calls = programs.calls
    assert programs.run("go-tools.sh", "jq", cwd=tmp_path).returncode == 2, "a tool that is not known"
    assert programs.calls == calls


@pytest.mark.parametrize(("built", "code"), [("1.2.3", 0), ("1.2.4", 1)])
def test_the_packages_are_those_of_the_version(programs: Programs, tmp_path: Path, built: str, code: int) -> None:
    programs.add("git", "echo 1700000000")
    files = f"dist/pleiades_maia-{built}.tar.gz dist/pleiades_maia-{built}-py3-none-any.whl"
    programs.add("python", f'test "$SOURCE_DATE_EPOCH" = 1700000000 && mkdir dist && touch {files}')
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(programs.bin)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "of-an-earlier-build.whl").touch()
    done = programs.run("packages.sh", "1.2.3", cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("::error title=Unexpected packages::" in done.stdout) == bool(code)
