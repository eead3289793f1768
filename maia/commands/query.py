"""`maia query`: documented questions, and statements of the user's own that only read."""

from __future__ import annotations

import csv
import difflib
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from atlas.adapters.questions import Answer, Question, QuestionsDAO, questions
from atlas.commands.json_output import echo_json
from atlas.database import database
from atlas.docs_pages import page
from atlas.figures import duration_text
from atlas.help import verbatim
from atlas.times import iso, local
from maia.commands.riser_text import fitted
from maia.commands.running import run

__all__ = ["EPILOG", "query"]

EPILOG = verbatim(f"The questions:\n  {page('queries.md')}\nTables and columns:\n  {page('data.md')}")

_GAP = 2  # cells between two columns
_NARROWEST = 12  # cells that a text keeps beside others
_LARGEST = 2**63  # numbers from here on are no JSON numbers to most readers


def query(
    question: Annotated[
        str | None, typer.Argument(metavar='[NAME or "SELECT …"]', help="A question, or one statement that reads.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many rows.")] = 100,
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Print the question's SQL for psql, and do not run it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array of objects.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a head line.")] = False,
) -> None:
    """Answer a documented question, or run one statement that only reads; without either, list the questions.

    A statement runs in a READ ONLY transaction, for at most 60 s.

    \b
      maia query
      maia query fastest --limit 20
      maia query late-zones --sql
      maia query "SELECT zone, count(*) FROM videos GROUP BY zone" --csv
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv", param_hint="--csv")
    known = questions()
    if question is None:
        _list(list(known.values()), as_json=as_json)
        return
    asked = known.get(question.strip())
    if asked is None and len(question.split()) < 2:
        raise typer.BadParameter(_no_such(question, list(known)), param_hint="NAME")
    if sql:
        if asked is None:
            raise typer.BadParameter("only with the name of a question", param_hint="--sql")
        typer.echo(f"{asked.limited(limit)};")
        return
    statement = asked.limited(limit + 1) if asked is not None else question  # one more tells that there are more

    async def work() -> Answer:
        async with database.session():
            return await QuestionsDAO().ask(statement, limit=limit)

    _print(run(work), limit, as_json=as_json, as_csv=as_csv)


def _no_such(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"there is no question '{fitted(name, 40, pad=False)}'{meant or '.'} `maia query` lists them"


def _list(known: Sequence[Question], *, as_json: bool) -> None:
    if as_json:
        echo_json([{"name": each.name, "question": each.text} for each in known], indent=True)
        return
    width = max(len(each.name) for each in known) + _GAP
    console = Console(highlight=False)
    for each in known:
        short, _, _ = each.text.partition("?")
        console.print(Text(f"{each.name:<{width}}{fitted(f'{short}?', console.width - width, pad=False)}"))
    console.print(Text("Answer one: maia query NAME. Its SQL: maia query NAME --sql"))


def _print(answer: Answer, limit: int, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        names = _unique(answer.columns)
        echo_json([dict(zip(names, map(_for_json, row), strict=True)) for row in answer.rows], indent=True)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([_for_csv(value) for value in row] for row in answer.rows)
    elif answer.rows:
        console = Console(highlight=False)
        for line in _table(answer, max(40, console.width)):
            console.print(line, soft_wrap=True)
    else:
        typer.echo("No row.", err=True)
    if answer.more:
        typer.echo(f"maia: there are more than {limit:,} rows; --limit shows more", err=True)


def _unique(columns: Sequence[str]) -> list[str]:
    """Return the names of the columns, where PostgreSQL gave one twice with a number."""
    found: list[str] = []
    for name in columns:
        number, unique = 1, name
        while unique in found:
            number += 1
            unique = f"{name}_{number}"
        found.append(unique)
    return found


def _for_json(value: Any) -> Any:
    """Return a value for JSON: times for `echo_json`, spans in seconds, exact numbers as numbers, others as text."""
    if isinstance(value, bool | str | float | datetime | None):
        return value
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return _for_json(int(value) if value == value.to_integral() else float(value)) if value.is_finite() else None
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _for_json(each) for name, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)


def _for_csv(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value, "microseconds") if value.tzinfo else str(value)
    if isinstance(value, list | tuple | dict):
        return orjson.dumps(_for_json(value), default=str, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
    return _for_json(value) if not isinstance(value, Decimal) else value


def _for_people(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.tzinfo:
        try:
            return local(value)
        except OverflowError:  # infinity
            return str(value)
    if isinstance(value, timedelta):
        return f"-{duration_text(-value)}" if value < timedelta() else duration_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        number = float(value)
        return f"{number:,.0f}" if number.is_integer() and abs(number) < _LARGEST else f"{value:,}"
    return str(_for_csv(value))


def _table(answer: Answer, width: int) -> Iterator[Text]:
    """Yield lines of aligned columns or, where these have no room, a block for each row."""
    right = [any(isinstance(row[place], int | float | Decimal) for row in answer.rows) for place in _places(answer)]
    cells = [[_for_people(value) for value in row] for row in answer.rows]
    widths = [
        max([cell_len(name), *(min(cell_len(row[place]), width) for row in cells)])
        for place, name in enumerate(answer.columns)
    ]
    room = width - _GAP * (len(widths) - 1)
    shrinks = [place for place in _places(answer) if not right[place] and not _is_link(cells, place)]
    while sum(widths) > room and shrinks:
        widest = max(shrinks, key=lambda place: widths[place])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= min(widths[widest] - _NARROWEST, sum(widths) - room)
    if sum(widths) > room:
        yield from _blocks(answer, cells, width)
        return
    for row, style in [(answer.columns, "bold"), *((row, "") for row in cells)]:
        line = (" " * _GAP).join(
            f"{fitted(text, size, pad=False):>{size}}" if to_right else fitted(text, size)
            for text, size, to_right in zip(row, widths, right, strict=True)
        )
        yield Text(line.rstrip(), style)


def _places(answer: Answer) -> range:
    return range(len(answer.columns))


def _is_link(cells: Sequence[Sequence[str]], place: int) -> bool:
    return any(row[place].startswith("https://") for row in cells)


def _blocks(answer: Answer, cells: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    label = min(30, max(map(cell_len, answer.columns)))
    for number, row in enumerate(cells, 1):
        yield Text(f"{number}.", "bold")
        for name, text in zip(answer.columns, row, strict=True):
            # a link is never cut
            shown = text if text.startswith("https://") else fitted(text, width - label - _GAP, pad=False)
            yield Text(f"{fitted(name, label)}{' ' * _GAP}{shown}".rstrip())
