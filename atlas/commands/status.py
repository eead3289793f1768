"""`atlas status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from atlas.adapters.oldest_snapshot import Holder, Horizon, read_horizon
from atlas.adapters.report import Ahead, ReportDAO, Tally, Totals
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.commands.running import run
from atlas.config import settings
from atlas.database import database
from atlas.db.server_info import SCHEMA_VERSION, Inspection, Storage, inspect
from atlas.help import in_program
from atlas.sanitize import sanitize_line
from atlas.snapshots.summary import COUNTED, Summary, summarize
from atlas.times import iso, local

__all__ = ["remedy", "status"]


@dataclass(frozen=True)
class _Status:
    """What the command shows of a database whose schema is current."""

    found: Inspection
    summary: Summary
    totals: Totals
    ahead: Ahead
    horizon: Horizon

    def warnings(self) -> list[str]:
        """Return a line for each thing that needs attention."""
        lines = []
        if (holder := self.horizon.holder) is not None and holder.long:
            lines.append(
                f"the oldest snapshot is {holder}: dead rows stay as long, and claims slow down. {remedy(holder)}"
            )
        newest = self.summary.newest
        if newest is not None and newest > self.totals.at + clock.tolerance:
            lines.append(f"the newest snapshot is of {iso(newest)}, which has not come: a clock was ahead")
        ahead = {"videos": self.ahead.videos, "queries": self.ahead.queries}
        put_off = [f"{tally} {name}" for name, tally in ahead.items() if tally.number]
        if put_off:
            lines.append(
                f"{' and '.join(put_off)} are due later than the schedule allows: a clock was ahead; the next claim "
                "makes them due"
            )
        if self.ahead.calls:
            lines.append(f"{self.ahead.calls:,} API calls are counted for days to come: a clock was ahead")
        return lines


def remedy(holder: Holder) -> str:
    """Return what to run to end the owner of a snapshot."""
    name = holder.name.replace("'", "''")
    if holder.kind == "session":
        return f"To end it: SELECT pg_terminate_backend({name})"
    if holder.since is None:
        return f"To end it: SELECT pg_drop_replication_slot('{name}')"
    return f"To end it: ROLLBACK PREPARED '{name}'"


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for other programs.")] = False,
) -> None:
    """Show the database's server, storage and contents, what is due, and what is wrong.

    Names the session, replication slot or prepared transaction that keeps the oldest snapshot of the database open: it
    slows claims down.
    """

    async def work() -> bool:
        connection = await database.connect()
        try:
            found = await inspect(connection)
            current = found.schema is not None and found.schema >= SCHEMA_VERSION
            summary = await summarize(connection, found) if current else None
        finally:
            await connection.close()
        console = Console()
        if summary is None:
            echo_json(_identity(found), indent=True) if as_json else console.print(_server(found, None))
            return False
        report = ReportDAO()
        shown = _Status(found, summary, await report.totals(), await report.ahead(), await read_horizon())
        if as_json:
            echo_json(_as_json(shown), indent=True)
            return True
        console.print(_server(found, summary, shown.horizon))
        console.print(_contents(shown.totals))
        for line in shown.warnings():
            typer.echo(f"warning: {sanitize_line(line)}", err=True)
        return True

    if not run(work()):
        typer.echo(in_program("The schema is missing or older than this release: run `atlas migrate`."), err=True)
        raise typer.Exit(78)


def _server(found: Inspection, summary: Summary | None, horizon: Horizon | None = None) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("server", f"PostgreSQL {found.server}" + (" (embedded)" if settings.database_url is None else ""))
    table.add_row("database", found.name)
    table.add_row("TimescaleDB", _timescaledb(found))
    table.add_row("schema", f"{found.schema or 'missing'} (this release: {found.expected})")
    if summary is None:
        return table
    for row in _snapshots(found, summary):
        table.add_row(*row)
    if horizon is not None:
        for name, line in zip(("oldest snapshot", ""), _horizon(horizon), strict=False):
            table.add_row(name, Text(sanitize_line(line)))
    days = (
        f"snapshots {settings.retention_statistics_days} days, metadata {settings.retention_metadata_days} days, "
        f"retired videos {settings.retention_retired_days} days, events {settings.retention_events_days} days"
    )
    table.add_row("kept for", f"{days}; `maia janitor` deletes what is older")
    if not settings.youtube_audited:
        table.add_row(
            "derived metrics",
            "velocity, growth and scores need YouTube's acceptance of an audited client (YOUTUBE_AUDITED)",
        )
    return table


def _timescaledb(found: Inspection) -> str:
    if found.timescaledb is None:
        if not found.available:
            return "not on this server"
        return f"{found.available} could be installed" + ("" if found.preloaded else ", once the server preloads it")
    edition = {"apache": "Apache edition", "timescale": "Community edition"}.get(found.edition or "", "edition unknown")
    return f"{found.timescaledb}, {edition}"


def _snapshots(found: Inspection, summary: Summary) -> list[tuple[str, str]]:
    """Describe how the snapshots are stored, their range of time, and what is left to do."""
    hyper = found.storage is Storage.HYPERTABLE
    if hyper:
        lines = [f"in a TimescaleDB hypertable of {summary.parts} chunks"]
    else:
        lines = [f"in {summary.parts} partitions by time, and a default one"]
    if hyper and found.edition == "timescale":
        lines.append("older ones are kept by column, far smaller; by its own policies TimescaleDB keeps the views too")
    else:
        lines.append(
            "no compression, continuous aggregates or policies: the views are computed when they are read, "
            f"and `maia janitor` drops old {'chunks' if hyper else 'partitions and makes new ones'}"
        )
    if summary.oldest and summary.newest:
        oldest, newest = (local(at, "seconds") for at in (summary.oldest, summary.newest))
        lines.append(f"from {oldest} to {newest}")
    if summary.in_default:
        number = Tally(summary.in_default, exact=summary.in_default < COUNTED)
        lines.append(f"{number} in the default partition: `atlas migrate` gives them partitions of their own")
    if not hyper and found.timescaledb is not None:
        lines.append("TimescaleDB is there: `atlas migrate --to-timescaledb` moves them into a hypertable")
    views = [f"{name}{' (kept)' if kept else ''}" for name, kept in sorted(summary.views.items())]
    return [
        *zip(["snapshots", *[""] * len(lines)], lines, strict=False),
        ("views", ", ".join(views) or "none: run `atlas migrate`"),
    ]


def _horizon(horizon: Horizon) -> list[str]:
    """Describe who holds the oldest snapshot, and which sessions are hidden."""
    lines = [str(horizon.holder) if horizon.holder is not None else "none is held"]
    if horizon.hidden:
        lines.append(
            f"{horizon.hidden:,} session(s) of other users are hidden from {horizon.reader}: GRANT pg_read_all_stats "
            f"TO {horizon.reader}"
        )
    return lines


def _contents(totals: Totals) -> Table:
    table = Table("table", "rows", "of which", box=None)
    queries = ", ".join(f"{tally} {status}" for status, tally in totals.queries.items() if tally.number)
    table.add_row("search_queue", str(_sum(totals)), queries or "fill it: maia queue add")
    table.add_row("videos", str(totals.videos), _in_zones(totals.tracked))
    table.add_row("video_stats_log", str(totals.snapshots))
    table.add_row("channels", str(totals.channels))
    table.add_row("events", str(totals.events))
    table.add_row("runs", str(totals.runs))
    due = {zone: tally for zone, tally in totals.due.items() if tally.number}
    table.add_row("due now", _in_zones(due) or "no video")
    calls = ", ".join(
        f"{bucket} {calls.spent:,}" + (f" ({calls.refused:,} refused)" if calls.refused else "")
        for bucket, calls in totals.calls.items()
        if calls.reserved
    )
    table.add_row("API calls today", calls or "none")
    return table


def _in_zones(tallies: Mapping[int, Tally]) -> str:
    return ", ".join(f"{tally} in zone {zone}" for zone, tally in sorted(tallies.items()))


def _sum(totals: Totals) -> Tally:
    kept = [tally for status, tally in totals.queries.items() if status != "leased"]
    return Tally(sum(tally.number for tally in kept), exact=all(tally.exact for tally in kept))


def _identity(found: Inspection) -> dict[str, Any]:
    """Return what is shown of any database."""
    return {
        "server": {"version": found.server, "embedded": settings.database_url is None, "database": found.name},
        "timescaledb": {"version": found.timescaledb, "edition": found.edition, "available": found.available},
        "schema": {"version": found.schema, "expected": found.expected},
    }


def _as_json(shown: _Status) -> dict[str, Any]:
    """Return the object that docs/troubleshooting.md describes."""
    found, summary, totals, horizon = shown.found, shown.summary, shown.totals, shown.horizon
    return {
        **_identity(found),
        "at": iso(totals.at),
        "snapshots": {
            "storage": found.storage, "parts": summary.parts, "oldest": _time(summary.oldest),
            "newest": _time(summary.newest), "in_default": summary.in_default, "views": summary.views,
        },
        "retention_days": {
            "statistics": settings.retention_statistics_days, "metadata": settings.retention_metadata_days,
            "retired": settings.retention_retired_days, "events": settings.retention_events_days,
        },
        "tables": {
            "search_queue": asdict(_sum(totals)), "videos": asdict(totals.videos),
            "video_stats_log": asdict(totals.snapshots), "channels": asdict(totals.channels),
            "events": asdict(totals.events), "runs": asdict(totals.runs),
        },
        "queries": _tallies(totals.queries),
        "tracked": _tallies(totals.tracked),
        "due": _tallies(totals.due),
        "calls_today": {str(bucket): {**asdict(calls), "spent": calls.spent} for bucket, calls in totals.calls.items()},
        "ahead": asdict(shown.ahead),
        "oldest_snapshot": horizon.holder and {**asdict(horizon.holder), "since": _time(horizon.holder.since)},
        "hidden_sessions": horizon.hidden,
        "warnings": shown.warnings(),
    }  # fmt: skip


def _tallies(tallies: Mapping[Any, Tally]) -> dict[str, Any]:
    return {str(name): asdict(tally) for name, tally in tallies.items()}


def _time(moment: datetime | None) -> str | None:
    return iso(moment.astimezone(UTC)) if moment else None
