"""`atlas migrate` and `atlas status`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from atlas.adapters.queue import QueueDAO
from atlas.adapters.report import ReportDAO, Tally, Totals
from atlas.commands.running import run
from atlas.config import settings
from atlas.database import database
from atlas.inspection import SCHEMA_VERSION, Inspection, Storage, inspect
from atlas.snapshots import conversion
from atlas.snapshots.moving import Purpose
from atlas.snapshots.summary import COUNTED, Summary, summarize
from atlas.times import iso

__all__ = ["migrate", "status"]

_IN = {Storage.HYPERTABLE: "in a TimescaleDB hypertable", Storage.PARTITIONED: "in partitions by time"}


def migrate(
    to_timescaledb: Annotated[
        bool,
        typer.Option(
            "--to-timescaledb",
            help="Copy the snapshots of plain PostgreSQL into a TimescaleDB hypertable, while shards write. "
            "Goes on where it was interrupted.",
        ),
    ] = False,
    undo_conversion: Annotated[
        bool, typer.Option("--undo-conversion", help="Give up a conversion that has not ended, and drop the copy.")
    ] = False,
) -> None:
    """Bring the schema up to this release. Safe to repeat, and when many start at once.

    All revisions run in one transaction. Where TimescaleDB can be had and there are no snapshots yet, they go into a
    hypertable; elsewhere into partitions by time. The user of DATABASE_URL has to own the schema; agents need no such
    right afterwards.
    """
    from atlas.schema import migrate as run_migrations  # noqa: PLC0415  Alembic is slow to import

    if to_timescaledb and undo_conversion:
        raise typer.BadParameter("--to-timescaledb and --undo-conversion are opposites")

    async def work() -> None:
        done = await run_migrations(database, prepare_snapshots=not (to_timescaledb or undo_conversion))
        if done.before == done.after:
            typer.echo(f"The schema is {done.after}: nothing to do.")
        else:
            await QueueDAO().adopt()
            typer.echo(f"The schema was {done.before or 'missing'} and is {done.after} now.")
        if to_timescaledb:
            await _convert()
        elif undo_conversion:
            given_up = await conversion.give_up(database)
            typer.echo("The copy is dropped." if given_up else "No conversion is under way.")
        if done.storage is not None:
            typer.echo(f"video_stats_log is {_IN[done.storage]}.")

    run(work())


async def _convert() -> None:
    told = ""

    def progress(part: str, done: int, pages: int) -> None:
        nonlocal told
        line = f"{part}: {done * 100 // pages // 5 * 5} % copied"
        if line != told:
            typer.echo(line, err=True)
            told = line

    done = await conversion.to_timescaledb(database, progress)
    if done is None:
        typer.echo("video_stats_log is in a TimescaleDB hypertable already: nothing to do.")
    else:
        typer.echo(
            f"video_stats_log is in a TimescaleDB hypertable now: {done.rows:,} snapshots, compared one by one, in "
            f"{done.seconds:,.1f} s; nobody could use it for {done.locked * 1000:,.0f} ms."
        )


def status() -> None:
    """Show what the database is and what that means, what it holds, for how long, and what is due."""

    async def work() -> bool:
        connection = await database.connect()
        try:
            found = await inspect(connection)
            current = found.schema is not None and found.schema >= SCHEMA_VERSION
            summary = await summarize(connection, found) if current else None
        finally:
            await connection.close()
        console = Console()
        console.print(_server(found, summary))
        if not current:
            return False
        console.print(_contents(await ReportDAO().totals()))
        return True

    if not run(work()):
        typer.echo("The schema is missing or older than this release: run `atlas migrate`.", err=True)
        raise typer.Exit(78)


def _server(found: Inspection, summary: Summary | None) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("server", f"PostgreSQL {found.server}" + (" (embedded)" if settings.database_url is None else ""))
    table.add_row("database", found.name)
    table.add_row("TimescaleDB", _timescaledb(found))
    table.add_row("schema", f"{found.schema or 'missing'} (this release: {found.expected})")
    if summary is None:
        return table
    for row in _snapshots(found, summary):
        table.add_row(*row)
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
    """What the snapshots are in and what that means, where they begin and end, and what is left to do."""
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
        lines.append(f"from {iso(summary.oldest)} to {iso(summary.newest)}")
    if summary.in_default:
        number = Tally(summary.in_default, exact=summary.in_default < COUNTED)
        lines.append(f"{number} in the default partition: `atlas migrate` gives them partitions of their own")
    if summary.copying is Purpose.CONVERT:
        lines.append(f"{summary.copied:.0%} are copied: `atlas migrate --to-timescaledb` goes on")
    elif not hyper and found.timescaledb is not None:
        lines.append("TimescaleDB is there: `atlas migrate --to-timescaledb` moves them into a hypertable")
    views = [f"{name}{' (kept)' if kept else ''}" for name, kept in sorted(summary.views.items())]
    return [
        *zip(["snapshots", *[""] * len(lines)], lines, strict=False),
        ("views", ", ".join(views) or "none: run `atlas migrate`"),
    ]


def _contents(totals: Totals) -> Table:
    table = Table("table", "rows", "of which", box=None)
    queries = ", ".join(f"{tally} {status}" for status, tally in totals.queries.items() if tally.number)
    tracked = ", ".join(f"{tally} in zone {zone}" for zone, tally in sorted(totals.tracked.items()))
    table.add_row("search_queue", str(_sum(totals)), queries or "fill it: maia queue add")
    table.add_row("videos", str(totals.videos), tracked)
    table.add_row("video_stats_log", str(totals.snapshots))
    table.add_row("channels", str(totals.channels))
    table.add_row("events", str(totals.events))
    table.add_row("runs", str(totals.runs))
    due = ", ".join(f"{tally} in zone {zone}" for zone, tally in sorted(totals.due.items()) if tally.number)
    table.add_row("due now", due or "no video")
    calls = ", ".join(
        f"{bucket} {calls.spent:,}" + (f" ({calls.refused:,} refused)" if calls.refused else "")
        for bucket, calls in totals.calls.items()
        if calls.reserved
    )
    table.add_row("API calls today", calls or "none")
    return table


def _sum(totals: Totals) -> Tally:
    kept = [tally for status, tally in totals.queries.items() if status != "leased"]
    return Tally(sum(tally.number for tally in kept), exact=all(tally.exact for tally in kept))
