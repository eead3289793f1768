"""The table: a line for each figure, with its limit or peer and whether its goal is met; and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from harness.driver.screen import table


@dataclass(frozen=True)
class Goal:
    """The bound of a figure or its ratio, and how it is shown, such as ``≥ 0.80``."""

    text: str
    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool | None:
        """Return whether a value meets it; None if the figure is only stated."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @classmethod
    def at_least(cls, bound: float) -> Goal:
        return cls(f"≥ {bound:g}", least=bound)

    @classmethod
    def at_most(cls, bound: float, unit: str = "") -> Goal:
        return cls(f"≤ {bound:g}{unit}", most=bound)


STATED = Goal("stated")


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        number: of its row.
        what: is measured, such as ``claim of 50 out of 1,000,000, p50``.
        figure: None: it could not be measured, and ``what`` says why.
        beside, limit: the limit or peer, and its figure in the same unit.
        judged: the value that has the goal, mostly ``figure / limit``; None: nothing has.
        noise: of the runs of the figure (see Series.noise); None: one run alone.
        details: for the JSON, such as the runs.
    """

    number: int
    what: str
    figure: float | None
    unit: str
    beside: str = ""
    limit: float | None = None
    judged: float | None = None
    goal: Goal = STATED
    noise: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        return None if self.judged is None else self.goal.met(self.judged)


def _rounded(value: float | None) -> str:
    """Show three digits, and separate thousands."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


_MET = {True: "met", False: "NOT MET", None: ""}


def _record(line: Line) -> dict[str, Any]:
    return asdict(line) | {"met": line.met}


def cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a line of the JSON: row, what, figure, limit or peer, ratio, goal, met or not, noise."""
    limit, judged, noise = record["limit"], record["judged"], record["noise"]
    return (
        str(record["number"]), record["what"], f"{_rounded(record['figure'])} {record['unit']}",
        record["beside"] if limit is None else f"{_rounded(limit)} {record['beside']}",
        "" if judged is None else f"{judged:.2f}", record["goal"]["text"], _MET[record["met"]],
        "" if noise is None else f"±{noise:.0%}",
    )  # fmt: skip


def as_table(lines: Sequence[Line]) -> Table:
    columns = ("", "what", "figure", "compared with", "ratio", "goal", "", "noise")
    return table(*columns, rows=(cells(_record(line)) for line in lines))


def write_json(path: Path, machine: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Write all of it, with what the table leaves out."""
    path.write_text(json.dumps({"machine": dict(machine), "lines": [_record(line) for line in lines]}, indent=1) + "\n")
