"""`maia janitor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from atlas.adapters.retention import Outlook
from atlas.sanitize import sanitize_line
from atlas.vault.expiry import ArchiveOutlook
from maia.commands.agents import (
    MOST_MINUTES,
    MOST_ROWS,
    JsonLogs,
    MetricsPort,
    ResultFile,
    Verbose,
    parse_shard,
)
from maia.runtime.logs import set_up_logging

BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size", min=1, max=MOST_ROWS, help="Rows that one transaction deletes; default: JANITOR_BATCH_SIZE."
    ),
]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=MOST_MINUTES,
        help="Start nothing new after this many minutes; 0: no limit.",
    ),
]
ShardOption = Annotated[
    str,
    typer.Option(metavar="I/N", help="Name of one of N processes, I from 0."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Delete nothing; show what would be deleted, and why.")]
Yes = Annotated[bool, typer.Option("--yes", help="Delete even more than the bound (JANITOR_MAX_SHARE).")]
AsJson = Annotated[bool, typer.Option("--json", help="With --dry-run: print one JSON object.")]


def janitor(
    batch_size: BatchSize = None,
    max_minutes: MaxMinutes = None,
    shard: ShardOption = "0/1",
    result_file: ResultFile = None,
    metrics_port: MetricsPort = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Delete data that is older than its retention, from the database and the archive.

    Run it once a day, also while other agents run. It needs the database and the archive, but no key. The RETENTION
    settings say how long data is kept; see the page below.

    If a run would delete more than 1,000 rows of a table, and more than the bound, it deletes nothing and ends with 2,
    unless --yes confirms it.

    \b
      maia janitor --dry-run
      maia janitor --max-minutes 20 --result-file result.json
    """
    from maia.janitor import JanitorOptions, run  # noqa: PLC0415  the agents do not pay for its imports

    if as_json and not dry_run:
        raise typer.BadParameter("it shows what a dry run would delete: give --dry-run too", param_hint="--json")
    set_up_logging(json=json_logs, verbose=verbose)
    show = _print_json if as_json else _print
    run(
        JanitorOptions(
            parse_shard(shard), batch_size, max_minutes or None, result_file, dry_run, yes, show, metrics_port
        )
    )


def _print(outlook: Outlook, archive: ArchiveOutlook | None) -> None:
    """Print what would be deleted, by table and reason, each with the first few rows."""
    for part in outlook.expired:
        typer.echo(f"{part.table}, {part.reason}: {part.rows:,} of {outlook.totals[part.table]:,} rows")
        for row in part.sample:
            typer.echo(f"  {sanitize_line(row.id)}  {sanitize_line(row.title or '')}".rstrip())
        if part.sample and part.rows > len(part.sample):
            typer.echo(f"  and {part.rows - len(part.sample):,} more")
    if archive is not None and archive.old:
        typer.echo(f"archive, old: {archive.old:,} of {archive.total:,} days")
    for line in _beyond(outlook, archive):
        typer.echo(f"needs --yes: {line}")


def _print_json(outlook: Outlook, archive: ArchiveOutlook | None) -> None:
    """Print the same as JSON, as docs/retention.md describes it."""
    expired = [{**asdict(part), "total": outlook.totals[part.table]} for part in outlook.expired]
    days = None if archive is None else {"days": archive.old, "total": archive.total}
    found = {"expired": expired, "archive": days, "needs_yes": _beyond(outlook, archive)}
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _beyond(outlook: Outlook, archive: ArchiveOutlook | None) -> list[str]:
    from maia.janitor import beyond  # noqa: PLC0415  see above

    return beyond(outlook, archive)
