"""`maia queue`: seed and steer the search queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.keys import KeyDAO
from atlas.adapters.queue import QueryRow, QueryYield, QueueDAO
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.commands.progress import Progress
from atlas.config import settings
from atlas.database import database
from atlas.errors import ConfigError
from atlas.policy import USER_PRIORITY
from atlas.sanitize import sanitize_line
from atlas.times import iso, local
from maia.agents.session import RING_OF
from maia.commands.agents import MOST_ROWS
from maia.commands.query_input import Queries, read_queries
from maia.commands.running import run

app = typer.Typer(no_args_is_help=True, help="Show and change the search queue.")


class Order(StrEnum):
    """What `maia queue list` sorts by."""

    TURN = "turn"
    YIELD = "yield"


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
    strict: Annotated[bool, typer.Option("--strict", help="Add nothing if a line of the file is invalid.")] = False,
) -> None:
    """Add queries; they rank above every tag. A paused one is resumed.

    They are searched in the order given. Upper and lower case, composed characters and invisible ones make no
    difference; the operators of YouTube's search (| for OR, - for NOT, quotes) do. Invalid lines are listed, and the
    others are added.

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
    limit: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="How many to show.")] = 50,
    by: Annotated[
        Order, typer.Option("--by", help="turn: as they are searched; yield: by what each search brought.")
    ] = Order.TURN,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; by yield, an object.")] = False,
) -> None:
    """Show the queries in the order in which they are searched, or by what they brought.

    \b
      maia queue list --limit 10
      maia queue list --by yield
    """
    if by is Order.YIELD:
        _show_yield(limit, as_json=as_json)
        return

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


def _show_yield(limit: int, *, as_json: bool) -> None:
    """Print what each query brought, and how long a round of all queries takes."""

    async def work() -> tuple[Sequence[QueryYield], int, int | None]:
        async with database.session():
            dao = QueueDAO()
            return await dao.list_by_yield(limit), await dao.count(), await _searches_a_day()

    rows, queries, budget = run(work)
    days = queries / budget if budget else None
    if as_json:
        shown = [{**asdict(row), "share_broke_out": row.share_broke_out} for row in rows]
        echo_json(
            {"queries": shown, "round": {"queries": queries, "searches_a_day": budget, "days": days}}, indent=True
        )
        return
    if not rows:
        typer.echo('The queue is empty. Fill it: maia queue add "your query"')
        return
    Console().print(_yield_table(rows))
    each = f"{queries:,} {'query' if queries == 1 else 'queries'}"
    if days is None:
        typer.echo(
            f"{each}; searches a day are unknown here: YOUTUBE_API_KEY_POOL_JSON has no key for hunting, or this "
            "database user may not read about keys"
        )
    else:
        typer.echo(f"{each} at {budget:,} searches a day: {_round_length(days)} a round, with one search each")


async def _searches_a_day() -> int | None:
    """Return the daily budget of the ring that searches; None where its keys are not known here."""
    try:
        return await KeyDAO().searches_a_day(settings.key_rings, RING_OF["hunter"]) or None
    except ConfigError:  # a malformed pool, or an analyst, who may not read about keys
        return None


def _round_length(days: float) -> str:
    if days < 1:
        return f"{max(1, round(days * 24))} h"
    return "1 day" if round(days) == 1 else f"{round(days):,} days"


def _yield_table(rows: Iterable[QueryYield]) -> Table:
    numbers = (Column(name, justify="right", no_wrap=True) for name in ("searches", "new", "new/search", "broke out"))
    table = Table("query", *numbers, Column("next turn", no_wrap=True), box=SIMPLE_HEAD, padding=0)
    for row in rows:
        turn = "paused" if row.status == "paused" else "now"
        if row.status == "waiting" and row.due_at is not None and row.due_at > clock.now():
            turn = local(row.due_at)
        share = row.share_broke_out
        table.add_row(
            Text(sanitize_line(row.display_term)), f"{row.searches:,}", f"{row.new_videos:,}",
            "" if row.new_per_search is None else f"{row.new_per_search:.1f}",
            "" if share is None else f"{share:.1%}", turn,
        )  # fmt: skip
    return table


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
        times = [local(time) if time else "" for time in (row["last_searched_at"], row["due_at"])]
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
    """Stop searching queries until they are added again."""
    _change("pause", "paused", queries, file)


@app.command()
def remove(queries: Given = None, file: QueryFile = None) -> None:
    """Delete queries. The Snowball may bring one back as a tag; pause it to keep it out."""
    _change("remove", "removed", queries, file)
