"""The page of performance is what the benchmarks wrote, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from harness.benchmarks.lines import Goal, Line, write_json
from harness.benchmarks.page import FIGURES, PAGE, Figures, merged, written

MACHINE = {"cores": 2, "memory_mib": 7_950, "system": "Linux x86_64", "python": "3.11.7", "load": [0.1, 0.2, 0.3]}
MARKS = "before\n<!-- figures: of docs/performance.json -->\nold\n<!-- /figures -->\nafter\n"


def file(folder: Path, *lines: Line) -> Figures:
    write_json(folder / "figures.json", MACHINE, lines)
    found: Figures = json.loads((folder / "figures.json").read_text())
    return found


def test_the_page_shows_the_figures_that_are_kept_of_every_row() -> None:
    figures = json.loads(FIGURES.read_text())
    assert written(PAGE.read_text(), figures) == PAGE.read_text()
    assert {line["number"] for line in figures["lines"]} == set(range(1, 14))


def test_a_row_measured_again_replaces_all_its_lines(tmp_path: Path) -> None:
    first = file(tmp_path, Line(1, "one", 1, "s"), Line(1, "two", 2, "s"), Line(3, "three", 3, "s"))
    again = file(tmp_path, Line(1, "one", 4, "s", details={"samples": [1, 2], "runs": [4]}))
    figures = merged(merged({}, [first]), [again])
    assert [(line["what"], line["figure"]) for line in figures["lines"]] == [("one", 4), ("three", 3)]
    assert figures["lines"][0]["details"] == {"runs": [4]}


def test_a_line_says_what_it_is_compared_with_and_if_its_goal_is_met(tmp_path: Path) -> None:
    lines = [
        Line(1, "fast | enough", 12_345.6, "videos/s", "by hand", 15_000, 0.823, Goal.at_least(0.8), 0.04),
        Line(2, "too slow", 1.234, "s", "bare", None, 3.0, Goal.at_most(2, " s")),
        Line(12, "only stated", 12.34, "MB"),
    ]
    page = written(MARKS, merged({}, [file(tmp_path, *lines)]))
    assert page.startswith("before\n<!-- figures: of docs/performance.json -->\n| # |")
    assert page.endswith("\n<!-- /figures -->\nafter\n")
    assert "| 1 | fast   enough | 12,346 videos/s | 15,000 by hand | 0.82 | ≥ 0.8 | met | ±4% |" in page
    assert "| 2 | too slow | 1.23 s | bare | 3.00 | ≤ 2 s | NOT MET | |" in page
    assert "| 12 | only stated | 12.3 MB | | | stated | | |" in page
    assert "2 cores, 7,950 MiB, Linux x86_64, Python 3.11.7." in page


def test_a_page_without_one_place_for_the_table_and_a_quick_run_are_refused() -> None:
    for page in ("no marks", MARKS * 2):
        with pytest.raises(ValueError, match="places for the table"):
            written(page, merged({}, []))
    with pytest.raises(ValueError, match="leave --quick out"):
        merged({}, [{"machine": MACHINE | {"quick": True}, "lines": []}])
