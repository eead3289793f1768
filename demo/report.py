"""The line that is printed while the demo runs, and the tables at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from atlas.adapters.report import Growth, Totals
from atlas.sanitize import sanitize_line
from atlas.times import iso
from harness.driver.screen import span

__all__ = ["growth_table", "status_line", "summary_table"]

ZONES = {1: "zone 1, under 24 h: hourly", 2: "zone 2, to 7 days: 6-hourly", 3: "zone 3, older: daily"}


def status_line(now: datetime, working: int, totals: Totals) -> str:
    """Return one line about a moment of the run."""
    due = ", ".join(f"{zone}: {tally}" for zone, tally in sorted(totals.due.items()))
    calls = ", ".join(f"{bucket} {calls.reserved}" for bucket, calls in totals.calls.items())
    return (
        f"  {iso(now, 'minutes')} | {working} shards at work | {totals.videos} videos, {totals.snapshots} snapshots | "
        f"due by zone {due} | calls of the day: {calls}"
    )


def growth_table(growing: Sequence[Growth], until: datetime | None = None) -> Table:
    """Return the table of the videos that grow fastest."""
    when = f" up to {until.date()}" if until else ""
    table = Table(title=f"Growing fastest, between their last two snapshots{when}", title_justify="left", expand=True)
    for name in ("views/h", "views", "over", "zone", "age"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in growing:
        table.add_row(
            f"{row.views_per_hour:+,.0f}", f"{row.views:,}", span(row.observed_at - row.previous_at), str(row.zone),
            span(row.observed_at - row.born), Text(sanitize_line(row.title or row.id)),
        )  # fmt: skip
    return table


def summary_table(begin: datetime, before: Totals, after: Totals) -> Table:
    """Return the table of what was found and tracked."""
    table = Table(title="What was found and tracked", title_justify="left")
    for name in ("", "this run", "in all"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row("schedule time", span(after.at - begin), "")
    for name in ("videos", "channels", "snapshots"):
        old, new = getattr(before, name), getattr(after, name)
        table.add_row(name, f"{new.number - old.number:+,}" if new.exact and old.exact else "", str(new))
    statuses = ("active", "waiting", "paused")
    old, new = (sum(totals.queries[status].number for status in statuses) for totals in (before, after))
    table.add_row("search queries", f"{new - old:+,}", f"{new:,}")
    for zone, text in ZONES.items():
        table.add_row(text, "", str(after.tracked[zone]))
    for bucket, calls in after.calls.items():
        table.add_row(f"{bucket} calls of the day", "", f"{calls.reserved:,}")
    return table
