"""`atlas migrate` and `atlas status`."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from atlas.adapters.report import ReportDAO, Tally, Totals
from atlas.commands.running import run
from atlas.config import settings
from atlas.database import database
from atlas.inspection import SCHEMA_VERSION, Inspection, inspect

__all__ = ["migrate", "status"]


def migrate() -> None:
    """Bring the schema up to this release. Safe to repeat, and when many start at once.

    All revisions run in one transaction. Where TimescaleDB can be had, snapshots go into a hypertable. The user of
    DATABASE_URL has to own the schema; agents need no such right afterwards.
    """
    from atlas.schema import migrate as run_migrations  # noqa: PLC0415  Alembic is slow to import

    async def work() -> None:
        done = await run_migrations(database)
        if done.before == done.after:
            typer.echo(f"The schema is {done.after}: nothing to do.")
        else:
            typer.echo(f"The schema was {done.before or 'missing'} and is {done.after} now.")
        kind = "a TimescaleDB hypertable" if done.hypertable else "a plain table"
        typer.echo(f"video_stats_log is {kind}.")

    run(work())


def status() -> None:
    """Show what the database is, and what it holds and has due."""

    async def work() -> bool:
        connection = await database.connect()
        try:
            found = await inspect(connection)
        finally:
            await connection.close()
        console = Console()
        console.print(_server(found))
        if found.schema is None or found.schema < SCHEMA_VERSION:
            return False
        console.print(_contents(await ReportDAO().totals()))
        return True

    if not run(work()):
        typer.echo("The schema is missing or older than this release: run `atlas migrate`.", err=True)
        raise typer.Exit(78)


def _server(found: Inspection) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("server", f"PostgreSQL {found.server}" + (" (embedded)" if settings.database_url is None else ""))
    table.add_row("database", found.name)
    table.add_row("TimescaleDB", _timescaledb(found))
    table.add_row("snapshots", "in a hypertable" if found.hypertable else "in a plain table")
    table.add_row("schema", f"{found.schema or 'missing'} (this release: {found.expected})")
    return table


def _timescaledb(found: Inspection) -> str:
    if found.timescaledb is None:
        return f"{found.available} could be installed" if found.available else "not on this server"
    edition = {
        "apache": "Apache edition: hypertables, without compression, continuous aggregates and policies",
        "timescale": "Community edition",
    }.get(found.edition or "", "edition unknown")
    return f"{found.timescaledb}, {edition}"


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
    calls = ", ".join(f"{bucket} {calls.reserved:,}" for bucket, calls in totals.calls.items() if calls.reserved)
    table.add_row("API calls today", calls or "none")
    return table


def _sum(totals: Totals) -> Tally:
    kept = [tally for status, tally in totals.queries.items() if status != "leased"]
    return Tally(sum(tally.number for tally in kept), exact=all(tally.exact for tally in kept))
