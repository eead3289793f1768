"""The world, the clock and the queries of a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from atlas.clock import Clock
from atlas.times import iso
from demo.options import DemoOptions
from demo.state import State, start_clock

if TYPE_CHECKING:
    from youtube_sandbox.dataset import Dataset, DatasetVideo

SEEDS = (
    "gaming", "technology", "music", "champions league", "python tutorial", "lofi hip hop", "sourdough bread",
    "black hole", "van life", "marathon training", "index funds", "3d printer",
)  # fmt: skip
"""Queries for the sandbox's own world; the Snowball finds the rest."""

_SPEED = 7_200.0  # schedule seconds a second: two hours
_WINDOW_HOURS = 14 * 24.0  # videos of all three zones are found at once
_DATASET_WINDOW_HOURS = 60 * 24.0
_DAY = timedelta(days=1)
_SHORTEST = 5.0  # seconds; less shows nothing
_SHORTEST_WORD = 4
_LONGEST_QUERY = 60
_STOP_WORDS = """
about after again against being best could down ever every first from full have here into just last like live
make most much news official over part really season some than that their them then there these they this time
trailer under very video want week were what when where which while will with would year years your
"""


@dataclass(frozen=True)
class Scene:
    """A run.

    Attributes:
        begin: where its schedule clock begins.
        window_hours: how old a video may be that the Hunter looks for.
        dataset: the data set that is replayed; None: the sandbox's own world.
        past: whether the data set's days had all passed before.
    """

    number: int
    clock: Clock
    begin: datetime
    window_hours: float
    queries: list[str]
    dataset: Dataset | None = None
    past: bool = False

    @property
    def until(self) -> datetime | None:
        """The schedule time after which nothing moves any more."""
        return self.dataset.last if self.dataset else None

    def seconds(self, wanted: float, now: datetime) -> float:
        """Return how long the shards work, in real seconds: no longer than the data set lasts, unless it is over."""
        if self.dataset is None or self.past:
            return wanted
        return min(wanted, max(self.clock.real_seconds(self.dataset.last - self.clock.at(now)), _SHORTEST))

    def state(self, ends: datetime, ended: datetime | None = None) -> State:
        """Return what the next run needs to know: see State."""
        return State(self.number, str(self.clock), ends.isoformat(), ended.isoformat() if ended else None)


def make_scene(options: DemoOptions, dataset: Dataset | None, before: State | None, now: datetime) -> Scene:
    """Return the scene of a run that begins at the real time ``now``, and goes on from the run before."""
    hours = options.hours * 3600 if options.hours else None
    if dataset is None:
        clock = start_clock(before, now, round(hours / options.seconds) if hours else _SPEED, now)
        window, queries = _WINDOW_HOURS, list(SEEDS)
    else:
        lasts = max(dataset.last - dataset.first, _DAY).total_seconds()
        clock = start_clock(before, dataset.first, round((hours or lasts) / options.seconds), now)
        window, queries = _DATASET_WINDOW_HOURS, frequent(dataset.videos)
    begin = clock.at(now)
    past = dataset is not None and begin >= dataset.last
    return Scene(before.runs + 1 if before else 1, clock, begin, window, queries, dataset, past)


def frequent(records: Sequence[DatasetVideo], number: int = 40) -> list[str]:
    """Return the words and tags that most videos of a data set share; three in four are tags, if there are enough."""
    tags = _ranked(tag for record in records for tag in {" ".join(tag.casefold().split()) for tag in record.tags})
    words = _ranked(
        word
        for record in records
        for word in {match.casefold() for match in re.findall(r"[^\W\d_]+", record.title)}
        if len(word) >= _SHORTEST_WORD and word not in _STOP_WORDS.split()
    )
    most_tags = [tag for tag in tags if 2 <= len(tag) <= _LONGEST_QUERY][: number - number // 4]
    return list(dict.fromkeys([*most_tags, *words]))[:number]


def _ranked(items: Iterable[str]) -> list[str]:
    """Sort by frequency, then by text, so that the result does not depend on the order."""
    counts = Counter(items)
    return sorted(counts, key=lambda item: (-counts[item], item))


def describe(scene: Scene) -> list[tuple[str, str | None]]:
    """Return lines about the run, and their style."""
    lines: list[tuple[str, str | None]] = []
    dataset = scene.dataset
    if dataset is not None:
        days = (dataset.last - dataset.first + _DAY).days
        skipped = f", {dataset.skipped.total()} malformed rows skipped" if dataset.skipped else ""
        text = (
            f"Data set {dataset.name}: {len(dataset.videos):,} videos, {dataset.rows:,} daily counts, "
            f"{dataset.first.date()} to {dataset.last.date()} ({days} days){skipped}."
        )
        lines.append((text, None))
        if not dataset.published_known:
            lines.append(("It has no publish times: a video's age counts from the day it was first seen.", "yellow"))
    hours = scene.clock.speed / 3600
    lines.append((f"The schedule clock runs faster: 1 s here = {hours:.3g} h of schedule time.", "bold"))
    if scene.number > 1:
        lines.append((f"Run {scene.number} goes on from {iso(scene.begin, 'minutes')}, with the same data.", None))
    if scene.past:
        text = "The data set's days have all passed: its counts stand still. `make clean` begins anew."
        lines.append((text, "yellow"))
    return lines
