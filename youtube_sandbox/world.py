"""The seeded world: a function of the seed and the schedule time, made hour by hour when it is asked for."""

from __future__ import annotations

import math
from bisect import bisect
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, Final

from youtube_sandbox.catalogue import Catalogue, Shelf
from youtube_sandbox.curves import Curve
from youtube_sandbox.ids import Scrambler, channel_id, mix
from youtube_sandbox.model import Channel, Video, handle
from youtube_sandbox.themes import CHANNEL_FIRST, CHANNEL_LAST, EVERYWHERE, THEMES, Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SLOT", "SeededWorld"]

SLOT: Final = 3600
"""Seconds of one slot: its videos are made together."""

_DAY: Final = 86_400
_SLOTS_A_WEEK: Final = 168
_HIDDEN_LIKES: Final = 0.04
_COMMENTS_OFF: Final = 0.06
_DELETED: Final = 0.03
_DELETED_AFTER_DAYS: Final = 4.0  # on average
_UNTAGGED: Final = 0.05
_BROADCASTS: Final = 0.006
_SHORTS: Final = 0.22
_BRIDGED: Final = 0.35  # share of the videos that carry a neighbour theme's tags


class SeededWorld(Catalogue):
    """An endless world of channels and videos.

    Args:
        seed: the same seed and time give the same world, in any process.
        begin: searches find nothing older than this (seconds since 1970); ids of older videos are still answered.
        channels: how many channels there are.
        videos: how many videos are published in a week of schedule time, on average.
    """

    def __init__(self, *, seed: int, begin: float, channels: int = 400, videos: int = 7_000) -> None:
        super().__init__()
        self.seed = seed
        self.begin = begin
        self.videos_a_week = videos
        self._scrambler = Scrambler(seed)
        self._shelves: dict[int, Shelf] = {}
        self._channels = [_channel(seed, number) for number in range(channels)]
        self._by_id = {channel.id: channel for channel in self._channels}
        # A few channels publish much, most a little.
        self._weights = list(accumulate(1 / (rank + 3) ** 0.6 for rank in range(channels)))

    def shelves(self, after: float | None, before: float) -> Iterator[Shelf]:
        first = max(self.begin, self.begin if after is None else after)
        for slot in range(int(before // SLOT), int(first // SLOT) - 1, -1):
            yield self._shelf(slot)

    def find_video(self, identifier: str, at: float) -> Video | None:
        place = self._scrambler.decode(identifier)
        if place is None or place[0] > at // SLOT:
            return None
        slot, index = place
        videos = self._shelf(slot).videos
        return videos[index] if index < len(videos) else None

    def channel(self, identifier: str) -> Channel | None:
        return self._by_id.get(identifier)

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "seeded",
            "seed": self.seed,
            "begin": datetime.fromtimestamp(self.begin, UTC).isoformat(),
            "channels": len(self._channels),
            "videos_a_week": self.videos_a_week,
            "videos_made": sum(len(shelf.videos) for shelf in self._shelves.values()),
        }

    def _shelf(self, slot: int) -> Shelf:
        shelf = self._shelves.get(slot)
        if shelf is None:
            shelf = self._shelves[slot] = Shelf(self._make(slot))
        return shelf

    def _make(self, slot: int) -> list[Video]:
        rng = Random(mix(self.seed) ^ mix(slot))  # noqa: S311  a world, not a secret
        mean = self.videos_a_week / _SLOTS_A_WEEK
        # More is published in the afternoon and evening than at night (UTC).
        mean *= 1 + 0.5 * math.sin((slot % 24 - 11) / 24 * 2 * math.pi)
        amount = max(0, round(rng.gauss(mean, math.sqrt(mean))))
        times = sorted(slot * SLOT + rng.randrange(SLOT) for _ in range(amount))
        return [self._video(rng, slot, index, published) for index, published in enumerate(times)]

    def _video(self, rng: Random, slot: int, index: int, published: int) -> Video:
        channel = self._channels[bisect(self._weights, rng.random() * self._weights[-1])]
        theme = THEMES[channel.theme]
        subject, other = rng.sample(theme.subjects, 2)
        short = rng.random() < _SHORTS
        title = rng.choice(theme.titles).format(s=_titled(subject), t=_titled(other), n=rng.randint(2, 30))
        if short:
            title += " #shorts"
        tags = () if rng.random() < _UNTAGGED else _tags(rng, theme, channel, subject, other, short=short)
        seconds = rng.randint(8, 60) if short else max(65, int(theme.minutes * 60 * rng.lognormvariate(0, 0.6)))
        broadcast = not short and rng.random() < _BROADCASTS
        lines = (
            f"{title} - a new video about {subject} and {other}, every week on {channel.title}.",
            f"Tell us in the comments what you think of {other}. Thanks for watching!",
            f"00:00 Intro\n00:{rng.randint(20, 59)} {subject}\n{rng.randint(2, 9):02d}:00 {other}",
        )
        return Video(
            id=self._scrambler.encode(slot, index),
            channel=channel,
            title=title,
            description="" if rng.random() < 0.08 else "\n\n".join(lines[: rng.randint(1, 3)]),
            tags=tags,
            category=theme.category,
            published=published,
            duration=seconds,
            growth=Curve.draw(
                rng,
                born=published,
                popularity=channel.popularity,
                hide_likes=rng.random() < _HIDDEN_LIKES,
                hide_comments=rng.random() < _COMMENTS_OFF,
            ),
            deleted=published + _DAY * rng.expovariate(1 / _DELETED_AFTER_DAYS) if rng.random() < _DELETED else None,
            live_until=published + rng.randint(1, 3) * SLOT if broadcast else 0,
        )


def _titled(text: str) -> str:
    """Return title case that leaves apostrophes and acronyms alone."""
    return " ".join(word if word.isupper() else word[:1].upper() + word[1:] for word in text.split())


def _tags(rng: Random, theme: Theme, channel: Channel, subject: str, other: str, *, short: bool) -> tuple[str, ...]:
    tags = [subject, *rng.sample(theme.core, rng.randint(2, 4)), channel.title]
    if rng.random() < 0.6:
        tags.append(other)
    if rng.random() < 0.5:
        tags.append(f"{subject} {rng.choice(('2026', 'tips', 'explained', 'for beginners', 'live', 'review'))}")
    if rng.random() < _BRIDGED:
        neighbour = _THEME[rng.choice(theme.neighbours)]
        tags += [rng.choice(neighbour.core), rng.choice(neighbour.subjects)]
    tags += rng.sample(EVERYWHERE, rng.randint(0, 3))
    if short:
        tags.append("shorts")
    # What people type: the same tag in another case, with stray spaces, one letter alone.
    habit = rng.random()
    if habit < 0.10:
        tags.append(subject.upper())
    elif habit < 0.14:
        tags.append(f"  {theme.name}  ")
    elif habit < 0.16:
        tags.append(subject[0])
    return tuple(dict.fromkeys(tags))


def _channel(seed: int, number: int) -> Channel:
    rng = Random(mix(seed * 7919 + number))  # noqa: S311  a world, not a secret
    theme_number = rng.choices(range(len(THEMES)), [theme.weight for theme in THEMES])[0]
    theme = THEMES[theme_number]
    first, last = rng.choice(CHANNEL_FIRST), rng.choice(CHANNEL_LAST)
    middle = _titled(theme.name) if rng.random() < 0.6 else ""
    title = " ".join(filter(None, (first, middle, last)))
    popularity = rng.lognormvariate(0, 1.3)
    return Channel(
        id=channel_id(seed, number),
        title=title,
        description=f"{title}: videos about {', '.join(rng.sample(theme.subjects, 3))}.",
        handle=handle(title, number),
        published=1_136_073_600 + rng.randrange(18 * 365 * _DAY),  # since 2006
        country=rng.choice(("US", "GB", "CA", "AU", "IN", "DE", "BR")),
        subscribers=int(4_000 * popularity**1.5) + rng.randrange(900),
        popularity=popularity,
        theme=theme_number,
    )


_THEME: Final = {theme.name: theme for theme in THEMES}
