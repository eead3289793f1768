"""`maia keys`: rings, buckets, suspensions with their reasons; lift one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.keys import KeyDAO, KeyReport, Lifted
from atlas.clock import clock
from atlas.config import settings
from atlas.config.keypool import KeyPool
from atlas.database import database
from atlas.errors import ConfigError
from atlas.sanitize import sanitize_line
from atlas.times import local
from maia.commands.running import run

app = typer.Typer(help="Show the key rings, what each key has spent today, and what is suspended.")


@app.callback(invoke_without_command=True)
def keys(context: typer.Context) -> None:
    """Show the key rings, what each key has spent today, and what is suspended.

    Keys appear by their fingerprint. Keys that YouTube has shown to belong to one Google Cloud project share its quota
    and are shown as one. The day ends at midnight Pacific.
    """
    if context.invoked_subcommand is not None:
        return

    async def work() -> tuple[KeyPool, list[KeyReport]]:
        pool = settings.key_rings
        if not pool.all_keys():
            stray = f"{', '.join(settings.stray_keys)} is not a setting. " if settings.stray_keys else ""
            raise ConfigError(
                f'No keys. {stray}Set YOUTUBE_API_KEY_POOL_JSON, such as {{"hunting": ["KEY"], "tracking": ["KEY"]}}.'
            )
        async with database.session():
            return pool, await KeyDAO().report(pool)

    pool, reports = run(work)
    kept = (Column(name, no_wrap=True) for name in ("ring", "key", "bucket", "today", "closed until"))
    table = Table(*kept, "reason", box=SIMPLE_HEAD, padding=0)
    for report in reports:
        keys_ = "\n".join(
            [*report.fingerprints, *([f"project {sanitize_line(report.project)}"] if report.project else [])]
        )
        for number, bucket in enumerate(report.buckets):
            limit = f"{bucket.spent} of {bucket.setting}"
            if bucket.refused:
                limit += f"\n({bucket.refused} refused)"
            if bucket.named is not None and bucket.named != bucket.setting:
                limit += f"\n(YouTube: {bucket.named})"
            table.add_row(
                "\n".join(report.rings) if number == 0 else "",
                Text(keys_) if number == 0 else "",
                bucket.bucket,
                limit,
                local(bucket.until) if bucket.until else "",
                Text(sanitize_line(bucket.reason or "")),
                end_section=number == len(report.buckets) - 1,
            )
    Console().print(table)
    if pool.shared:
        typer.echo(
            f"The pool is a list of {len(pool.all_keys())}, too few to deal out: all rings share it, and what one "
            "agent spends is gone for the others."
        )
    typer.echo(f"It is {local(clock.now())}. Lift a suspension: maia keys resume FINGERPRINT")


@app.command()
def resume(
    fingerprint: Annotated[str, typer.Argument(help="A key's fingerprint, or at least 4 characters of its beginning.")],
) -> None:
    """Lift every suspension of a key, and of the keys of its project. A key that YouTube refuses is suspended again."""
    if len(fingerprint) < 4:
        raise typer.BadParameter("give at least 4 characters of the fingerprint; `maia keys` shows it")

    async def work() -> list[Lifted]:
        async with database.session():
            return await KeyDAO().resume(fingerprint)

    lifted = run(work)
    for line in lifted:
        typer.echo(f"lifted: {line}")
    if not lifted:
        typer.echo(f"nothing is suspended under '{fingerprint}'; `maia keys` shows what is", err=True)
        raise typer.Exit(1)
