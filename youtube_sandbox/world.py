"""The seeded world: a function of the seed and the schedule time, made hour by hour when it is asked for."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, Final

from youtube_sandbox.catalogue import Catalogue, Shelf
from youtube_sandbox.curves import CountingStep, ShapedCurve
from youtube_sandbox.ids import Scrambler, channel_id, mix
from youtube_sandbox.model import Channel, Video, handle
from youtube_sandbox.surges import BreakoutShape, Decoy, WorldShapes, draw_breakout, draw_decoy, draw_start
from youtube_sandbox.themes import CHANNEL_FIRST, CHANNEL_LAST, EVERYWHERE, THEMES, Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youtube_sandbox.surges import Breakout, DecoyTime, Surge

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

# What happens on top of a video's own curve. Of videos published in 14 days, 1 to 2 % break out in them.
_BREAKOUTS: Final = 0.021
_SHAPES: Final = {BreakoutShape.SHARP: 0.5, BreakoutShape.SLOW: 0.3, BreakoutShape.SECOND_WAVE: 0.2}
_DECOYS: Final = {Decoy.HOUR_BURST: 0.012, Decoy.PREMIERE: 0.007, Decoy.PURCHASED: 0.010}
_CHANNEL_DAYS: Final = 30  # in each of these spans, a channel may break out as a whole
_CHANNEL_BREAKOUTS: Final = 0.015
_CHANNEL_AGE: Final = 10 * _DAY  # its videos that are older do not take part
_COUNTING_DAYS: Final = 180  # in each of these spans, YouTube changes how it counts, on one day
_COUNTING_SECONDS: Final = 12 * 3600  # within which all videos follow


class SeededWorld(Catalogue):
    """An endless world of channels and `videos` a week; the same seed and time give the same world, in any process.

    Searches find nothing older than `begin` (seconds since 1970); ids of older videos are still answered.
    """

    def __init__(
        self, *, seed: int, begin: float, channels: int = 400, videos: int = 7_000, shapes: WorldShapes | None = None
    ) -> None:
        super().__init__()
        self.seed = seed
        self.shapes = shapes or WorldShapes()
        self.begin = begin
        self.videos_a_week = videos
        self._scrambler = Scrambler(seed)
        self._shelves: dict[int, Shelf] = {}
        self._counting_steps: dict[int, CountingStep] = {}
        self._channels = [_channel(seed, number) for number in range(channels)]
        self._by_id = {channel.id: channel for channel in self._channels}
        self._numbers = {channel.id: number for number, channel in enumerate(self._channels)}
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

    def videos_of(self, slot: int) -> list[Video]:
        """Return the videos of an hour (since 1970) in the order of their publication, without an index of words."""
        return self._make(slot)

    def counting_step(self, at: float) -> CountingStep:
        """Return the day on which YouTube changes how it counts, in the span of 180 days around a time."""
        return self._counting_step(int(at // (_COUNTING_DAYS * _DAY)))

    def _counting_step(self, span: int) -> CountingStep:
        step = self._counting_steps.get(span)
        if step is None:
            rng = Random(mix(self.seed ^ 0xC0DE) ^ mix(span))  # noqa: S311  a world, not a secret
            day = span * _COUNTING_DAYS + rng.randrange(20, _COUNTING_DAYS - 20)
            step = CountingStep(day * _DAY, rng.uniform(1.05, 1.35), rng.random() < 0.5)
            self._counting_steps[span] = step
        return step

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
        curve = ShapedCurve.draw(
            rng,
            born=published,
            popularity=channel.popularity,
            hide_likes=rng.random() < _HIDDEN_LIKES,
            hide_comments=rng.random() < _COMMENTS_OFF,
        )
        curve = self._with_surges(curve, mix((slot << 16) | index), self._numbers[channel.id], short=short)
        premiere = next((decoy for decoy in curve.decoys if decoy.kind is Decoy.PREMIERE), None)
        live_until = published + rng.randint(1, 3) * SLOT if broadcast else 0
        return Video(
            id=self._scrambler.encode(slot, index),
            channel=channel,
            title=title,
            description="" if rng.random() < 0.08 else "\n\n".join(lines[: rng.randint(1, 3)]),
            tags=tags,
            category=theme.category,
            published=published,
            duration=seconds,
            curve=curve,
            deleted=published + _DAY * rng.expovariate(1 / _DELETED_AFTER_DAYS) if rng.random() < _DELETED else None,
            live_until=live_until if premiere is None else int(premiere.end),
        )

    def _with_surges(self, curve: ShapedCurve, place: int, channel: int, *, short: bool) -> ShapedCurve:
        """Return the curve with what happens on top of it; `place` is a number of this video."""
        rng = Random(mix(self.seed ^ 0x5A6E) ^ place)  # noqa: S311  a world, not a secret
        counting = self._counting(curve, short=short)
        surges: list[Surge] = []
        breakouts: list[Breakout] = []
        decoys: list[DecoyTime] = []
        still: tuple[float, float] | None = None
        kind = self._shape(rng)
        if kind is not None:
            first = BreakoutShape.SHARP if kind is BreakoutShape.SECOND_WAVE else kind
            found = draw_breakout(rng, first, draw_start(rng, curve.born), curve.usual)
            if found is not None and kind is BreakoutShape.SECOND_WAVE:
                surges.append(found[0])
                breakouts.append(found[1])
                found = draw_breakout(rng, kind, found[1].end + rng.uniform(12, 72) * 3600, curve.usual)
            if found is not None:
                surges.append(found[0])
                breakouts.append(found[1])
        elif (decoy := self._decoy(rng, short=short)) is not None:
            surge, when = draw_decoy(rng, decoy, curve.born, curve.usual)
            surges.append(surge)
            decoys.append(when)
            if decoy is Decoy.PURCHASED:
                still = when.end, when.end + rng.uniform(6, 24) * 3600
        if not breakouts and BreakoutShape.CHANNEL_WIDE in self.shapes.breakouts:
            for start, times in self._channel_breakouts(channel, curve.born):
                found = draw_breakout(rng, BreakoutShape.CHANNEL_WIDE, start, curve.usual, times=times)
                if found is not None:
                    surges.append(found[0])
                    breakouts.append(found[1])
                    break
        if not surges and not counting:
            return curve
        return replace(
            curve, surges=tuple(surges), still=still, counting=counting, breakouts=tuple(breakouts),
            decoys=tuple(decoys),
        )  # fmt: skip

    def _shape(self, rng: Random) -> BreakoutShape | None:
        if rng.random() >= _BREAKOUTS:
            return None
        shapes = [shape for shape in _SHAPES if shape in self.shapes.breakouts]
        return rng.choices(shapes, [_SHAPES[shape] for shape in shapes])[0] if shapes else None

    def _decoy(self, rng: Random, *, short: bool) -> Decoy | None:
        point = rng.random()
        for decoy, share in _DECOYS.items():
            point -= share
            if point < 0:
                shown = decoy in self.shapes.decoys and not (short and decoy is Decoy.PREMIERE)
                return decoy if shown else None
        return None

    def _counting(self, curve: ShapedCurve, *, short: bool) -> tuple[tuple[float, float], ...]:
        """Return the changes of counting that a video's counts follow, up to a year after its publication."""
        span = int(curve.born // (_COUNTING_DAYS * _DAY))
        steps = [self._counting_step(each) for each in range(span, span + 3)]
        lag = curve.salt % _COUNTING_SECONDS
        return tuple(
            (step.at + lag, step.factor)
            for step in steps
            if step.at + lag > curve.born and (short or not step.shorts_only)
        )

    def _channel_breakouts(self, channel: int, born: float) -> Iterator[tuple[float, float]]:
        """Yield when a channel breaks out as a whole within the first days of a video, and how many times it grows."""
        span = _CHANNEL_DAYS * _DAY
        for number in range(int(born // span), int((born + _CHANNEL_AGE) // span) + 1):
            rng = Random(mix(self.seed ^ 0xC4A2) ^ mix((channel << 20) | number))  # noqa: S311  a world, not a secret
            start, times = (number + rng.random()) * span, 6 * rng.paretovariate(1.5)
            if rng.random() < _CHANNEL_BREAKOUTS and born < start < born + _CHANNEL_AGE:
                yield start, min(times, 40.0)


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
