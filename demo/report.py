"""What the demo ends with: the fastest-growing videos, what was found, tracked and spent, and the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table
from rich.text import Text

from atlas.adapters.report import CallCounts, Growth, Totals
from atlas.quota.buckets import Bucket
from atlas.sanitize import sanitize_line
from demo.audit import Audit
from demo.screen import ZONES, Screen, span

__all__ = ["Ending", "growth_table", "problems", "tell"]

_NAMED = 5  # problems that are shown of each kind


@dataclass(frozen=True)
class Ending:
    """What a run came to.

    Attributes:
        begin: schedule time of the run's start.
        until: after this schedule time nothing moves any more (a data set's end), or None.
        before, after: what the database held.
        ours, theirs: calls of this run by bucket: counted in the database, and seen by the sandbox.
        refused: those of them that the sandbox refused because the day's quota was spent.
        early: snapshots that came too soon after the one before.
        held: rows that a shard still holds, though all have ended.
    """

    begin: datetime
    until: datetime | None
    before: Totals
    after: Totals
    growing: Sequence[Growth]
    ours: Mapping[Bucket, CallCounts]
    theirs: Mapping[str, int]
    refused: Mapping[str, int]
    audit: Audit
    early: Sequence[str]
    held: Mapping[str, int]
    processes: int


def growth_table(growing: Sequence[Growth], until: datetime | None = None) -> Table:
    """The fastest-growing videos."""
    when = f" up to {until.date()}" if until else ""
    table = Table(title=f"Growing fastest, between their last two snapshots{when}", title_justify="left", expand=True)
    table.add_column("views/h", justify="right", no_wrap=True)
    table.add_column("views", justify="right", no_wrap=True)
    table.add_column("over", justify="right", no_wrap=True)
    table.add_column("zone", justify="right")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in growing:
        table.add_row(
            f"{row.views_per_hour:+,.0f}", f"{row.views:,}", span(row.observed_at - row.previous_at), str(row.zone),
            span(row.observed_at - row.born), Text(sanitize_line(row.title or row.id)),
        )  # fmt: skip
    return table


def problems(ending: Ending) -> list[str]:
    """What a check found wrong; empty: all is well."""
    found = [f"searched by two: {line}" for line in ending.audit.searched_twice[:_NAMED]]
    found += [f"read by two: {line}" for line in ending.audit.read_twice[:_NAMED]]
    found += [f"snapshot too soon: {line}" for line in ending.early[:_NAMED]]
    found += [f"{shard or 'a shard'} still holds {number} rows" for shard, number in ending.held.items()]
    for bucket in Bucket:
        ours, theirs = ending.ours[bucket], ending.theirs.get(bucket, 0)
        if not ours.reserved == ours.settled == theirs:
            found.append(
                f"{bucket}: {ours.reserved} calls reserved and {ours.settled} settled, but the sandbox saw {theirs}"
            )
        if ours.refused != (refused := ending.refused.get(bucket, 0)):
            found.append(f"{bucket}: {ours.refused} calls counted as refused, but the sandbox refused {refused}")
    return found


def shared_rows(ending: Ending) -> int:
    """How many rows two shards worked on."""
    return len(ending.audit.searched_twice) + len(ending.audit.read_twice) + len(ending.early)


def tell(screen: Screen, ending: Ending) -> bool:
    """Shows all of it. Returns whether every check holds."""
    screen.say("")
    if ending.growing:
        screen.show(growth_table(ending.growing, ending.until))
    screen.show(_summary(ending))
    screen.show(_spent(ending))
    wrong = problems(ending)
    audit = ending.audit
    looked = f"{audit.searches:,} searches, {audit.readings:,} readings and every snapshot looked at"
    shared = shared_rows(ending)
    screen.say(f"{'✗' if shared else '✓'} rows that two shards worked on: {shared} ({looked})", _style(not shared))
    counted = not any("sandbox saw" in line for line in wrong)
    screen.say(
        f"{'✓' if counted else '✗'} calls in the database and in the sandbox's log are equal: {_yes(counted)}",
        _style(counted),
    )
    free = not ending.held
    screen.say(f"{'✓' if free else '✗'} claims left behind: {sum(ending.held.values())}", _style(free))
    if audit.both_found:
        screen.say(
            f"  {audit.both_found:,} videos were found by two searches in the same moment and asked for twice: "
            "a unit of quota for up to 50, stored once"
        )
    for line in wrong:
        screen.say(f"  {line}", "red")
    return not wrong


def _summary(ending: Ending) -> Table:
    before, after = ending.before, ending.after
    table = Table(title="What was found and tracked", title_justify="left")
    for name in ("", "this run", "in all"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row("schedule time", span(after.at - ending.begin), "")
    table.add_row("processes", f"{ending.processes:,}", "")
    for name in ("videos", "channels", "snapshots"):
        old, new = getattr(before, name), getattr(after, name)
        gained = f"{new.number - old.number:+,}" if new.exact and old.exact else ""
        table.add_row(name, gained, str(new))
    statuses = ("active", "waiting", "paused")
    old, new = (sum(totals.queries[status].number for status in statuses) for totals in (before, after))
    table.add_row("search queries", f"{new - old:+,}", f"{new:,}")
    for zone, text in ZONES.items():
        table.add_row(text, "", str(after.tracked[zone]))
    return table


def _spent(ending: Ending) -> Table:
    table = Table(title="What was spent in this run (calls)", title_justify="left")
    table.add_column("bucket")
    for name in ("database", "sandbox's log", "of these refused, which cost nothing"):
        table.add_column(name, justify="right")
    for bucket in Bucket:
        table.add_row(
            bucket, f"{ending.ours[bucket].reserved:,}", f"{ending.theirs.get(bucket, 0):,}",
            f"{ending.refused.get(bucket, 0):,}",
        )  # fmt: skip
    return table


def _style(well: bool) -> str:
    return "green" if well else "bold red"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
