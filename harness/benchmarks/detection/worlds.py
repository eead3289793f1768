"""The worlds of the benchmark, and their videos' readings as the Tracker takes them."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from atlas import policy
from youtube_sandbox.curves import ShapedCurve
from youtube_sandbox.surges import BreakoutShape, Decoy, WorldShapes
from youtube_sandbox.world import SeededWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youtube_sandbox.model import Video

DEVELOPMENT: Final = (1_101, 1_102, 1_103, 1_104, 1_105)
"""Seeds to try ideas on and to tune with."""
JUDGING: Final = (7_411, 7_423, 7_438, 7_451, 7_466, 7_477, 7_482, 7_499, 7_508, 7_519)
"""Seeds to judge with, never to tune with."""

_FAMILIAR: Final = WorldShapes(
    frozenset({BreakoutShape.SHARP, BreakoutShape.SLOW}), frozenset({Decoy.HOUR_BURST, Decoy.PREMIERE})
)
AROUND: Final = 1_790_000_000  # the time of the worlds, seconds since 1970
_HOUR: Final = 3_600
_DAY: Final = 86_400
_NEW: Final = 0.875  # share of the videos that are published within the window; the others are older
_OLDEST_DAYS: Final = 60
_OLD_HOURS: Final = 48  # hours of those days whose videos are in the world
_VIDEOS_OF_A_CHANNEL: Final = 10  # on average
_FOUND_AFTER: Final = 1.5  # hours from publication to discovery, on average (exponential), at most 6
_FOUND_AT_MOST: Final = 6.0
_OLD_FOUND_WITHIN: Final = 3 * _DAY  # of the window's begin
_READ_AFTER: Final = 120.0  # seconds from a due time to the reading, on average (exponential)


@dataclass(frozen=True)
class Sample:
    """The videos of one world and all their readings, in the order of time. Times are seconds since 1970."""

    seed: int
    begin: float
    end: float
    videos: list[Video]
    video: array[int]
    """Of each reading, the index of its video."""
    at: array[float]
    views: array[int]

    def hours(self) -> Iterator[tuple[float, range]]:
        """Yield the end of each hour, and the numbers of the readings in it."""
        first, number = 0, 0
        hour = self.begin + _HOUR
        while hour <= self.end:
            while number < len(self.at) and self.at[number] < hour:
                number += 1
            yield hour, range(first, number)
            first = number
            hour += _HOUR


def shapes_of(seed: int) -> WorldShapes:
    """Return what happens in the world of a seed: all shapes and decoys, except where it is for development."""
    return _FAMILIAR if seed in DEVELOPMENT else WorldShapes()


def sample(seed: int, *, videos: int, days: int) -> Sample:
    """Make the world of a seed, and read it as the Tracker does.

    A video is found within 6 h of its publication, or in the first days if it is older, and read then. Each further
    reading is due as `policy.schedule` says, and taken some minutes later at most. A deleted video is not read.
    """
    weekly = round(videos * _NEW * 7 / days)
    begin, world = _world(seed, weekly, days, max(videos // _VIDEOS_OF_A_CHANNEL, 1))
    end = begin + days * _DAY
    chosen = [video for slot in _old_slots(begin) for video in world.videos_of(slot)][: round(videos * (1 - _NEW))]
    for slot in range(begin // _HOUR, end // _HOUR):
        chosen += world.videos_of(slot)
    del chosen[videos:]
    rng = Random(seed)
    readings = [
        (at, number, video.counts(at).views)
        for number, video in enumerate(chosen)
        for at in _readings(rng, video, begin, end)
    ]
    readings.sort()
    return Sample(
        seed, begin, end, chosen,
        array("i", (number for _, number, _ in readings)),
        array("d", (at for at, _, _ in readings)),
        array("q", (views for _, _, views in readings)),
    )  # fmt: skip


def _world(seed: int, weekly: int, days: int, channels: int) -> tuple[int, SeededWorld]:
    """Return the begin of the window, so that YouTube changes how it counts on one of its days, and the world."""
    world = SeededWorld(seed=seed, begin=0.0, channels=channels, videos=weekly, shapes=shapes_of(seed))
    before = Random(seed ^ 0xDA7E).uniform(0.25, 0.75) * days
    begin = int(world.counting_step(AROUND).at) - math.floor(before) * _DAY
    world.begin = begin - _OLDEST_DAYS * _DAY
    return begin, world


def _old_slots(begin: int) -> list[int]:
    hours = _OLDEST_DAYS * 24
    return [begin // _HOUR - 1 - hour * hours // _OLD_HOURS for hour in range(_OLD_HOURS)]


def _readings(rng: Random, video: Video, begin: float, end: float) -> Iterator[float]:
    if video.published < begin:
        at = begin + rng.random() * _OLD_FOUND_WITHIN
    else:
        at = video.published + _HOUR * min(rng.expovariate(1 / _FOUND_AFTER), _FOUND_AT_MOST)
    born = datetime.fromtimestamp(video.published, UTC)
    while at < end and video.alive(at):
        yield at
        _, due = policy.schedule(born, datetime.fromtimestamp(at, UTC), pending=video.live(at))
        at = due.timestamp() + rng.expovariate(1 / _READ_AFTER)


def kind(video: Video, at: float) -> int:
    """Return 1 for a video, 2 for a Short, 3 for a live broadcast."""
    if video.live(at):
        return 3
    return 2 if "#shorts" in video.title else 1


def duration(video: Video, at: float) -> timedelta:
    """Return the duration as the API has it at a time."""
    return timedelta(seconds=0 if video.live(at) else video.duration)


def curve(video: Video) -> ShapedCurve:
    """Return the curve of a seeded video, with the truth about it."""
    assert isinstance(video.curve, ShapedCurve)
    return video.curve
