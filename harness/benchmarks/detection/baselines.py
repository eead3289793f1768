"""The baselines: views per hour, alone and against the channel's other videos."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Final

from harness.benchmarks.detection.judge import FLOOR, HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable

Rows = dict[int, list[tuple[float, float]]]
"""Of each video, (time, score) of each reading but the first."""

_OTHERS: Final = 3  # other videos of the channel that are needed
_AGAIN: Final = HOUR  # after which the median of all videos is computed again


def scores(readings: Iterable[tuple[int, float, int]], channels: list[str]) -> tuple[Rows, Rows]:
    """Return both baselines' scores of readings (video, time, views) in the order of time.

    ``channels``: of each video. A score is 0 below 50 views an hour.
    """
    by_rate: Rows = defaultdict(list)
    by_channel: Rows = defaultdict(list)
    last: dict[int, tuple[float, int]] = {}
    rates: dict[str, dict[int, float]] = defaultdict(dict)
    usual, computed = 0.0, float("-inf")
    for video, at, views in readings:
        before = last.get(video)
        last[video] = at, views
        if before is None:
            continue
        rate = (views - before[1]) * HOUR / (at - before[0])
        of_channel = rates[channels[video]]
        if rate < FLOOR:
            by_rate[video].append((at, 0.0))
            by_channel[video].append((at, 0.0))
        else:
            others = [each for other, each in of_channel.items() if other != video]
            if len(others) < _OTHERS and at >= computed + _AGAIN:
                known = [each for some in rates.values() for each in some.values()]
                usual, computed = (median(known) if known else 0.0), at
            typical = median(others) if len(others) >= _OTHERS else usual
            by_rate[video].append((at, rate))
            by_channel[video].append((at, rate / max(typical, 1.0)))
        of_channel[video] = rate
    return by_rate, by_channel
