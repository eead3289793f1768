"""Draw bars with Mermaid's `xychart-beta`, as GitHub shows them in a summary.

GitHub shows an error in place of a chart with one character too many, so a chart holds plain numbers, and words of this
package in quotes: no foreign text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = re.compile(r"[A-Za-z0-9 %,.()'-]{1,60}")
_MOST_BARS = 20


def bars(title: str, labels: Sequence[str], axis: str, values: Sequence[float], *, most: float | None = None) -> str:
    """Return a chart in its block of Markdown, or "" where no value is above 0.

    A value below 0 is drawn as 0. `most`: the end of the axis; else the largest value. Raises ValueError for words that
    are not safe, and where there are not as many labels as values.
    """
    if len(labels) != len(values) or not all(_WORDS.fullmatch(word) for word in (title, axis, *labels)):
        raise ValueError("not a chart")
    values = [round(max(0.0, float(value)), 2) for value in values[:_MOST_BARS]]
    top = max([most or 0.0, *values])
    if not any(values):
        return ""
    lines = (
        "xychart-beta",
        f'    title "{title}"',
        f"    x-axis [{', '.join(_quoted(label) for label in labels[:_MOST_BARS])}]",
        f'    y-axis "{axis}" 0 --> {_plain(top)}',
        f"    bar [{', '.join(map(_plain, values))}]",
    )
    return "".join(f"{line}\n" for line in ("```mermaid", *lines, "```"))


def _quoted(word: str) -> str:
    return f'"{word}"'


def _plain(value: float) -> str:
    """Return a number without an exponent, which Mermaid does not know."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")
