"""Turn the readings of a video into a sparkline: its gains in equal parts of a time, in a few heights."""

from __future__ import annotations

from collections.abc import Sequence

from maia.report.columns import SLOTS

__all__ = ["heights"]

_HIGHEST = 7


def heights(minutes: Sequence[int], views: Sequence[int]) -> bytes | None:
    """Return the gain in each of ``SLOTS`` equal parts of the time from the first to the last reading.

    0 is no gain, or a loss; 7 is the largest gain. Between two readings, views are taken to grow evenly. Return None
    for fewer than two readings, or if they are of the same minute.

    Args:
        minutes: ascending.
    """
    if len(minutes) < 2 or minutes[0] == minutes[-1]:
        return None
    step = (minutes[-1] - minutes[0]) / SLOTS
    place, last = 0, len(minutes) - 1
    left = right = edge = float(minutes[0])
    left_views = before = float(views[0])
    rate = 0.0
    gains = []
    for _ in range(SLOTS):
        edge += step
        if right < edge and place < last:
            while right < edge and place < last:
                place += 1
                right = minutes[place]
            left, left_views = minutes[place - 1], views[place - 1]
            # readings of one minute: the last one counts
            rate = (views[place] - left_views) / (right - left) if right > left else 0.0
        now = left_views + (edge - left) * rate
        gains.append(now - before)
        before = now
    most = max(gains)
    if most <= 0:
        return bytes(SLOTS)
    scale = _HIGHEST / most
    return bytes([0 if gain <= 0 else int(gain * scale + 0.5) or 1 for gain in gains])
