"""`atlas migrate`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from atlas.adapters.queue import QueueDAO
from atlas.commands.progress import Progress
from atlas.commands.running import run
from atlas.database import database
from atlas.db.server_info import Storage
from atlas.snapshots import conversion

_STORAGE = {Storage.HYPERTABLE: "in a TimescaleDB hypertable", Storage.PARTITIONED: "in partitions by time"}


def migrate(
    to_timescaledb: Annotated[
        bool,
        typer.Option(
            "--to-timescaledb",
            help="Move the snapshots into a TimescaleDB hypertable; run it while no agent runs.",
        ),
    ] = False,
) -> None:
    """Bring the schema up to this release. Safe to repeat, and to start several times in parallel.

    All revisions run in one transaction. Where TimescaleDB can be used and there are no snapshots yet, they go into a
    hypertable; elsewhere into partitions by time. The user of DATABASE_URL has to own the schema; agents need no such
    right afterwards.
    """
    from atlas.schema.migrate import migrate as run_migrations  # noqa: PLC0415  Alembic is slow to import

    async def work() -> None:
        done = await run_migrations(database, prepare_snapshots=not to_timescaledb)
        if done.before == done.after:
            typer.echo(f"The schema is {done.after}: nothing to do.")
        else:
            await QueueDAO().adopt()
            typer.echo(f"The schema was {done.before or 'missing'} and is {done.after} now.")
        if to_timescaledb:
            await _convert()
        if done.storage is not None:
            typer.echo(f"video_stats_log is {_STORAGE[done.storage]}.")

    interrupted = "interrupted" + "; the snapshots are where they were" * to_timescaledb
    run(work(), interrupted=interrupted)


async def _convert() -> None:
    with Progress() as progress:
        done = await conversion.to_timescaledb(database, _announce, progress)
    if done is None:
        typer.echo("video_stats_log is in a TimescaleDB hypertable already: nothing to do.")
    else:
        typer.echo(
            f"video_stats_log is in a TimescaleDB hypertable now: {done.rows:,} snapshots in {done.seconds:,.1f} s."
        )


def _announce(estimate: conversion.Estimate) -> None:
    duration = timedelta(seconds=round(estimate.seconds))
    typer.echo(
        f"Converting {estimate.size / 1e6:,.0f} MB of snapshots takes about {duration} (h:mm:ss). Agents wait "
        "for a minute meanwhile, then end with code 69. Ctrl-C leaves everything as it was.",
        err=True,
    )
