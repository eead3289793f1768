"""Read a chart as Mermaid does: a strict form of its grammar of `xychart-beta`, with quoted words alone."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Drawn", "charts", "drawn"]

_WORD = r'"[^"`\[\]#;|<>\n]+"'
_NUMBER = r"\d+(?:\.\d+)?"
_CHART = re.compile(
    rf"```mermaid\nxychart-beta\n    title (?P<title>{_WORD})\n    x-axis \[(?P<labels>{_WORD}(?:, {_WORD})*)\]\n"
    rf"    y-axis {_WORD} 0 --> (?P<end>{_NUMBER})\n    bar \[(?P<values>{_NUMBER}(?:, {_NUMBER})*)\]\n```\n"
)


class Drawn(NamedTuple):
    """One chart of bars."""

    title: str
    labels: list[str]
    end: float
    values: list[float]


def drawn(text: str) -> Drawn:
    """Return the chart that this text is."""
    match = _CHART.fullmatch(text)
    assert match, f"Mermaid does not draw this:\n{text}"
    labels, values = match["labels"].split(", "), [float(value) for value in match["values"].split(", ")]
    assert len(labels) == len(values)
    assert max(values) <= float(match["end"]) > 0
    return Drawn(match["title"].strip('"'), [label.strip('"') for label in labels], float(match["end"]), values)


def charts(summary: str) -> list[Drawn]:
    """Return every chart of a summary; each block of Mermaid has to be one."""
    found = [drawn(block) for block in re.findall(r"^```mermaid\n.*?^```\n", summary, re.DOTALL | re.MULTILINE)]
    assert summary.count("```mermaid") == len(found)
    return found
