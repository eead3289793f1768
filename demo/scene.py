"""The world, the clock and the queries of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from atlas.clock import Clock
from atlas.times import iso
from demo.options import Options
from demo.queries import SEEDS, frequent
from demo.state import State, start_clock
from youtube_sandbox.dataset import Dataset

__all__ = ["Scene", "describe", "make_scene"]

_SPEED = 7_200.0  # schedule seconds a second: two hours
_WINDOW_HOURS = 14 * 24.0  # videos of all three zones are found at once
_DATASET_WINDOW_HOURS = 60 * 24.0
_DAY = timedelta(days=1)
_SHORTEST = 5.0  # seconds; less shows nothing


@dataclass(frozen=True)
class Scene:
    """A run.

    Attributes:
        begin: where its schedule clock begins.
        window_hours: how old a video may be that the Hunter looks for.
        dataset: what is replayed; None: the sandbox's own world.
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
        """How long the shards work, in real seconds: no longer than the data set lasts, unless it is over anyway.

        Args:
            wanted: at most so long.
            now: real time.
        """
        if self.dataset is None or self.past:
            return wanted
        return min(wanted, max(self.clock.real_seconds(self.dataset.last - self.clock.at(now)), _SHORTEST))

    def state(self, ends: datetime, ended: datetime | None = None) -> State:
        """What is kept of it for the next run.

        Args:
            ends: real time until when its shards work.
            ended: where its schedule clock stopped.
        """
        return State(self.number, str(self.clock), ends.isoformat(), ended.isoformat() if ended else None)


def make_scene(options: Options, dataset: Dataset | None, before: State | None, now: datetime) -> Scene:
    """The scene of a run that begins at the real time ``now``, and goes on from the run before."""
    hours = options.hours * 3600 if options.hours else None
    if dataset is None:
        clock = start_clock(before, now, round(hours / options.seconds) if hours else _SPEED, now)
        window, queries = _WINDOW_HOURS, list(SEEDS)
    else:
        lasts = max(dataset.last - dataset.first, _DAY).total_seconds()
        clock = start_clock(before, dataset.first, round((hours or lasts) / options.seconds), now)
        window, queries = _DATASET_WINDOW_HOURS, frequent(dataset.records)
    begin = clock.at(now)
    past = dataset is not None and begin >= dataset.last
    return Scene(before.runs + 1 if before else 1, clock, begin, window, queries, dataset, past)


def describe(scene: Scene) -> list[tuple[str, str | None]]:
    """Return lines about the run, and their style."""
    lines: list[tuple[str, str | None]] = []
    dataset = scene.dataset
    if dataset is not None:
        days = (dataset.last - dataset.first + _DAY).days
        skipped = f", {dataset.skipped.total()} malformed rows skipped" if dataset.skipped else ""
        lines.append(
            (
                f"Data set {dataset.name}: {len(dataset.records):,} videos, {dataset.rows:,} daily counts, "
                f"{dataset.first.date()} to {dataset.last.date()} ({days} days){skipped}.",
                None,
            )
        )
        if not dataset.published_known:
            lines.append(("It has no publish times: a video's age counts from the day it was first seen.", "yellow"))
    hours = scene.clock.speed / 3600
    lines.append((f"The schedule clock runs faster: 1 s here = {hours:.3g} h of schedule time.", "bold"))
    if scene.number > 1:
        lines.append((f"Run {scene.number} goes on from {iso(scene.begin, 'minutes')}, with the same data.", None))
    if scene.past:
        lines.append(
            ("The data set's days have all passed: its counts stand still. `make clean` begins anew.", "yellow")
        )
    return lines
