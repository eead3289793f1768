"""Compares two runs of the benchmarks: how far each ratio to its limit has moved.

    compare_benchmarks.py BEFORE AFTER [--name NAME]    two files of `python -m harness.benchmarks --json`; NAME of
    the first

Prints Markdown, also into GITHUB_STEP_SUMMARY. A ratio has fallen where it is worse by more than a fifth: smaller where
its goal is a least, larger where it is a most. The outputs are `fell` (true or false) and, where one has, `report`.
Each ratio stands beside a limit of the same run, so the two may come from different machines; a fall fails nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FALL = 0.2

Key = tuple[int, str]
"""A line's row and what it measures."""


class Damaged(Exception):
    """A file cannot be compared; the message says which and why."""


class Ratio(NamedTuple):
    """What is judged of a line, and whether more of it is better."""

    value: float
    grows: bool


def read(path: Path) -> dict[Key, Ratio]:
    """The lines of a file whose ratio has a goal. Raises Damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Damaged(f"{path} is not there: the benchmarks have not run, or ended before their first row") from None
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Damaged(f"{path} is no JSON: {error}") from None
    try:
        lines = {(int(line["number"]), str(line["what"])): _ratio(line) for line in found["lines"]}
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{path} does not look like a file of the benchmarks: {error!r}") from None
    return {key: ratio for key, ratio in lines.items() if ratio is not None}


def _ratio(line: Mapping[str, Any]) -> Ratio | None:
    judged, goal = line["judged"], line["goal"]
    if judged is None or (goal["least"] is None and goal["most"] is None):
        return None
    if isinstance(judged, bool) or not math.isfinite(judged):
        raise ValueError(f"a ratio of {judged}")
    return Ratio(float(judged), grows=goal["least"] is not None)


def change(before: Ratio, after: Ratio) -> float | None:
    """How far it has moved, as a share of what it was; None where it was nothing."""
    return None if before.value <= 0 else after.value / before.value - 1


def fell(before: Ratio, after: Ratio) -> bool:
    """Whether it is worse by more than a fifth."""
    moved = change(before, after)
    return moved is not None and (moved < -FALL if after.grows else moved > FALL)


def report(before: Mapping[Key, Ratio], after: Mapping[Key, Ratio], name: str) -> str:
    """Markdown: a table of what both have, and what only one has."""
    both = sorted(before.keys() & after.keys())
    fallen = [key for key in both if fell(before[key], after[key])]
    lines = [f"### Benchmarks beside {name}", ""]
    if fallen:
        ratios = "one ratio is" if len(fallen) == 1 else f"{len(fallen)} ratios are"
        lines.append(f"**{ratios.capitalize()} worse by more than {FALL:.0%}.**")
    else:
        lines.append(f"No ratio is worse by more than {FALL:.0%}.")
    if both:
        lines += ["", f"| row | what | {name} | here | change |", "|---|---|---|---|---|"]
    for key in both:
        moved = change(before[key], after[key])
        shown = "" if moved is None else f"{moved:+.0%}"
        mark = f"**{shown}**" if key in fallen else shown
        lines.append(f"| {key[0]} | {_cell(key[1])} | {before[key].value:.2f} | {after[key].value:.2f} | {mark} |")
    for title, keys in (("Only here", after.keys() - before.keys()), (f"Only in {name}", before.keys() - after.keys())):
        if keys:
            lines += ["", f"{title}: {'; '.join(f'{row}, {_cell(what)}' for row, what in sorted(keys))}."]
    lines += ["", "A ratio is to the limit that was measured in the same run."]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """On one line, and within its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def write_outputs(text: str, *, fallen: bool) -> None:
    """For the runner, where there is one."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    if output := os.environ.get("GITHUB_OUTPUT"):
        end = f"end-{uuid.uuid4()}"
        more = f"report<<{end}\n{text}{end}\n" if fallen else ""
        with Path(output).open("a", encoding="utf-8") as file:
            file.write(f"fell={str(fallen).lower()}\n{more}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--name", default="the last release")
    given = parser.parse_args(arguments)
    try:
        before, after = read(given.before), read(given.after)
    except Damaged as problem:
        sys.stdout.write(f"::error title=The benchmarks cannot be compared::{problem}\n")
        sys.exit(1)
    text = report(before, after, given.name)
    sys.stdout.write(text)
    write_outputs(text, fallen=any(fell(before[key], after[key]) for key in before.keys() & after.keys()))


if __name__ == "__main__":
    main()
