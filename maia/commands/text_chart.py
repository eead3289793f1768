"""Draw a curve in text."""

from __future__ import annotations

from collections.abc import Sequence

from atlas.adapters.growth import Point
from atlas.figures import compact
from atlas.times import local

__all__ = ["text_chart"]

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def text_chart(points: Sequence[Point], *, width: int = 64, height: int = 6) -> list[str]:
    """Return lines with the views of a curve over its time; empty for less than two points.

    Between readings the curve is a straight line. The lowest value has the height of one eighth of a line.
    """
    if len(points) < 2:
        return []
    low, high = (bound(point.views for point in points) for bound in (min, max))
    steps = height * 8 - 1
    heights = [1 + round((value - low) / ((high - low) or 1) * steps) for value in _columns(points, width)]
    labels = {0: compact(high), height - 1: compact(low)}
    lines = []
    for row in range(height):
        floor = (height - 1 - row) * 8
        bars = "".join(_EIGHTHS[min(8, max(0, tall - floor))] for tall in heights)
        lines.append(f"{labels.get(row, ''):>7} {bars}".rstrip())
    begin, end = local(points[0].observed_at), local(points[-1].observed_at)
    return [*lines, f"{'':7} {begin} {end:>{max(1, width - len(begin) - 1)}}"]


def _columns(points: Sequence[Point], width: int) -> list[float]:
    """Return the views at moments of even distance, from the first to the last reading."""
    begin = points[0].observed_at
    times = [(point.observed_at - begin).total_seconds() for point in points]
    values, place = [], 0
    for column in range(width):
        at = times[-1] * column / (width - 1)
        while place < len(times) - 2 and times[place + 1] < at:
            place += 1
        before, after = points[place], points[place + 1]
        span = times[place + 1] - times[place]
        share = min(1.0, max(0.0, (at - times[place]) / span)) if span else 1.0
        values.append(before.views + (after.views - before.views) * share)
    return values
