"""compare_benchmarks.py and benchmarks.sh: what CI says of two runs of the benchmarks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ...support.release_clones import git
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
) -> Callable[..., tuple[str, str]]:
    """Writes two files as the benchmarks do, and compares them: stdout, which is the summary, and the outputs."""

    def call(before: list[Any], after: list[Any]) -> tuple[str, str]:
        for name, lines in (("before", before), ("after", after)):
            write_json(tmp_path / f"{name}.json", {"cores": 2}, lines)
        summary, outputs = tmp_path / "summary", tmp_path / "outputs"
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
        compare.main([str(tmp_path / "before.json"), str(tmp_path / "after.json"), "--name", "v1.0.0"])
        shown = capsys.readouterr().out
        assert shown == summary.read_text()
        return shown, outputs.read_text()

    return call


def test_equal_runs_have_nothing_to_say(run: Callable[..., tuple[str, str]]) -> None:
    shown, outputs = run([TRACKER, CLAIM, SIZE], [TRACKER, CLAIM, SIZE])
    assert "No ratio is worse by more than 20%." in shown
    assert "| 1 | Tracker \\| videos | 0.80 | 0.80 | +0% |" in shown
    assert "image" not in shown, "it has no goal"
    assert outputs == "fell=false\n"


def test_what_only_one_has_is_named(run: Callable[..., tuple[str, str]]) -> None:
    shown, outputs = run([TRACKER], [CLAIM])
    assert "Only here: 3, claim, p50." in shown
    assert "Only in v1.0.0: 1, Tracker \\| videos." in shown
    assert outputs == "fell=false\n"


@pytest.mark.parametrize(
    ("line", "judged", "fallen"),
    [
        (TRACKER, 0.65, False), (TRACKER, 0.63, True), (TRACKER, 5.0, False),
        (CLAIM, 1.43, False), (CLAIM, 1.45, True), (CLAIM, 0.1, False),
    ],
)  # fmt: skip
def test_a_ratio_that_is_worse_by_a_fifth_is_marked(
    run: Callable[..., tuple[str, str]], line: Any, judged: float, fallen: bool
) -> None:
    shown, outputs = run([line], [replace(line, judged=judged)])
    assert ("**One ratio is worse by more than 20%.**" in shown) == fallen
    assert bool(re.search(r"\| \*\*[+-]\d+%\*\* \|", shown)) == fallen
    if fallen:
        found = re.fullmatch(r"fell=true\nreport<<(end-\S+)\n(.*)\1\n", outputs, re.DOTALL)
        assert found is not None
        assert found[2] == shown
    else:
        assert outputs == "fell=false\n"


LINE = '{"lines": [{"number": 1, "what": "x", "judged": %s, "goal": {"least": 1, "most": null}}]}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "is not there: the benchmarks have not run"),
        ("", "is no JSON"),
        ('{"lines": [', "is no JSON"),
        ("\xff\xfe\x00", "is no JSON"),
        ("[]", "does not look like a file of the benchmarks"),
        ('{"lines": [{"number": 1}]}', "does not look like a file of the benchmarks: KeyError('what')"),
        (LINE % "NaN", "a ratio of nan"),
        (LINE % '"fast"', "does not look like a file of the benchmarks"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named_in_a_line(
    compare: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write_json(good, {}, [TRACKER])
    if text is not None:
        bad.write_bytes(text.encode("latin-1"))
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(SystemExit) as ended:
            compare.main([str(path) for path in pair])
        assert ended.value.code == 1
        printed = capsys.readouterr().out
        assert printed.startswith("::error title=The benchmarks cannot be compared::")
        assert why in printed
        assert printed.count("\n") == 1


MEASURE = """
for word; do case $word in BENCH_OPTIONS=*) file=${word##* } ;; esac; done
test ! -e "$RUNNER_TEMP/broken" && cp "$RUNNER_TEMP/measured" "$file"
exit ${MISSED:-0}
"""


@pytest.mark.parametrize(
    ("tags", "how", "released"),
    [
        pytest.param(["v1", "nightly"], "", None, id="before the first release"),
        pytest.param(["v1.9.0", "v1.10.0", "v1.2.0", "v1", "v1.11.0-rc.1"], "", "v1.10.0", id="the newest release"),
        pytest.param(["v1.10.0", "v1.9.0"], "missed", "v1.10.0", id="a missed goal"),
        pytest.param(["v1.0.0"], "broken", "v1.0.0", id="broken"),
    ],
)
def test_benchmarks_sh_measures_and_compares_with_the_newest_release(
    programs: Programs, tmp_path: Path, tags: list[str], how: str, released: str | None
) -> None:
    """Where `make bench` gives what it is given, in a repository with a commit for each tag, and one that has none."""
    write_json(tmp_path / "measured", {}, [TRACKER])
    programs.add("make", MEASURE)
    clone, summary, outputs = tmp_path / "clone", tmp_path / "summary", tmp_path / "outputs"
    summary.touch()
    (clone / ".github").mkdir(parents=True)
    (clone / ".github" / "scripts").symlink_to(SCRIPTS)
    git(clone, "init", "--quiet", "--initial-branch", "main")
    for tag in (*tags, ""):
        git(clone, "commit", "--quiet", "--allow-empty", "--message=x")
        if tag:
            git(clone, "tag", tag)
    if how == "broken":
        (tmp_path / "broken").touch()
    done = programs.run(
        "benchmarks.sh", "1,2", cwd=clone, RUNNER_TEMP=str(tmp_path), GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_OUTPUT=str(outputs), MISSED="2" if how else "0",
    )  # fmt: skip
    assert (done.returncode == 0) is (how != "broken"), done.stderr
    if how == "broken":
        return
    here, *others = programs.calls
    assert "-C . " in here
    assert "--rows 1,2 --json" in here
    assert [f"{released} " in call for call in others] == ([True] if released else [])
    assert (f"### Benchmarks beside {released}" if released else "Nothing is released yet") in summary.read_text()
    assert not released or outputs.read_text() == "fell=false\n"


def test_ci_measures_rows_that_there_are() -> None:
    steps = load(SCRIPTS.parent / "workflows" / "ci.yml")["jobs"]["benchmarks"]["steps"]
    (command,) = (step["run"] for step in steps if "benchmarks.sh" in step.get("run", ""))
    main = (SCRIPTS.parents[1] / "harness" / "benchmarks" / "__main__.py").read_text(encoding="utf-8")
    for row in command.split()[1].split(","):
        assert row.isdigit()
        assert re.search(rf"\b{row}: \"", main), row
