"""`atlas vault verify` and `atlas vault compact`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.adapters.archive import ArchiveDAO
from atlas.background import call_in_background
from atlas.clock import clock
from atlas.commands.archive import configured_archive, damage_printer
from atlas.commands.progress import Progress
from atlas.commands.running import run
from atlas.database import database
from atlas.operations.verify import EXAMPLES, Verification
from atlas.operations.verify import verify as verify_all
from atlas.vault.compaction import compact as compact_day

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVER = float("inf")

app = typer.Typer(no_args_is_help=True, help="Check and compact the archive that VAULT_PROVIDER names.")


@app.command()
def verify(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Correct the marks in the database; a later run archives missing videos.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Repair even if the archive is empty.")] = False,
) -> None:
    """Compare every record of the archive with the database, and every video with the archive.

    Ends with 1 if a record is damaged, if a video that counts as archived has no readable record, or if a recent record
    has no row. Damaged files are named and stay where they are. Shards may run meanwhile.

    \b
      atlas vault verify
      atlas vault verify --repair
    """

    async def work() -> Verification:
        archive = await configured_archive()
        async with database.session():
            with Progress() as progress:
                return await verify_all(
                    archive,
                    ArchiveDAO(),
                    repair=repair,
                    even_if_empty=yes,
                    damaged=damage_printer(progress),
                    progress=progress,
                )

    report = run(work())
    for line in _lines(report, repair=repair):
        typer.echo(line)
    repaired = repair and not report.unread and (yes or not report.empty)
    if repair and report.unread:
        typer.echo("atlas: nothing was repaired: parts could not be read, and may hold what is missing", err=True)
    elif repair and not repaired:
        typer.echo(
            "atlas: nothing was repaired: the archive holds no record at all. Check that VAULT_PROVIDER and its "
            "settings name the right one; with --yes, everything is archived again",
            err=True,
        )
    if report.damaged or report.without_row or (report.missing and not repaired):
        raise typer.Exit(1)


def _lines(report: Verification, *, repair: bool) -> Iterator[str]:
    yield f"archive: {report.records:,} records of {report.days:,} days"
    yield f"database: {report.videos:,} videos"
    yield f"damaged: {report.damaged:,}"
    yield f"missing: {report.missing:,} videos count as archived and have no readable record"
    yield from _examples(report, "missing")
    yield f"without a row: {report.without_row:,} videos have a record and no row in the database"
    yield from _examples(report, "without_row")
    if report.without_row:
        yield "  `atlas rebuild --missing` adds them"
    if report.deleted:
        yield f"deleted: {report.deleted:,} older records are of deleted videos; they expire with their day"
    if report.expired:
        yield f"expired: {report.expired:,} videos count as archived, and their records have expired"
    if report.unmarked:
        yield f"unmarked: {report.unmarked:,} videos have a record and do not count as archived"
    if repair:
        yield f"repaired: {report.repaired:,}"
    elif report.missing or report.expired or report.unmarked:
        yield "  `atlas vault verify --repair` repairs what is missing, expired and unmarked"


def _examples(report: Verification, kind: str) -> Iterator[str]:
    if ids := report.examples[kind]:
        more = getattr(report, kind) - len(ids)
        yield f"  {' '.join(ids)}" + (f" and {more:,} more" if more and len(ids) == EXAMPLES else "")


@app.command()
def compact(
    older_than: Annotated[
        int, typer.Option(metavar="DAYS", min=1, help="Only days that ended at least this many days ago.")
    ] = 2,
) -> None:
    """Pack the single files and the small parts of past days into large parts.

    All records can be read meanwhile; an interrupted run continues the next time. Damaged files stay as they are. Ends
    with 1 if there are any, or if something could not be written.

    \b
      atlas vault compact
      atlas vault compact --older-than 7
    """

    async def work() -> bool:
        archive = await configured_archive(writing=True)
        newest = clock.now().date() - timedelta(days=older_than)
        files = parts = made = records = 0
        wrong = False
        with Progress() as progress:
            show = damage_printer(progress)
            days = await call_in_background(archive.days, seconds=_EVER, name="vault-compact")
            for day in (day for day in days if day <= newest):
                done = await call_in_background(
                    partial(compact_day, archive, day, partial(progress, f"packing {day}")),
                    seconds=_EVER,
                    name="vault-compact",
                )
                for damage in done.damaged:
                    show(damage)
                for path, reason in done.failed.items():
                    progress.clear()
                    typer.echo(f"not packed: {path}: {reason}")
                wrong |= bool(done.damaged or done.failed)
                files, parts, made = files + done.files, parts + done.parts, made + done.made
                records += done.records
        typer.echo(f"{records:,} records: {files:,} files and {parts:,} small parts became {made:,} parts")
        return wrong

    if run(work()):
        raise typer.Exit(1)
