"""`atlas migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas.adapters.queue import QueueDAO
from atlas.commands.running import run
from atlas.database import database
from atlas.db.server_info import Storage
from atlas.snapshots import conversion

__all__ = ["migrate"]

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
    from atlas.schema.migrate import migrate as run_migrations  # noqa: PLC0415  Alembic is slow to import

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
