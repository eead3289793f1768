"""``python -m harness.benchmarks.page FILE...``: puts the figures of `make bench` and `make bench-long` into the docs.

``docs/performance.json`` keeps them, row by row; ``docs/performance.md`` shows them between two marks. Rows that the
files (``--json``) do not have stay as they are.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.benchmarks.lines import cells

_DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES, PAGE = _DOCS / "performance.json", _DOCS / "performance.md"
_BLOCK = re.compile(r"(<!-- figures: of docs/performance\.json -->\n).*?(\n<!-- /figures -->)", re.DOTALL)
_LONG = {"samples", "looks"}  # details of every second: too many to keep

_FILE_ALONE = re.compile(r"image: |.*: CPU of its process")
"""Lines that the page does not show: the parts of the image, and what a speed costs."""
_SIZES = re.compile(r" \((workers|concurrency)\b[^)]*\)")
"""How the programs of row 4 were set, which only the file keeps."""

Figures = dict[str, Any]
"""As ``write_json`` writes them: ``machine`` and ``lines``. In the docs, each line has its own ``machine``."""


def merged(before: Figures, files: Sequence[Figures]) -> Figures:
    """Replace the rows that the files have. Raises ValueError for the figures of a quick run."""
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
    """Return the table in Markdown, and the machine."""
    rows = ["| # | what | figure | compared with | ratio | goal | | noise |", "|---|---|---|---|---|---|---|---|"]
    rows += [_row(line) for line in figures["lines"] if not _FILE_ALONE.match(line["what"])]
    about = {_machine(line["machine"]) for line in figures["lines"]}
    return "\n".join([*rows, "", *sorted(about)])


def _row(line: Mapping[str, Any]) -> str:
    shown = (_SIZES.sub("", cell).replace("|", " ") for cell in cells(line))
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in shown)


def _machine(of: Mapping[str, Any]) -> str:
    return f"{of['cores']} cores, {of['memory_mib']:,} MiB, {of['system']}, Python {of['python']}."


def written(page: str, figures: Figures) -> str:
    """Return the page with this table between its marks."""
    found, times = _BLOCK.subn(lambda marks: f"{marks[1]}{shown(figures)}{marks[2]}", page)
    if times != 1:
        raise ValueError(f"the page has {times} places for the table instead of one")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.page", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    figures = [json.loads(file.read_text()) for file in parser.parse_args().files]
    kept = merged(json.loads(FIGURES.read_text()), figures)
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    PAGE.write_text(written(PAGE.read_text(), kept))
