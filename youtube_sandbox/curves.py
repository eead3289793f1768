"""Growth curves of a video's counts: pure functions of its age.

The curve of a video is its own smooth growth (`expected`), with breakouts and decoys on top (`smooth`, see
`youtube_sandbox.surges`), and with the noise of `youtube_sandbox.noise` on all gains. Then come the habits of YouTube's
counters. Their parameters are fitted to series that were read every 10 to 30 minutes:

- six popular videos, 15,006 readings: 122 of them fell, so 0.8 % of the steps;
- 41 videos, most of them quiet, 2,005 readings: 207 fell and 1,131 did not change, so 10 % and 56 % of the steps.

So a quiet video's count is refreshed once in four steps, and one step in ten shows a lower count; a popular video's is
refreshed at each step. On days on which YouTube changes how it counts (Shorts on 2025-03-31, all formats in August
2026), the counts of all videos concerned step up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from youtube_sandbox.ids import mix
from youtube_sandbox.noise import day_weights, daylight, hour_patterns

if TYPE_CHECKING:
    from random import Random

    from youtube_sandbox.surges import Breakout, DecoyTime, Surge

STEP: Final = 900
"""Seconds for which a shown count does not change."""

_HOUR: Final = 3600.0
_DAY: Final = 86_400
_NOISY_DAYS: Final = 64  # older videos grow without noise, so that the first count of a very old one is cheap
_LARGEST_FALL: Final = 0.003  # share of the views that an audit takes, beside the gain of the last step

# Below these views: how many steps one refresh of the count is for, and how many of 1,024 steps show a lower count.
_HABITS: Final = ((1_000.0, 4, 140), (30_000.0, 2, 40), (math.inf, 1, 9))


class Counts(NamedTuple):
    """The counts of a video as the API shows them; None where a count is hidden."""

    views: int
    likes: int | None
    comments: int | None


class CountCurve(Protocol):
    """The counts of one video over time."""

    def counts(self, at: float) -> Counts:
        """Return the counts at a time (schedule clock, seconds since 1970)."""


class Shape(StrEnum):
    """How the views of a video grow without breakouts."""

    SLOW = "slow"
    """Few views, spread over days: most videos."""
    STEADY = "steady"
    """A nearly constant rate at any age: videos that people search for."""
    BURST = "burst"
    """Most views on the first day, from subscribers."""


_SHARES: Final = ((Shape.SLOW, 0.50), (Shape.STEADY, 0.26), (Shape.BURST, 0.24))
_SPREAD: Final = 0.8  # sigma of the sizes of one channel's videos


@dataclass(frozen=True, slots=True)
class CountingStep:
    """A day on which YouTube changes how it counts: `factor` times the views from then on."""

    at: float  # the day's start, seconds since 1970; each video follows within 12 h
    factor: float
    shorts_only: bool


@dataclass(frozen=True, slots=True)
class ShapedCurve:
    """A growth curve, with the ratios of likes and comments to views; None where the count is hidden."""

    born: float  # publication, seconds since 1970
    shape: Shape
    scale: float  # views that it tends to (STEADY: views after the first day)
    pace: float  # hours; what it means depends on the shape
    salt: int  # makes this video's noise, steps and falls its own
    like_ratio: float | None
    comment_ratio: float | None
    surges: tuple[Surge, ...] = ()
    still: tuple[float, float] | None = None  # a time in which it does not grow
    counting: tuple[tuple[float, float], ...] = ()  # from when on its counts are multiplied by what
    breakouts: tuple[Breakout, ...] = ()
    """The truth about this video, before noise."""
    decoys: tuple[DecoyTime, ...] = ()
    _days: list[float] = field(default_factory=list, init=False, repr=False, compare=False)  # views as days begin
    _hours: dict[int, tuple[float, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def draw(cls, rng: Random, *, born: float, popularity: float, hide_likes: bool, hide_comments: bool) -> ShapedCurve:
        """Draw a curve for a video of a channel of this popularity (1.0 is the middle), without surges."""
        point = rng.random()
        shape = Shape.SLOW
        for shape, share in _SHARES:  # noqa: B007  the last shape stands where rounding leaves a remainder
            point -= share
            if point < 0:
                break
        size = popularity * rng.lognormvariate(0.0, _SPREAD)
        scale, pace = {
            Shape.SLOW: (600 * size, rng.uniform(36, 240)),
            Shape.STEADY: (900 * size, rng.uniform(0.82, 0.98)),
            Shape.BURST: (9_000 * size, rng.uniform(3, 14)),
        }[shape]
        salt = rng.getrandbits(48)
        likes = None if hide_likes else rng.uniform(0.012, 0.085)
        return cls(born, shape, scale, pace, salt, likes, None if hide_comments else rng.uniform(0.0006, 0.012))

    def expected(self, age: float) -> float:
        """Return the views at an age in seconds without surges, noise and habits."""
        hours = age / _HOUR
        if hours <= 0:
            return 0.0
        if self.shape is Shape.SLOW:
            return self.scale * -math.expm1(-hours / self.pace)
        if self.shape is Shape.STEADY:
            return float(self.scale * (hours / 24) ** self.pace)
        return self.scale * hours / (hours + self.pace) + 0.002 * self.scale * math.log1p(hours)

    def usual(self, at: float) -> float:
        """Return the growth in views an hour at a time (over half an hour), without surges, noise and habits."""
        age = max(at - self.born, 0.0)
        return 2 * (self.expected(age + 900) - self.expected(age - 900))

    def smooth(self, at: float) -> float:
        """Return the views at a time (seconds since 1970) with surges, without noise and habits."""
        born = self.born
        if at <= born:
            return 0.0
        if self.still is None or at <= self.still[0]:
            views = self.expected(at - born)
        else:
            begin, end = self.still
            views = self.expected(begin - born)
            if at > end:
                views += self.expected(at - born) - self.expected(end - born)
        for surge in self.surges:
            views += surge.gained(at)
        return views

    def noisy(self, at: float) -> float:
        """Return the views at a time with noise on all gains, without habits."""
        if at <= self.born:
            return 0.0
        first = int(self.born // _DAY)
        day = int(at // _DAY) - first
        days = self._days
        if not days:
            days.append(0.0)
        known = min(day, _NOISY_DAYS)
        if len(days) <= known:
            begin = self.smooth((first + len(days) - 1) * _DAY)
            while len(days) <= known:
                end = self.smooth((first + len(days)) * _DAY)
                days.append(days[-1] + self._day_weight(len(days) - 1) * (end - begin))
                begin = end
        if day >= _NOISY_DAYS:
            return days[_NOISY_DAYS] + self.smooth(at) - self.smooth((first + _NOISY_DAYS) * _DAY)
        midnight = (first + day) * _DAY
        shares = self._hours.get(day)
        if shares is None:
            if len(self._hours) > 1:  # a reading needs at most two days
                self._hours.clear()
            shares = self._hours[day] = self._shares(day, midnight)
        hour = int((at - midnight) // _HOUR)
        begin = self.smooth(midnight + hour * _HOUR)
        end = self.smooth(midnight + (hour + 1) * _HOUR)
        part = (self.smooth(at) - begin) / (end - begin) if end > begin else 0.0
        share = shares[hour] + (shares[hour + 1] - shares[hour]) * part
        day_gain = self.smooth(midnight + _DAY) - self.smooth(midnight)
        return days[day] + self._day_weight(day) * day_gain * share

    def counts(self, at: float) -> Counts:
        """Return the counts at a time (seconds since 1970), with the habits of YouTube's counters."""
        step = int(max(at - self.born, 0.0) // STEP)
        views = self.noisy(self.born + step * STEP)
        every = falls = 1
        for below, every, falls in _HABITS:  # noqa: B007  used after the loop
            if views < below:
                break
        shown = step
        if every > 1:
            group = step // every
            shown = group * every + mix(self.salt ^ (group << 8)) % every
            if shown > step:
                group -= 1
                shown = group * every + mix(self.salt ^ (group << 8)) % every
        draw = mix(self.salt ^ step)
        audited = step and draw & 1023 < falls
        if audited:
            shown = min(shown, step - 2)
        if shown != step:
            views = self.noisy(self.born + shown * STEP)
        for since, factor in self.counting:
            if at >= since:
                views *= factor
        if audited:
            views -= 1 + views * _LARGEST_FALL * ((draw >> 16) & 0xFF) / 255
        count = max(int(views), 0)
        ratios = (self.like_ratio, self.comment_ratio)
        return Counts(count, *(None if ratio is None else int(count * ratio) for ratio in ratios))

    def _day_weight(self, day: int) -> float:
        weights = day_weights()
        return weights[mix(self.salt + day) % len(weights)]

    def _shares(self, day: int, midnight: float) -> tuple[float, ...]:
        """Return which share of the day's gain there is until each full hour."""
        patterns = hour_patterns()
        noise = patterns[mix(self.salt ^ (day << 32)) % len(patterns)]
        light = daylight(self.salt % 9 - 4)
        total = 0.0
        sums = [0.0]
        before = self.smooth(midnight)
        for hour in range(24):
            after = self.smooth(midnight + (hour + 1) * _HOUR)
            total += (after - before) * noise[hour] * light[hour]
            sums.append(total)
            before = after
        return tuple(each / total for each in sums) if total > 0 else (0.0,) * 25
