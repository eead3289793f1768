"""Write figures and texts for people, in few characters: numbers, counts, spans of time, sparklines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

__all__ = ["compact", "counted", "duration_text", "shortened", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "k"))
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def compact(number: float) -> str:
    """Return a number in at most six characters, such as ``950``, ``12.3k`` or ``-4.5M``."""
    for unit, letter in _UNITS:
        if abs(number) >= unit * 0.9995:
            scaled = number / unit
            return f"{scaled:.0f}{letter}" if abs(scaled) >= 99.95 else f"{scaled:.1f}{letter}"
    return f"{number:.0f}" if abs(number) >= 9.95 or number == int(number) else f"{number:.1f}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 video`` or ``1,200 videos``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters; one that was cut ends with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def duration_text(span: timedelta) -> str:
    """Return a span of time in its two largest units, such as ``3d 4h``, ``2h 5m`` or ``40s``."""
    seconds = max(0, int(span.total_seconds()))
    for number, (unit, letter) in enumerate(_SPANS):
        if seconds >= unit:
            rest = seconds % unit
            if number + 1 < len(_SPANS):
                smaller, its_letter = _SPANS[number + 1]
                if rest >= smaller:
                    return f"{seconds // unit}{letter} {rest // smaller}{its_letter}"
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Return bars of eight heights, from the smallest value to the largest; more values than ``width`` are averaged."""
    if not values:
        return ""
    if len(values) > width:
        edges = [round(place * len(values) / width) for place in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(values), max(values)
    if high == low:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int((value - low) / (high - low) * 8))] for value in values)
