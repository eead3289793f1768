"""`maia runs`: what the processes of the agents did, and how they ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.runs import ProcessRow, RunDAO
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.database import database
from atlas.event_types import FAILED_OUTCOMES
from atlas.figures import compact, duration_text
from atlas.sanitize import sanitize_line
from atlas.times import local
from maia.commands.running import run
from maia.runtime.exitcodes import entry
from maia.workflow.run_report import run_report
from maia.workflow.work_done import WorkDone

__all__ = ["runs"]

_MOST_ROWS = 1_000
"""Two waves of 255 shards are 510 processes; of an id that is never changed, the latest count."""
_BAD = FAILED_OUTCOMES | {"killed"}
_LAST = "last"
_IN_SECONDS = timedelta(minutes=10)


def runs(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[last|ID]",
            help="One in detail: the last one, a workflow run by its id, or a process by the start of its id.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_ROWS, help="How many processes to list.")] = 20,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
) -> None:
    """Show the latest runs: what each process did, how it ended, and the page of its workflow run.

    \b
      maia runs
      maia runs last                  (the last workflow run or process, in detail)
      maia runs 7123456789-1
    """
    if which is not None:
        _show_one(which.strip(), as_json=as_json)
        return

    async def work() -> list[ProcessRow]:
        database.application_name = "maia runs"
        async with database.session():
            return await RunDAO().latest(limit)

    rows, now = run(work), clock.real()
    if as_json:
        echo_json([_as_json(row, now) for row in rows], indent=True)
    elif not rows:
        typer.echo("There is no run yet. Run `maia hunter`.")
    else:
        _print_list(rows, now)


def _print_list(rows: Sequence[ProcessRow], now: datetime) -> None:
    console = Console()
    table = _table("id", "start", "took", "process", "outcome")
    for row in rows:
        table.add_row(Text(sanitize_line(row.run_id or row.id[:8])), local(row.started_at), *_cells(row, now))
    console.print(table)
    for group, url in {row.group: row.url for row in rows if row.url}.items():
        console.print(Text(sanitize_line(f"{group}: {url}")), soft_wrap=True)
    typer.echo("Details: maia runs last, or maia runs ID")


def _table(*names: str) -> Table:
    """Return a table with these columns, and those of the figures."""
    narrow = (Column(name, no_wrap=name != "process") for name in names)
    figures = (Column(name, justify="right", no_wrap=True) for name in ("new", "snaps", "calls"))
    return Table(*narrow, *figures, box=SIMPLE_HEAD, padding=0)


def _cells(row: ProcessRow, now: datetime) -> Iterator[str | Text]:
    """Yield how long a process took, its name, its outcome and its figures."""
    state, done = row.state(now), WorkDone.of([row.stats])
    yield _took(row, now)
    yield Text(_name(row))
    yield Text(sanitize_line(state), "bold red" if state in _BAD else "")
    for number in (done.new_videos, done.snapshots, done.calls):
        yield compact(number) if number else "-"


def _took(row: ProcessRow, now: datetime) -> str:
    if row.finished_at is None:
        return duration_text(now - row.started_at) if row.state(now) == "running" else "?"
    span = row.finished_at - row.started_at
    return f"{span.total_seconds():.0f}s" if span < _IN_SECONDS else duration_text(span)


def _name(row: ProcessRow) -> str:
    return sanitize_line(f"{row.agent} {row.shard}" if row.shard not in {None, "0/1"} else row.agent)


# ── one run ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _show_one(which: str, *, as_json: bool) -> None:
    """Show a workflow run or a process in detail; end with 1 if there is none of this id."""

    async def work() -> list[ProcessRow]:
        database.application_name = "maia runs"
        async with database.session():
            dao = RunDAO()
            if which != _LAST:
                return await dao.find(which, _MOST_ROWS)
            latest = await dao.latest(1)
            return await dao.find(latest[0].group, _MOST_ROWS) if latest else []

    found, now = run(work), clock.real()
    rows = sorted(found, key=lambda row: row.started_at)
    if not rows:
        known = "there is no run yet: run `maia hunter`" if which == _LAST else _unknown(which)
        typer.echo(f"maia: {known}", err=True)
        raise typer.Exit(1)
    groups = list(dict.fromkeys(row.group for row in rows))
    if len(groups) > 1:
        ids = ", ".join(row.id[:13] for row in rows[:5])
        typer.echo(f"maia: several processes have an id that begins so: {ids}; write more of it", err=True)
        raise typer.Exit(1)
    if as_json:
        echo_json(_detail(rows, now), indent=True)
    else:
        _print_detail(rows, now)


def _unknown(which: str) -> str:
    shown = sanitize_line(which)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return f"no run has the id '{shown}'; `maia runs` lists them. Old ones are deleted (RETENTION_EVENTS_DAYS)"


def _reports(rows: Sequence[ProcessRow]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each agent of a workflow run, and the report of its shards."""
    gates = [row.stats or {} for row in rows if row.agent == "plan" and (row.wave or 1) > 1]
    for agent in dict.fromkeys(row.agent for row in rows if row.agent in {"hunter", "tracker"}):
        of_agent = sorted((row for row in rows if row.agent == agent), key=lambda row: (row.wave or 1, row.shard or ""))
        gate: dict[str, Any] = next((stats for stats in reversed(gates) if stats.get("agent") == agent), {})
        names = ("wave", "shard", "started_at", "finished_at", "outcome", "exit_code", "stats", "error")
        plain = [{name: getattr(row, name) for name in names} for row in of_agent]
        yield agent, run_report(agent, plain, gate)


