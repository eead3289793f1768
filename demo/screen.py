"""What is seen: a live view on a terminal, plain lines everywhere else."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from atlas.adapters.report import Totals
from atlas.quota.buckets import Bucket
from atlas.sanitize import sanitize
from atlas.times import iso
from demo.calls import Call, spent
from demo.shards import Place

__all__ = ["ZONES", "Screen", "View", "span"]

ZONES = {1: "zone 1, under 24 h: hourly", 2: "zone 2, to 7 days: 6-hourly", 3: "zone 3, older: daily"}
_PLAIN_PAUSE = 3.0  # seconds between two plain lines


@dataclass(frozen=True)
class View:
    """What is going on at one moment.

    Attributes:
        schedule, begin: the schedule clock now, and when this run began.
        share: how much of the demo's time is over, 0 to 1.
        calls: all calls of this run.
    """

    schedule: datetime
    begin: datetime
    share: float
    places: Sequence[Place]
    totals: Totals
    calls: Sequence[Call]


class Screen:
    """Where the demo speaks. Text of others (titles, queries, logs) is never read as markup."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._live: Live | None = None
        self._last_line = 0.0

    @property
    def lively(self) -> bool:
        """Whether this is a terminal that can be drawn on."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def say(self, text: str, style: str | None = None) -> None:
        """A line."""
        self.console.print(Text(sanitize(text, keep="\n\t"), style=style or ""), soft_wrap=True)

    def show(self, thing: RenderableType) -> None:
        """A table."""
        self.console.print(thing)

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """Something that takes a moment: said while it lasts, with how long it took and what is put in the list."""
        began = time.monotonic()
        notes: list[str] = []
        if self.lively:
            with self.console.status(f"{escape(what)} …"):
                yield notes
        else:
            self.say(f"… {what}")
            yield notes
        said = f": {', '.join(notes)}" if notes else ""
        self.say(f"✓ {what}{said} ({time.monotonic() - began:.1f} s)")

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While ``update`` is called."""
        if not self.lively:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def update(self, view: View) -> None:
        """Shows the moment."""
        if self._live is not None:
            self._live.update(_picture(view), refresh=True)
        elif time.monotonic() - self._last_line >= _PLAIN_PAUSE:
            self._last_line = time.monotonic()
            self.say(_line(view))


def _line(view: View) -> str:
    due = ", ".join(f"{zone}: {tally}" for zone, tally in sorted(view.totals.due.items()))
    calls = ", ".join(f"{bucket} {number}" for bucket, number in _spent(view.calls).items())
    working = sum(place.doing == "works" for place in view.places)
    return (
        f"  {iso(view.schedule, 'minutes')} | {working} of {len(view.places)} shards at work | "
        f"{view.totals.videos} videos, {view.totals.snapshots} snapshots | due by zone {due} | calls: {calls}"
    )


def _picture(view: View) -> RenderableType:
    return Group(_clock(view), _shards(view), _totals(view))


def _clock(view: View) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    bar = ProgressBar(total=1.0, completed=min(view.share, 1.0), width=16)
    passed = span(view.schedule - view.begin)
    grid.add_row(Text(f"schedule clock {iso(view.schedule, 'minutes')}", style="bold"), bar, f"{passed} passed")
    return grid


def _shards(view: View) -> Table:
    table = Table(expand=True)
    table.add_column("shard", no_wrap=True, min_width=11)
    for bucket in Bucket:
        table.add_column(bucket, justify="right", no_wrap=True, min_width=len(bucket))
    table.add_column("what it does", no_wrap=True, overflow="ellipsis", ratio=1)
    for place in view.places:
        calls = spent(list(view.calls), place.name)
        doing = (place.last_cycle() or "starts") if place.doing == "works" else place.doing
        table.add_row(place.name, *(f"{calls[bucket]:,}" for bucket in Bucket), Text(doing))
    table.add_section()
    table.add_row("calls", *(f"{number:,}" for number in _spent(view.calls).values()), "")
    return table


def _totals(view: View) -> Table:
    totals, queries = view.totals, view.totals.queries
    table = Table.grid(padding=(0, 3))
    for justify in ("left", "right", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_row("videos", str(totals.videos), "", "tracked", "due")
    rows: list[tuple[str, str]] = [
        ("snapshots", str(totals.snapshots)),
        ("channels", str(totals.channels)),
        ("queries to search", str(queries["active"])),
    ]
    for (name, number), zone in zip(rows, ZONES, strict=True):
        table.add_row(name, number, ZONES[zone], str(totals.tracked[zone]), str(totals.due[zone]))
    return table


def _spent(calls: Sequence[Call]) -> Mapping[str, int]:
    counted: Counter[str] = spent(list(calls))
    return {bucket: counted[bucket] for bucket in Bucket}


def span(time: timedelta) -> str:
    """A length of time as people say it: ``2 d 5 h``, ``3 h 20 min``, ``4 min``."""
    minutes = round(time.total_seconds() / 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"
