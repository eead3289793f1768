"""compare_benchmarks.py and benchmarks.sh: what CI says of two runs of the benchmarks."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ...support.workflow_files import SCRIPTS, Programs, load, needs_checkout

benchmarks_lines = pytest.importorskip("harness.benchmarks.lines", reason="the benchmarks are part of the checkout")
Goal, Line, write_json = benchmarks_lines.Goal, benchmarks_lines.Line, benchmarks_lines.write_json

pytestmark = needs_checkout

TRACKER = Line(1, "Tracker | videos", 800.0, "videos/s", "bare loop", 1000.0, 0.8, Goal.at_least(0.8), 0.02)
CLAIM = Line(3, "claim, p50", 1.2, "ms", "ms out of 10,000", 1.0, 1.2, Goal.at_most(1.5))
SIZE = Line(10, "image", 296.0, "MB", "the base", 177.0, 1.67)


@pytest.fixture(scope="module")
def compare(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("compare_benchmarks")


@pytest.fixture
def run(
    compare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str, str]]:
    """Writes two files as the benchmarks do, and compares them: stdout, the summary, the outputs."""

    def call(before: list[Any], after: list[Any]) -> tuple[str, str, str]:
        for name, lines in (("before", before), ("after", after)):
            write_json(tmp_path / f"{name}.json", {"cores": 2}, lines)
        summary, outputs = tmp_path / "summary", tmp_path / "outputs"
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
        compare.main([str(tmp_path / "before.json"), str(tmp_path / "after.json"), "--name", "v1.0.0"])
        return capsys.readouterr().out, summary.read_text(), outputs.read_text()

    return call


def test_equal_runs_have_nothing_to_say(run: Callable[..., tuple[str, str, str]]) -> None:
    shown, summary, outputs = run([TRACKER, CLAIM, SIZE], [TRACKER, CLAIM, SIZE])
    assert shown == summary
    assert "No ratio is worse by more than 20%." in shown
    assert "| 1 | Tracker \\| videos | 0.80 | 0.80 | +0% |" in shown
    assert "image" not in shown, "it has no goal"
    assert outputs == "fell=false\n"


@pytest.mark.parametrize(
    ("line", "judged", "fallen"),
    [
        (TRACKER, 0.65, False), (TRACKER, 0.63, True), (TRACKER, 5.0, False),
        (CLAIM, 1.43, False), (CLAIM, 1.45, True), (CLAIM, 0.1, False),
    ],
)  # fmt: skip
def test_a_ratio_that_is_worse_by_a_fifth_is_marked(
    run: Callable[..., tuple[str, str, str]], line: Any, judged: float, fallen: bool
) -> None:
    shown, _, outputs = run([line], [replace(line, judged=judged)])
    assert ("**One ratio is worse by more than 20%.**" in shown) == fallen
    assert bool(re.search(r"\| \*\*[+-]\d+%\*\* \|", shown)) == fallen
    if fallen:
        found = re.fullmatch(r"fell=true\nreport<<(end-\S+)\n(.*)\1\n", outputs, re.DOTALL)
        assert found is not None
        assert found[2] == shown
    else:
        assert outputs == "fell=false\n"


def test_what_only_one_has_is_named(run: Callable[..., tuple[str, str, str]]) -> None:
    shown, _, outputs = run([TRACKER], [CLAIM])
    assert "Only here: 3, claim, p50." in shown
    assert "Only in v1.0.0: 1, Tracker \\| videos." in shown
    assert outputs == "fell=false\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is not there: the benchmarks have not run"),
        ("", "is no JSON"),
        ('{"lines": [', "is no JSON"),
        ("[]", "does not look like a file of the benchmarks"),
        ('{"lines": [{"number": 1}]}', "does not look like a file of the benchmarks: KeyError('what')"),
        (
            '{"lines": [{"number": 1, "what": "x", "judged": NaN, "goal": {"least": 1, "most": null}}]}',
            "a ratio of nan",
        ),
        (
            '{"lines": [{"number": 1, "what": "x", "judged": "fast", "goal": {"least": 1, "most": null}}]}',
            "does not look like a file of the benchmarks",
        ),
        (b"\xff\xfe\x00", "is no JSON"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_said_in_a_line(
    compare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | bytes | None, why: str
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write_json(good, {}, [TRACKER])
    if text is not None:
        bad.write_bytes(text if isinstance(text, bytes) else text.encode())
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(SystemExit) as ended:
            compare.main([str(path) for path in pair])
        assert ended.value.code == 1
        said = capsys.readouterr().out
        assert said.startswith("::error title=The benchmarks cannot be compared::")
        assert why in said
        assert said.count("\n") == 1


# ── benchmarks.sh ───────────────────────────────────────────────────────────────────────────────────────────────────


def clone(folder: Path, *tags: str) -> Path:
    """A repository with a commit for each tag, and one that has none."""
    folder.mkdir()

    def git(*words: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    (folder / ".github").mkdir()
    (folder / ".github" / "scripts").symlink_to(SCRIPTS)
    for tag in (*tags, None):
        git("commit", "--allow-empty", "--message", str(tag))
        if tag is not None:
            git("tag", tag)
    return folder


MEASURE = """
for word; do case $word in BENCH_OPTIONS=*) file=${word##* } ;; esac; done
test ! -e "$RUNNER_TEMP/broken" && cp "$RUNNER_TEMP/measured" "$file"
exit ${MISSED:-0}
"""


def bench(programs: Programs, tmp_path: Path, *tags: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs it where `make bench` gives what it is given."""
    write_json(tmp_path / "measured", {}, [TRACKER])
    programs.add("make", MEASURE)
    (tmp_path / "summary").touch()
    return programs.run(
        "benchmarks.sh", "1,2", cwd=clone(tmp_path / "clone", *tags), RUNNER_TEMP=str(tmp_path),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"), GITHUB_OUTPUT=str(tmp_path / "outputs"), **more,
    )  # fmt: skip


def test_before_the_first_release_there_is_nothing_to_compare_with(programs: Programs, tmp_path: Path) -> None:
    done = bench(programs, tmp_path, "v1", "nightly")
    assert done.returncode == 0, done.stderr
    assert "Nothing is released yet" in (tmp_path / "summary").read_text()
    assert len(programs.calls) == 1, "it is measured all the same"


@pytest.mark.parametrize("missed", ["0", "2"])
def test_the_newest_release_is_measured_and_compared(programs: Programs, tmp_path: Path, missed: str) -> None:
    done = bench(programs, tmp_path, "v1.9.0", "v1.10.0", "v1.2.0", "v1", "v1.11.0-rc.1", MISSED=missed)
    assert done.returncode == 0, done.stderr
    here, released = programs.calls
    assert "-C . " in here
    assert "--rows 1,2 --json" in here
    assert "v1.10.0 " in released
    assert "### Benchmarks beside v1.10.0" in (tmp_path / "summary").read_text()
    assert (tmp_path / "outputs").read_text() == "fell=false\n"


def test_benchmarks_that_break_fail_the_job(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    assert bench(programs, tmp_path, "v1.0.0", MISSED="2").returncode != 0


def test_ci_measures_rows_that_there_are() -> None:
    steps = load(SCRIPTS.parent / "workflows" / "ci.yml")["jobs"]["benchmarks"]["steps"]
    (command,) = (step["run"] for step in steps if "benchmarks.sh" in step.get("run", ""))
    main = (SCRIPTS.parents[1] / "harness" / "benchmarks" / "__main__.py").read_text(encoding="utf-8")
    for row in command.split()[1].split(","):
        assert re.search(rf"\b{row}: \"", main), row
    assert json.loads(f"[{command.split()[1]}]"), "numbers"
