"""What an installation is made of: audited by CI, listed by a release; and what a stranger's pull request may see."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from ...support.documents import CHECKOUT
from ...support.workflow_files import SCRIPTS, WORKFLOWS, load, needs_checkout, steps

pytestmark = needs_checkout

LOCKS = ("requirements.txt", "requirements-build.txt")


def locked(name: str) -> dict[str, str]:
    """Package → version, of every line of a lock file, whatever system it is for."""
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    found = dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[[^\]]+\])?==([^\s;]+)", text, re.MULTILINE))
    assert len(found) == len(re.findall(r"^[^\s#-]", text, re.MULTILINE))
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with what the scripts read, and this environment as its .venv."""
    for name in LOCKS:
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program in ("pip-audit", "cyclonedx-py"):
        there = Path(sys.executable).parent / program
        if not there.exists():
            pytest.skip(f"{program} is not installed here")
        (tmp_path / ".venv" / "bin" / program).symlink_to(there)
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=tmp_path, check=True)
    return tmp_path


def run(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPTS / script), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_list_of_a_release_names_every_locked_package_with_its_hashes(copy: Path) -> None:
    done = run("sbom.sh", "1.2.3", folder=copy)
    assert done.returncode == 0, done.stderr
    (file,) = (copy / "sbom").iterdir()
    assert file.name == "pleiades_maia-1.2.3.cdx.json"
    text = file.read_text()
    found = json.loads(text)
    assert found["bomFormat"] == "CycloneDX"
    parts = {part["name"]: part for part in found["components"]}
    assert {name: part["version"] for name, part in parts.items()} == locked("requirements.txt")
    for part in parts.values():
        assert any(one["hashes"] for one in part["externalReferences"]), part["name"]
    # the same commit gives the same file: its times are the commit's, and it has no identifier of its own
    git = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=copy, capture_output=True, check=True)
    times = re.findall(r"\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?(?:Z|\+00:00)", text)
    assert {datetime.fromisoformat(time).timestamp() for time in times} == {int(git.stdout)}
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-", text)


def test_the_audit_looks_at_every_package_that_is_locked_and_takes_none_without_a_hash(copy: Path) -> None:
    done = run("audit.sh", "--dry-run", folder=copy)
    assert done.returncode == 0, done.stderr
    number = re.search(r"would have audited (\d+) packages", done.stderr + done.stdout)
    assert number is not None
    # some are for other systems or Pythons than this one
    wanted = {name for lock in LOCKS for name in locked(lock)}
    assert len(wanted) * 0.9 <= int(number[1]) <= len(wanted)
    with (copy / "requirements.txt").open("a") as file:
        file.write("unhashed==1.0\n")
    assert run("audit.sh", "--dry-run", folder=copy).returncode != 0


def test_ci_audits_and_a_release_lists_signs_and_publishes_it() -> None:
    workflows = {path.name: path for path in WORKFLOWS}
    assert ".github/scripts/audit.sh" in [step.get("run") for step in steps(workflows["ci.yml"])]
    jobs = load(workflows["release.yml"])["jobs"]
    assert '.github/scripts/sbom.sh "$VERSION"' in [step.get("run") for step in jobs["packages"]["steps"]]
    for job in ("sign", "release"):
        assert "sbom" in [step.get("with", {}).get("name") for step in jobs[job]["steps"]], job
    assert "sbom" not in [step.get("with", {}).get("name") for step in jobs["pypi"]["steps"]], "it is no package"
    subjects = [step["with"].get("subject-path", "") for step in jobs["sign"]["steps"] if "with" in step]
    assert "dist/*\nsbom/*\n" in subjects


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_fork_can_start_sees_no_secret_and_may_write_nothing(path: Path) -> None:
    """Its own code runs by `pull_request` alone, which GitHub gives neither secrets nor a token that may write."""
    text = path.read_text(encoding="utf-8")
    started = yaml.load(text, Loader=yaml.BaseLoader)["on"]
    started = {started} if isinstance(started, str) else set(started)
    # report.yml refuses what a pull request started, and runs nothing of it: test_report_and_watch.py
    allowed = {"workflow_run"} if path.name == "report.yml" else set()
    assert started & {
        "pull_request_target", "workflow_run", "issue_comment", "issues", "discussion", "discussion_comment",
    } == allowed  # fmt: skip
    assert "toJSON(secrets)" not in text, "no job gets the whole of the secrets"
    assert "secrets: inherit" not in text
    if "pull_request" in started:
        assert not re.search(r"\bsecrets\b|id-token|GITHUB_TOKEN", text)
        for name, job in load(path)["jobs"].items():
            assert "self-hosted" not in str(job["runs-on"]), name
            if name != "comment":
                assert job["permissions"] == {"contents": "read"}, name
                assert "github.token" not in str(job), name


def test_what_may_write_on_a_pull_request_runs_no_code_of_it() -> None:
    """The one job that a pull request starts with more than the right to read: it has no checkout and no action."""
    job = load(SCRIPTS.parent / "workflows" / "ci.yml")["jobs"]["comment"]
    assert job["permissions"] == {"pull-requests": "write"}
    (step,) = job["steps"]
    assert step["run"] == 'gh pr comment "$NUMBER" --body "$REPORT"'
    assert "uses" not in step
    assert "github.event.pull_request.head.repo.full_name == github.repository" in step["if"], "not for a fork"


def test_text_of_a_pull_request_stands_in_no_command() -> None:
    """Titles, branches and messages are the stranger's: in a command they would be a command."""
    foreign = re.compile(r"github\.(event\.(?!inputs)|head_ref)")
    for path in WORKFLOWS:
        for step in steps(path):
            assert not foreign.search(step.get("run", "")), path.name