def _print_detail(rows: Sequence[ProcessRow], now: datetime) -> None:
    console = Console()
    first, ends = rows[0], [row.finished_at for row in rows]
    head = f"workflow run {first.run_id}" if first.run_id else f"process {first.id}"
    console.print(Text(sanitize_line(head)), soft_wrap=True)
    if url := next((row.url for row in rows if row.url), None):
        console.print(Text(sanitize_line(url)), soft_wrap=True)
    known = [end for end in ends if end is not None]
    span = f"{local(first.started_at, 'seconds')}, "
    span += f"took {duration_text(max(known) - first.started_at)}" if len(known) == len(ends) else "not all have ended"
    console.print(f"started {span}")
    table = _table("wave", "start", "took", "process", "outcome")
    for row in rows:
        table.add_row(str(row.wave or ""), local(row.started_at), *_cells(row, now))
    console.print(table)
    for line in _explained(rows, now):
        console.print(Text(sanitize_line(line)))


def _explained(rows: Sequence[ProcessRow], now: datetime) -> Iterator[str]:
    """Yield what was done, why not more, each error with what to do, and of a process alone its counts."""
    for agent, report in _reports(rows):
        yield f"{agent}: {report['achieved']}"
        for line in report["why"]:
            yield f"  {line}"
    for row in rows:
        advice = entry(row.exit_code) if row.exit_code else None
        if row.error:
            yield f"{_name(row)}: {row.error}"
            if advice is not None:
                yield f"  What to do: {advice.action}"
        elif row.state(now) == "killed":
            yield f"{_name(row)}: it wrote no end, so it was killed; its claims have ended with their leases"
        if len(rows) == 1 and row.stats:
            yield from _counts(row.stats)


def _counts(stats: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reason and every count of one process."""
    if reason := stats.get("reason"):
        yield f"reason: {reason}"
    counts = [f"{name} {value:,}" for name, value in stats.items() if type(value) is int and value]
    if counts:
        yield f"counts: {', '.join(counts)}"
    for name in ("calls", "calls_refused"):
        if isinstance(calls := stats.get(name), Mapping) and calls:
            yield f"{name.replace('_', ' ')}: {', '.join(f'{bucket} {number}' for bucket, number in calls.items())}"


# ── for programs ────────────────────────────────────────────────────────────────────────────────────────────────────


def _detail(rows: Sequence[ProcessRow], now: datetime) -> dict[str, Any]:
    """Return the object that docs/terminal.md describes."""
    return {
        "run_id": rows[0].run_id,
        "url": next((row.url for row in rows if row.url), None),
        "started_at": rows[0].started_at,
        "processes": [{**_as_json(row, now), "stats": row.stats} for row in rows],
        "why": {agent: report["why"] for agent, report in _reports(rows)},
    }


def _as_json(row: ProcessRow, now: datetime) -> dict[str, Any]:
    done = WorkDone.of([row.stats])
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at else None
    return {
        "id": row.id, "run_id": row.run_id, "wave": row.wave, "agent": row.agent, "shard": row.shard,
        "started_at": row.started_at, "finished_at": row.finished_at, "seconds": seconds, "outcome": row.state(now),
        "exit_code": row.exit_code, "new_videos": done.new_videos, "snapshots": done.snapshots, "calls": done.calls,
        "error": row.error, "url": row.url,
    }  # fmt: skip
