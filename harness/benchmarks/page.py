"""``python -m harness.benchmarks.page FILE...``: puts what `make bench` and `make bench-long` wrote (``--json``)
into the docs.

``docs/performance.json`` keeps the figures, row by row; ``docs/performance.md`` shows them between two marks. Rows that
the files do not hold stay as they are.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.benchmarks.lines import cells

__all__ = ["FIGURES", "PAGE", "merged", "shown", "written"]

_DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES, PAGE = _DOCS / "performance.json", _DOCS / "performance.md"
_BLOCK = re.compile(r"(<!-- figures: of docs/performance\.json -->\n).*?(\n<!-- /figures -->)", re.DOTALL)
_LONG = {"samples", "looks"}
"""Details of every second: too many to keep."""

Figures = dict[str, Any]
"""What ``harness.benchmarks.lines.write_json`` writes: ``machine`` and ``lines``. Kept, each line has its own
``machine``."""


def merged(before: Figures, files: Sequence[Figures]) -> Figures:
    """The figures with those rows replaced that the files hold; each line says on what machine it was measured.

    Raises ValueError for the figures of a quick run.
    """
    lines = list(before.get("lines", []))
    for file in files:
        if file["machine"].get("quick"):
            raise ValueError("a quick run shows that all works, and nothing about speed: leave --quick out")
        measured = {line["number"] for line in file["lines"]}
        lines = [line for line in lines if line["number"] not in measured]
        for line in file["lines"]:
            details = {name: value for name, value in line["details"].items() if name not in _LONG}
            lines.append({**line, "details": details, "machine": file["machine"]})
    return {"lines": sorted(lines, key=lambda line: line["number"])}  # stable: as they were measured


def shown(figures: Figures) -> str:
    """The table in Markdown, and the machine."""
    rows = ["| # | what | figure | beside it | ratio | goal | | noise |", "|---|---|---|---|---|---|---|---|"]
    rows += [_row(line) for line in figures["lines"]]
    about = {_machine(line["machine"]) for line in figures["lines"]}
    return "\n".join([*rows, "", *sorted(about)])


def _row(line: Mapping[str, Any]) -> str:
    return "|" + "".join(f" {cell.replace('|', ' ')} |" if cell else " |" for cell in cells(line))


def _machine(of: Mapping[str, Any]) -> str:
    return f"{of['cores']} cores, {of['memory_mib']:,} MiB, {of['system']}, Python {of['python']}."


def written(page: str, figures: Figures) -> str:
    """The page with this table between its marks."""
    found, times = _BLOCK.subn(lambda marks: f"{marks[1]}{shown(figures)}{marks[2]}", page)
    if times != 1:
        raise ValueError(f"the page has {times} places for the table instead of one")
    return found


def _main(files: Sequence[Path]) -> None:
    before = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures = merged(before, [json.loads(file.read_text()) for file in files])
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text(written(PAGE.read_text(), figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.page", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _main(parser.parse_args().files)
