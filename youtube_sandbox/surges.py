"""Extra growth on top of a video's own curve: breakouts, and decoys that look like one for a while.

A breakout is growth of at least `FACTOR` times the expected (the video's own curve without it) and of at least `FLOOR`
views an hour, for at least `SHORTEST` without a break, before any noise. It lasts from the moment its extra growth
begins until its growth is below one of the two for good. A decoy never fulfils this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

FACTOR: Final = 5.0
"""A breakout's growth is at least this many times the expected."""
FLOOR: Final = 50.0
"""A breakout's growth is at least this many views an hour (the default of BREAKOUT_MIN_VIEWS_PER_HOUR)."""
SHORTEST: Final = 6 * 3600.0
"""Seconds for which a breakout grows like that, at least."""

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
_LONGEST: Final = 14 * _DAY  # of a breakout
_LOOK: Final = 900.0  # seconds between the moments at which growth is compared with the expected


class BreakoutShape(StrEnum):
    """How a breakout grows."""

    SHARP = "sharp"
    """Full growth within two hours."""
    SLOW = "slow"
    """Full growth after 8 to 24 hours."""
    SECOND_WAVE = "second wave"
    """Begins after another breakout of the same video is over."""
    CHANNEL_WIDE = "channel-wide"
    """Begins at the same moment for all young videos of a channel."""


class Decoy(StrEnum):
    """Extra growth that is no breakout."""

    HOUR_BURST = "one-hour burst"
    """About an hour, such as a mention in a live stream."""
    PREMIERE = "premiere"
    """The first two hours, in which the audience of a broadcast arrives at once."""
    PURCHASED = "purchased plateau"
    """Views delivered within 2 to 4 hours; then the count stands still while they are audited."""


class Breakout(NamedTuple):
    """When a video breaks out, in seconds since 1970."""

    start: float
    end: float
    shape: BreakoutShape


class DecoyTime(NamedTuple):
    """When a decoy grows, in seconds since 1970."""

    start: float
    end: float
    kind: Decoy


@dataclass(frozen=True, slots=True)
class WorldShapes:
    """What happens in a world. Worlds for development lack some of what worlds for judging have."""

    breakouts: frozenset[BreakoutShape] = frozenset(BreakoutShape)
    decoys: frozenset[Decoy] = frozenset(Decoy)


@dataclass(frozen=True, slots=True)
class Surge:
    """Extra growth: a linear rise to a peak, a time at the peak, and an exponential fade. Times are in seconds."""

    start: float  # since 1970
    rise: float
    hold: float
    fade: float  # to 1/e; 0: it ends at once
    peak: float  # views an hour

    def rate(self, at: float) -> float:
        """Return the extra views an hour at a time."""
        since = at - self.start
        if since <= 0:
            return 0.0
        if since < self.rise:
            return self.peak * since / self.rise
        since -= self.rise + self.hold
        if since <= 0:
            return self.peak
        return self.peak * math.exp(-since / self.fade) if self.fade else 0.0

    def gained(self, at: float) -> float:
        """Return the extra views until a time."""
        since = at - self.start
        if since <= 0:
            return 0.0
        if since < self.rise:
            return self.peak * since * since / (2 * self.rise * _HOUR)
        seconds = self.rise / 2
        since -= self.rise
        if since < self.hold:
            return self.peak * (seconds + since) / _HOUR
        seconds += self.hold
        if self.fade:
            seconds -= self.fade * math.expm1((self.hold - since) / self.fade)
        return self.peak * seconds / _HOUR


def interval(surge: Surge, usual: Callable[[float], float], shape: BreakoutShape) -> Breakout | None:
    """Return the breakout that a surge is, on a curve with this usual rate in views an hour; None: it is none."""
    last = surge.start
    longest = begun = 0.0
    at = surge.start
    while at < surge.start + 2 * _LONGEST:
        at += _LOOK
        extra, own = surge.rate(at), usual(at)
        if extra >= (FACTOR - 1) * own and extra + own >= FLOOR:
            begun = begun or at
            last = at
            longest = max(longest, at - begun)
        else:
            begun = 0.0
            if at > surge.start + surge.rise + surge.hold and extra < FLOOR / 10:
                break
    return Breakout(surge.start, last, shape) if longest >= SHORTEST else None


def draw_breakout(
    rng: Random, shape: BreakoutShape, start: float, usual: Callable[[float], float], *, times: float | None = None
) -> tuple[Surge, Breakout] | None:
    """Draw a breakout that begins at `start` on a curve with this usual rate; None where none of this size is one.

    The time for which it keeps up is at least 6 h, 24 h in the median, and log-normal beyond 6 h (sigma 1.1), at most
    14 days. Its peak is at least 6 times the usual rate (Pareto, exponent 1.1, at most 150 times) and at least 120
    views an hour (log-normal, 250 in the median). `times`: the peak instead, in usual rates, without that least size.
    """
    lasts = min(SHORTEST + _HOUR * rng.lognormvariate(math.log(11), 1.1), _LONGEST)
    rise = _HOUR * (rng.uniform(8, 24) if shape is BreakoutShape.SLOW else rng.uniform(0.25, 2))
    lasts = max(lasts, 1.5 * rise)
    before = usual(start + _HOUR / 2)
    if times is None:
        peak = max(before * min(6 * rng.paretovariate(1.1), 150), 120.0, rng.lognormvariate(math.log(250), 1.0))
    else:
        peak = times * before
        if peak < 2 * FLOOR:
            return None
    hold = 0.15 * lasts
    for _ in range(6):
        least = max((FACTOR - 1) * usual(start + lasts), FLOOR)
        fade = (lasts - hold) / math.log(peak / least) if peak > least else 0.0
        surge = Surge(start, rise, hold, min(fade, _LONGEST), peak)
        found = interval(surge, usual, shape)
        if found is not None:
            return surge, found
        peak *= 1.5
    return None


def draw_decoy(rng: Random, kind: Decoy, born: float, usual: Callable[[float], float]) -> tuple[Surge, DecoyTime]:
    """Draw a decoy of a video. It keeps up for less than 5 h."""
    if kind is Decoy.PREMIERE:
        hold = _HOUR * rng.uniform(0.5, 2)
        surge = Surge(born, 0.0, hold, 600.0, usual(born + _HOUR / 2) * rng.uniform(5, 15))
    elif kind is Decoy.HOUR_BURST:
        start = born + _HOUR * _log_uniform(rng, 2, 480)
        hold = _HOUR * rng.uniform(0.5, 1.2)
        surge = Surge(start, 300.0, hold, 600.0, max(usual(start) * rng.uniform(8, 40), rng.uniform(150, 600)))
    else:
        start = born + _HOUR * _log_uniform(rng, 2, 480)
        hold = _HOUR * rng.uniform(2, 4)
        surge = Surge(start, 300.0, hold, 0.0, max(usual(start) * rng.uniform(5, 14), rng.uniform(120, 400)))
    return surge, DecoyTime(surge.start, surge.start + surge.rise + surge.hold + 3 * surge.fade, kind)


def draw_start(rng: Random, born: float) -> float:
    """Draw when a breakout begins: at birth (8 %), else 1 h to 45 days later, log-uniformly."""
    if rng.random() < 0.08:
        return born + _HOUR * rng.random()
    return born + _HOUR * _log_uniform(rng, 1, 45 * 24)


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return low * math.exp(math.log(high / low) * rng.random())
