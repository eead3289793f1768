"""The line that is printed while the demo runs."""

from __future__ import annotations

from datetime import datetime

from atlas.adapters.report import Totals
from atlas.times import iso


def status_line(now: datetime, working: int, totals: Totals) -> str:
    """Return one line about a moment of the run."""
    due = ", ".join(f"{zone}: {tally}" for zone, tally in sorted(totals.due.items()))
    calls = ", ".join(f"{bucket} {calls.reserved}" for bucket, calls in totals.calls.items())
    return (
        f"  {iso(now, 'minutes')} | {working} shards at work | {totals.videos} videos, {totals.snapshots} snapshots | "
        f"due by zone {due} | calls of the day: {calls}"
    )
