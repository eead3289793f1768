"""`atlas events`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.events import Event, EventsDAO
from atlas.commands.json_output import echo_json
from atlas.commands.running import run
from atlas.commands.times import moment
from atlas.database import database
from atlas.event_types import EVENT_TYPES, EventType, level_of
from atlas.sanitize import sanitize_line
from atlas.times import local

__all__ = ["events"]

_STYLES = {"warning": "yellow", "error": "red"}


def events(
    types: Annotated[
        list[EventType] | None,
        typer.Option("--type", metavar="TYPE", help=f"Only of this type; may be repeated: {', '.join(EventType)}."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From this time on: 90m, 24h, 7d, 2w ago, or an ISO 8601 time."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most this many, the last ones.")] = 50,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for other programs.")] = False,
) -> None:
    """Show what happened, the newest last.

    \b
      atlas events --since 24h
      atlas events --type key_suspended --type quota_spent
      atlas events --since 7d --limit 100000 --json
    """

    async def work() -> list[Event]:
        begin = moment(since, "--since")  # a wrong argument needs no database to be found out
        async with database.session():
            return await EventsDAO().latest(types or (), since=begin, limit=limit)

    found = run(work())
    if json:
        for event in found:
            echo_json(_as_json(event))
    elif found:
        Console().print(_table(found))
    else:
        typer.echo("No such event.")


def _as_json(event: Event) -> dict[str, Any]:
    return {
        "id": event.id, "at": event.at, "type": event.type, "level": _level(event), "run": event.run and str(event.run),
        "agent": event.agent, "shard": event.shard, "payload": dict(_ordered(event)),
    }  # fmt: skip


def _table(found: Sequence[Event]) -> Table:
    narrow = (Column(name, no_wrap=True) for name in ("at", "type", "process"))
    table = Table(*narrow, "what", box=SIMPLE_HEAD, padding=0)
    for event in found:
        process = " ".join(filter(None, (event.agent, event.shard)))
        style = _STYLES.get(_level(event), "")
        what = Text(sanitize_line(", ".join(f"{key} {_value(value)}" for key, value in _ordered(event))))
        table.add_row(local(event.at, "seconds"), Text(event.type, style), Text(process), what)
    return table


def _level(event: Event) -> str:
    """Return the level; empty for a type that this release does not know."""
    return level_of(EventType(event.type), event.payload) if event.type in set(EventType) else ""


def _ordered(event: Event) -> list[tuple[str, Any]]:
    """Return the payload in the order of `EVENT_TYPES`, which the database does not keep."""
    known = EVENT_TYPES[EventType(event.type)].payload if event.type in set(EventType) else ()
    first = [(key, event.payload[key]) for key in known if key in event.payload]
    return first + [(key, value) for key, value in event.payload.items() if key not in known]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
