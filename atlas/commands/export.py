"""`atlas export`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from atlas.adapters.export import ExportDAO, Exported
from atlas.commands.output_file import output_file
from atlas.commands.progress import Progress
from atlas.commands.running import run
from atlas.commands.times import moment

_STDOUT = Path("-")
_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".br", ".zip"}


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    PARQUET = "parquet"


def export(
    table: Annotated[Exported, typer.Option(help="Table or view to export.", show_default=False)],
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Default: from the file's suffix, .csv or .parquet."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only rows from this time on: 24h, 7d, 2w ago, or an ISO 8601 time (UTC)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only rows before this time; the same formats.")
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The file; - is standard output, for CSV.", dir_okay=False)
    ] = _STDOUT,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas",
            help="CSV for a spreadsheet: put a ' before texts that it would read as formulas.",
        ),
    ] = False,
) -> None:
    """Write a table or a view of any size to a file, as of one moment.

    --since and --until use the table's own time: see the page below. Parquet needs the extra `parquet`.

    \b
      atlas export --table videos --output videos.csv
      atlas export --table video_stats_log --since 7d --output week.parquet
      atlas export --table events --since 24h | head
    """
    form = _format(form, output)
    if escape_formulas and form is not Format.CSV:
        raise typer.BadParameter("only for CSV: Parquet has types", param_hint="--escape-formulas")
    if output == _STDOUT and form is Format.PARQUET:
        raise typer.BadParameter("Parquet needs a file", param_hint="--output")
    if output != _STDOUT and not output.parent.is_dir():
        raise typer.BadParameter(f"the folder of '{output}' does not exist", param_hint="--output")
    if output != _STDOUT and output.exists() and not force:
        raise typer.BadParameter(f"'{output}' exists already; --force overwrites it", param_hint="--output")

    async def work() -> int:
        rows = _Rows(table, moment(since, "--since"), moment(until, "--until"), escape_formulas=escape_formulas)
        if output != _STDOUT:
            with output_file(output) as file, Progress() as progress:
                return await (rows.csv if form is Format.CSV else rows.parquet)(file, progress)
        # a slow reader may block the write: a signal ends it even then, and there is nothing to clean up
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().remove_signal_handler(number)
        with Progress() as progress:
            return await rows.csv(sys.stdout.buffer, progress)

    try:
        number = run(work())
    except OSError as error:
        if output == _STDOUT:
            raise
        typer.echo(f"atlas: '{output}' cannot be written: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
    if output == _STDOUT:
        sys.stdout.flush()  # a reader that has left ends the command here
    typer.echo(f"{number:,} rows of {table}" + (f" in {output}" if output != _STDOUT else ""), err=True)


def _format(wanted: Format | None, output: Path) -> Format:
    """Return the format that --format or the file's suffix names; they must not contradict each other."""
    suffix = Path(f"x{output.name}").suffix.lower()  # a name may be a suffix alone
    by_suffix = next((form for form in Format if suffix == f".{form}"), None)
    if suffix in _COMPRESSED:
        raise typer.BadParameter(
            f"'{suffix}' cannot be written: name a .csv and compress it afterwards, or a .parquet, which is compressed",
            param_hint="--output",
        )
    if wanted is None and by_suffix is None and suffix:
        raise typer.BadParameter(
            f"unknown suffix '{suffix}': name a .csv or a .parquet, or give --format", param_hint="--output"
        )
    if wanted is not None and by_suffix not in {None, wanted}:
        raise typer.BadParameter(f"the suffix of '{output}' contradicts --format {wanted}", param_hint="--output")
    return wanted or by_suffix or Format.CSV


@dataclass(frozen=True)
class _Rows:
    table: Exported
    since: datetime | None
    until: datetime | None
    escape_formulas: bool

    async def csv(self, file: BinaryIO, progress: Progress) -> int:
        written = 0

        def sink(piece: bytes) -> None:
            nonlocal written
            written += file.write(piece)
            progress(f"{self.table}, bytes", written, 0)

        return await ExportDAO().csv(
            self.table, sink, since=self.since, until=self.until, escape_formulas=self.escape_formulas
        )

    async def parquet(self, file: BinaryIO, progress: Progress) -> int:
        from atlas.parquet import ParquetFile  # noqa: PLC0415  an extra, and slow to import

        number = 0
        async with ExportDAO().rows(self.table, since=self.since, until=self.until) as (columns, batches):
            with ParquetFile(file, [(column.name, column.type) for column in columns]) as table:
                async for batch in batches:
                    table.add(batch)
                    number += len(batch)
                    progress(f"{self.table}, rows", number, 0)
        return number
