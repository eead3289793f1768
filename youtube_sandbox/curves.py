"""Let a video's counts grow: pure functions of its age.

Four shapes as they are seen on YouTube, and two habits of its counters: a shown count stands still for a while, and now
and then it falls, since views are audited after they were counted (in a real series of 43 videos a tenth of the samples
fell and more than half did not change).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from youtube_sandbox.ids import mix

if TYPE_CHECKING:
    from random import Random

__all__ = ["STEP", "Counts", "Curve", "Growth", "Shape"]

STEP: Final = 900
"""Seconds for which a shown count stands still."""

_HOUR: Final = 3600.0
_FALLS: Final = 8  # one step in this many shows an audited, lower count
_LARGEST_FALL: Final = 0.004  # share of the views that an audit takes


class Counts(NamedTuple):
    """What the API says of a video at one moment; None where the count is hidden."""

    views: int
    likes: int | None
    comments: int | None


class Growth(Protocol):
    """The counts of one video over time."""

    def counts(self, at: float) -> Counts:
        """Return the counts at a time (schedule clock, seconds since 1970)."""


class Shape(StrEnum):
    """How the views of a video grow."""

    SLOW = "slow"
    """Little, trickling in over days: most videos."""
    STEADY = "steady"
    """On and on, hardly slower with age: what is searched for."""
    BURST = "burst"
    """Most of it on the first day, from subscribers, then ever less."""
    VIRAL = "viral"
    """Nothing much, then a steep rise some hours or days after publication: what Maia looks for."""


_SHARES: Final = ((Shape.SLOW, 0.48), (Shape.STEADY, 0.24), (Shape.BURST, 0.23), (Shape.VIRAL, 0.05))


@dataclass(frozen=True, slots=True)
class Curve:
    """A growth curve, with the ratios of likes and comments to views.

    Attributes:
        born: publication, seconds since 1970.
        shape: which of the four.
        scale: views that the curve tends to (STEADY: views after the first day).
        pace: hours; what it means depends on the shape.
        turn: hours from publication to the steepest moment of a viral rise.
        salt: makes this video's steps and falls its own.
        like_ratio, comment_ratio: per view; None where the count is hidden.
    """

    born: float
    shape: Shape
    scale: float
    pace: float
    turn: float
    salt: int
    like_ratio: float | None
    comment_ratio: float | None

    @classmethod
    def draw(cls, rng: Random, *, born: float, popularity: float, hide_likes: bool, hide_comments: bool) -> Curve:
        """Draw a curve for a video of a channel of this popularity (1.0 is the middle)."""
        point = rng.random()
        shape = Shape.SLOW
        for shape, share in _SHARES:  # noqa: B007  the last shape stands where rounding leaves a remainder
            point -= share
            if point < 0:
                break
        size = popularity * rng.lognormvariate(0.0, 1.1)
        scale, pace, turn = {
            Shape.SLOW: (600 * size, rng.uniform(36, 240), 0.0),
            Shape.STEADY: (900 * size, rng.uniform(0.82, 0.98), 0.0),
            Shape.BURST: (9_000 * size, rng.uniform(3, 14), 0.0),
            Shape.VIRAL: (400_000 * (size + 0.2), rng.uniform(1.2, 7), rng.uniform(5, 90)),
        }[shape]
        return cls(
            born=born,
            shape=shape,
            scale=scale,
            pace=pace,
            turn=turn,
            salt=rng.getrandbits(48),
            like_ratio=None if hide_likes else rng.uniform(0.012, 0.085),
            comment_ratio=None if hide_comments else rng.uniform(0.0006, 0.012),
        )

    def expected(self, age: float) -> float:
        """Return the views at an age in seconds, without steps and falls."""
        hours = age / _HOUR
        if hours <= 0:
            return 0.0
        match self.shape:
            case Shape.SLOW:
                return self.scale * -math.expm1(-hours / self.pace)
            case Shape.STEADY:
                return float(self.scale * (hours / 24) ** self.pace)
            case Shape.BURST:
                return self.scale * hours / (hours + self.pace) + 0.002 * self.scale * math.log1p(hours)
            case Shape.VIRAL:
                # A logistic rise that starts at zero, on top of a trickle.
                start = 1 / (1 + math.exp(self.turn / self.pace))
                risen = 1 / (1 + math.exp(-(hours - self.turn) / self.pace)) if hours < self.turn + 300 else 1.0
                return self.scale * (risen - start) + 40 * math.log1p(hours)

    def counts(self, at: float) -> Counts:
        """Return the counts at a time (seconds since 1970), with the habits of YouTube's counters."""
        step = int(max(at - self.born, 0.0) // STEP)
        views = self.expected(step * STEP)
        draw = mix(self.salt ^ step)
        if draw % _FALLS == 0 and step:
            views -= views * _LARGEST_FALL * ((draw >> 16) & 0xFF) / 255
        shown = int(views)
        return Counts(
            shown,
            None if self.like_ratio is None else int(shown * self.like_ratio),
            None if self.comment_ratio is None else int(shown * self.comment_ratio),
        )
