"""`maia queue`: seed and steer the search queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.queue import QueryRow, QueueDAO
from atlas.commands.json_output import echo_json
from atlas.commands.progress import Progress
from atlas.database import database
from atlas.policy import USER_PRIORITY
from atlas.sanitize import sanitize_line
from atlas.times import iso
from maia.commands.query_input import Queries, read_queries
from maia.commands.running import run

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Seed and steer the search queue.")

Given = Annotated[list[str] | None, typer.Argument(help="Queries, each in quotes.", metavar='"QUERY"...')]
QueryFile = Annotated[
    Path | None,
    typer.Option("--file", help="Read queries from this file (- is standard input), one a line; # begins a comment."),
]


def _read(queries: Iterable[str] | None, file: Path | None, *, strict: bool = False) -> Queries:
    try:
        found = read_queries(queries, file)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    for problem in found.problems():
        typer.echo(f"maia: {problem}", err=True)
    if found.bad and strict:
        raise typer.BadParameter(f"{_lines(len(found.bad))} refused, nothing is added", param_hint="--strict")
    if not found.wanted:
        if file is not None:
            name = "standard input" if str(file) == "-" else f"'{file}'"
            raise typer.BadParameter(f"{name} holds no query; write one a line", param_hint="--file")
        raise typer.BadParameter('no query given; write them in quotes: maia queue add "first query" "second query"')
    return found


def _lines(number: int) -> str:
    return "1 line" if number == 1 else f"{number:,} lines"


@app.command()
def add(
    queries: Given = None,
    file: QueryFile = None,
    *,
    first: Annotated[bool, typer.Option("--first", help="Rank them above your other queries, too.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Add nothing if a line of the file is no query.")] = False,
) -> None:
    """Add queries; they rank above every tag. A paused one is resumed.

    They are searched in the order given. Upper and lower case, composed characters and invisible ones make no
    difference; the operators of YouTube's search (| for OR, - for NOT, quotes) do. A line that is no query is listed,
    and the others are added.

    \b
      maia queue add "lofi hip hop" "rust tutorial"
      maia queue add --first "breaking news | eilmeldung -shorts"
      maia queue add --file queries.txt
    """
    found = _read(queries, file, strict=strict)

    async def work() -> int:
        async with database.session():
            with Progress() as progress:
                return await QueueDAO().add(found.wanted, first=first, progress=progress)

    new = run(work)
    refused = f", {_lines(len(found.bad))} refused" if found.bad else ""
    typer.echo(f"{new} new, {len(found.wanted) - new} known{refused}")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Show the queries in the order in which they are searched."""

    async def work() -> list[QueryRow]:
        async with database.session():
            return await QueueDAO().list(limit)

    rows = run(work)
    if as_json:
        echo_json([_plain(row) for row in rows], indent=True)
    elif not rows:
        typer.echo('The queue is empty. Fill it: maia queue add "your query"')
    else:
        Console().print(_table(rows))


def _plain(row: QueryRow) -> Mapping[str, Any]:
    """A row as docs/queue.md describes it; times in ISO 8601."""
    shown = {name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
    leased = shown.pop("leased")
    return shown | {"leased_by": shown["leased_by"] if leased else None}


def _table(rows: Iterable[QueryRow]) -> Table:
    narrow = (Column(name, no_wrap=True) for name in ("rank", "searches", "results", "last searched", "due"))
    table = Table("query", "status", *narrow, box=SIMPLE_HEAD, padding=0)
    for row in rows:
        status = f"claimed by {row['leased_by']}" if row["leased"] else row["status"]
        rank = f"{row['mentions']} videos"
        if row["source"] == "user":
            rank = "first" if row["priority"] > USER_PRIORITY else "yours"
        times = [iso(time, "minutes") if time else "" for time in (row["last_searched_at"], row["due_at"])]
        numbers = str(row["searches"]), str(row["results"])
        table.add_row(Text(sanitize_line(row["display_term"])), Text(sanitize_line(status)), rank, *numbers, *times)
    return table


def _change(name: str, done: str, queries: list[str] | None, file: Path | None) -> None:
    wanted = _read(queries, file).wanted

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
def pause(queries: Given = None, file: QueryFile = None) -> None:
    """Set queries aside until they are added again."""
    _change("pause", "paused", queries, file)


@app.command()
def remove(queries: Given = None, file: QueryFile = None) -> None:
    """Delete queries. The Snowball may bring one back as a tag; pause it to keep it out."""
    _change("remove", "removed", queries, file)
