"""`atlas rebuild`."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas.adapters.archive import ArchiveDAO
from atlas.commands.archive import configured_archive, damage_printer
from atlas.commands.progress import Progress
from atlas.commands.running import run
from atlas.database import database
from atlas.operations.rebuild import Rebuilt
from atlas.operations.rebuild import rebuild as rebuild_all


def rebuild(
    *,
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Add the videos that the database lacks; also continues an interrupted run."),
    ] = False,
) -> None:
    """Fill an empty database from the archive alone: videos, channels, tags, first snapshots.

    The newest record of a video gives its metadata, the oldest its first snapshot. The archive does not hold later
    snapshots, the search queue, the state of keys, and events. Ends with 1 if something is damaged: it is named, and
    the rest is rebuilt.

    \b
      atlas migrate && atlas rebuild
      atlas rebuild --missing
    """

    async def work() -> Rebuilt:
        archive = await configured_archive()
        async with database.session():
            with Progress() as progress:
                return await rebuild_all(
                    archive, ArchiveDAO(), missing=missing, damaged=damage_printer(progress), progress=progress
                )

    done = run(work(), interrupted="interrupted; `atlas rebuild --missing` continues")
    typer.echo(
        f"{done.records:,} records of {done.days:,} days: {done.videos:,} new videos, {done.refreshed:,} refreshed, "
        f"{done.damaged:,} damaged"
    )
    if not done.records:
        typer.echo(
            "atlas: the archive holds no record: do VAULT_PROVIDER and its settings name the right one?", err=True
        )
    if done.damaged or not done.records:
        raise typer.Exit(1)
