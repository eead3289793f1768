"""Heavy-tailed noise on gains, the same for the same number in every process.

A gain is multiplied by a weight of its day and a weight of its hour. Both are log-normal, and a few are multiplied by a
Pareto variate, whose tail is heavier (Miotto et al., arXiv 1609.06399: gains are proportional to the views so far, with
heavy-tailed noise). The weights of a day's hours share out the gain of the day.
"""

from __future__ import annotations

import math
from functools import cache
from random import Random
from typing import Final

_PATTERNS: Final = 1024  # of a day's hours; videos that have one in common have it on different days
_WEIGHTS: Final = 4096

# Sigma; how many are multiplied by a Pareto variate; its exponent; its least value; the largest weight. A day's is
# bounded so that noise alone seldom does for 6 h what a breakout does: then no truth would be left to find.
_DAY: Final = (0.25, 0.015, 2.0, 1.3, 3.0)
_HOUR: Final = (0.5, 0.02, 1.5, 2.0, 40.0)
_NIGHT: Final = 0.45  # an evening hour has 1 + this times the gain of the mean hour, a night hour 1 - this


@cache
def day_weights() -> tuple[float, ...]:
    """Return 4,096 weights of a day, with a median of 1."""
    rng = Random(20_170_331)  # noqa: S311  a table, not a secret
    return tuple(_weight(rng, *_DAY) for _ in range(_WEIGHTS))


@cache
def hour_patterns() -> tuple[tuple[float, ...], ...]:
    """Return 1,024 times 24 weights of a day's hours, with a median of 1."""
    rng = Random(16_096_399)  # noqa: S311  a table, not a secret
    return tuple(tuple(_weight(rng, *_HOUR) for _ in range(24)) for _ in range(_PATTERNS))


@cache
def daylight(shift: int) -> tuple[float, ...]:
    """Return the weights of the 24 hours (UTC) for an audience whose evening is `shift` hours from 20:00 UTC."""
    return tuple(1 + _NIGHT * math.cos((hour - 20 - shift) / 24 * 2 * math.pi) for hour in range(24))


def _weight(rng: Random, sigma: float, rare: float, tail: float, least: float, most: float) -> float:
    weight = rng.lognormvariate(0.0, sigma)
    if rng.random() < rare:
        weight *= rng.paretovariate(tail) * least
    return min(weight, most)
