"""`maia report`: one HTML page of what is taking off, how fresh the data is, and what it cost."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from atlas.commands.output_file import output_file
from atlas.commands.progress import Progress
from atlas.database import database
from atlas.sanitize import sanitize_line
from maia.commands.running import run
from maia.report.collect import LIMIT, read_payload, write_json

__all__ = ["DAYS", "report", "write_page"]

DAYS = 7
_MOST_DAYS = 366


def report(
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE_OR_FOLDER", help="Write the page here; in a folder, as index.html.", show_default=False
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=_MOST_DAYS, help="How far curves, breakouts, runs and gaps go back.")
    ] = DAYS,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Videos at most: the fastest.")] = LIMIT,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the data as one JSON object instead.")] = False,
) -> None:
    """Write one self-contained HTML page: open it from disk, or publish it.

    It shows the fastest videos with their curves and forecasts, breakouts, what was discovered, how fresh each zone is,
    the quota, the runs, and gaps. An existing page is replaced when the new one is complete. A folder that ends with /
    is created.

    \b
      maia report --output report.html
      maia report --output public/ --days 30
      maia report --json | jq '.videos[0]'
    """
    if (output is None) != as_json:
        raise typer.BadParameter("give either --output or --json", param_hint="--output")
    with _ended_by_signals():
        if output is None:
            run(lambda: _print(days, limit))
            sys.stdout.flush()
            return
        try:
            _write(_target(output), days, limit)
        except OSError as error:
            typer.echo(f"maia: {sanitize_line(f'{output} cannot be written: {error.strerror or error}')}", err=True)
            raise typer.Exit(1) from None


def _target(output: str) -> Path:
    """Return the file to write; a folder that is named by its end is created."""
    path = Path(output)
    if output.endswith(("/", os.sep)) or path.is_dir():
        path.mkdir(exist_ok=True)
        return path / "index.html"
    return path


def _write(target: Path, days: int, limit: int) -> None:
    with output_file(target) as file:
        number, size = run(lambda: _make(file, days, limit))
    typer.echo(sanitize_line(f"{target.absolute()}: {number:,} videos, {size / 1e6:.2f} MB"))


async def _make(file: BinaryIO, days: int, limit: int) -> tuple[int, int]:
    """Write the page; return how many videos it holds, and its bytes."""
    from maia.report.page import render  # noqa: PLC0415  jinja2, which --json does not need

    async with database.session():
        with Progress() as progress:
            payload = await read_payload(days, limit, progress)
    return payload.head.videos, file.write(render(payload).encode("utf-8", "replace"))


async def write_page(target: Path, *, days: int = DAYS) -> None:
    """Write the page of the open database to a file."""
    with output_file(target) as file:
        await _make(file, days, LIMIT)


async def _print(days: int, limit: int) -> None:
    async with database.session():
        with Progress() as progress:
            await write_json(sys.stdout.buffer.write, days, limit, progress)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End quietly with 130 by SIGINT and 143 by SIGTERM, after what is unfinished was removed."""
    before = None
    with contextlib.suppress(ValueError):  # not in the main thread
        before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
