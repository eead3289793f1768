"""`maia queue`: seed and steer the search queue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.queue import QueueDAO
from atlas.database import database
from atlas.plain import harmless
from atlas.times import iso
from maia.commands.running import run
from maia.queries import read_queries

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Seed and steer the search queue.")

Queries = Annotated[list[str] | None, typer.Argument(help="Queries, each in quotes.", metavar='"QUERY"...')]
QueryFile = Annotated[
    Path | None,
    typer.Option("--file", help="Read queries from this file (- is standard input), one a line; # begins a comment."),
]


def _wanted(queries: Iterable[str] | None, file: Path | None) -> list[str]:
    try:
        wanted = read_queries(queries, file)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not wanted:
        raise typer.BadParameter('no query given; write them in quotes: maia queue add "first query" "second query"')
    return wanted


@app.command()
def add(queries: Queries = None, file: QueryFile = None) -> None:
    """Add queries; they rank above every tag. A paused one is resumed.

    \b
      maia queue add "lofi hip hop" "rust tutorial"
      maia queue add --file queries.txt
    """
    wanted = _wanted(queries, file)

    async def work() -> int:
        async with database.session():
            return await QueueDAO().add(wanted)

    new = run(work)
    typer.echo(f"{new} new, {len(wanted) - new} known")


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50) -> None:
    """Show the queries in the order in which they are searched."""

    async def work() -> Table | None:
        async with database.session():
            rows = await QueueDAO().list(limit)
        if not rows:
            return None
        narrow = (Column(name, no_wrap=True) for name in ("rank", "searches", "results", "last searched", "due"))
        table = Table("query", "status", *narrow, box=SIMPLE_HEAD, padding=0)
        for row in rows:
            status = f"claimed by {row['leased_by']}" if row["leased"] else row["status"]
            rank = "yours" if row["source"] == "user" else f"{row['mentions']} videos"
            times = [iso(time, "minutes") if time else "" for time in (row["last_searched_at"], row["due_at"])]
            numbers = str(row["searches"]), str(row["results"])
            table.add_row(Text(harmless(row["query_term"])), Text(harmless(status)), rank, *numbers, *times)
        return table

    table = run(work)
    if table is None:
        typer.echo('The queue is empty. Fill it: maia queue add "your query"')
    else:
        Console().print(table)


def _change(name: str, done: str, queries: list[str] | None, file: Path | None) -> None:
    wanted = _wanted(queries, file)

    async def work() -> frozenset[str]:
        async with database.session():
            dao = QueueDAO()
            return await (dao.pause(wanted) if name == "pause" else dao.remove(wanted))

    found = run(work)
    typer.echo(f"{len(found)} {done}")
    missing = [query for query in wanted if query not in found]
    if missing:
        typer.echo(f"not in the queue: {', '.join(missing)}", err=True)
        raise typer.Exit(1)


@app.command()
def pause(queries: Queries = None, file: QueryFile = None) -> None:
    """Set queries aside until they are added again."""
    _change("pause", "paused", queries, file)


@app.command()
def remove(queries: Queries = None, file: QueryFile = None) -> None:
    """Delete queries. The Snowball may bring one back as a tag; pause it to keep it out."""
    _change("remove", "removed", queries, file)
