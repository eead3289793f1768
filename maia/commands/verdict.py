"""`maia verdict`: the report of a workflow run at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.plans import PlanDAO, RunRow
from atlas.config import settings
from atlas.database import database
from atlas.errors import ConfigError
from atlas.sanitize import sanitize_line
from maia.agents.session import Shard
from maia.commands.agents import JsonLogs, ResultFile, Verbose
from maia.commands.plan import Agent
from maia.run import run_process
from maia.runtime.logs import set_up_logging
from maia.workflow.run_figures import Run, read_figures
from maia.workflow.run_report import Gate, run_report

_MOST_ROWS = 1_000
"""Two waves of 255 shards are 510 rows, and some may have been run again. An id that is never changed must not fill the
memory, nor the result file beyond what the action reads (action/result.py: LARGEST): of more rows, the latest count."""


def verdict(
    agent: Agent, result_file: ResultFile = None, *, json_logs: JsonLogs = False, verbose: Verbose = False
) -> None:
    """Show what became of each shard of the workflow run MAIA_RUN_ID.

    \b
      MAIA_RUN_ID=20-1 maia verdict hunter --result-file verdict.json
    """
    set_up_logging(json=json_logs, verbose=verbose)

    async def work() -> Mapping[str, Any]:
        database.application_name = f"maia verdict {agent.value}"
        run_id = _run_id()
        async with database.session():
            run = await read_run(run_id, agent.value)
            figures = await read_figures(run)
        rows = run.rows
        report = run_report(agent.value, rows, run.gate) | figures
        if rows:
            Console().print(_table(report["rows"]))
            typer.echo(f"achieved: {report['achieved']}")
            for line in report["why"]:
                typer.echo(f"why not more: {sanitize_line(line)}")
            typer.echo(f"runner minutes: {report['cost']['minutes']} or more, of {report['cost']['jobs']} jobs")
        else:
            typer.echo(f"No {agent.value} of this run has begun.")
        return report

    run_process("verdict", str(Shard()), work, result_file=result_file)


def _run_id() -> str:
    if (run_id := settings.maia_run_id) is None:
        raise ConfigError("MAIA_RUN_ID required: set it to the id that the plan and the shards of the run had.")
    return run_id


async def read_run(run_id: str, agent: str) -> Run:
    """Return the rows of an agent in a workflow run."""
    rows = await PlanDAO().runs(run_id, agent, _MOST_ROWS)
    plans = await PlanDAO().runs(run_id, "plan", _MOST_ROWS)
    plans = [row for row in plans if (row["stats"] or {}).get("agent", agent) == agent]
    return Run(agent, tuple(sorted(rows, key=_order)), tuple(plans), _gate(agent, plans))


def _order(row: RunRow) -> tuple[Any, ...]:
    try:
        shard = Shard.parse(row["shard"] or "")
    except ValueError:
        shard = Shard()
    return row["wave"] or 0, shard.index, shard.total, row["started_at"]


def _gate(agent: str, plans: Sequence[RunRow]) -> Gate:
    """Return the latest plan of a further wave; `plans`: the latest first."""
    for row in plans:
        stats = row["stats"] or {}
        if (row["wave"] or 1) > 1 and stats.get("agent") == agent:
            return {name: stats.get(name) for name in ("wave", "shards", "outcome", "reason")}
    return {}


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    narrow = (Column(name, no_wrap=True) for name in ("wave", "shard", "outcome", "code", "seconds"))
    table = Table(*narrow, "what it did", box=SIMPLE_HEAD, padding=0)
    for row in rows:
        values = {name: "" if value is None else str(value) for name, value in row.items()}
        table.add_row(
            values["wave"], values["shard"], row["outcome"] or "killed", values["exit_code"], values["seconds"],
            Text(_what_it_did(row)),
        )  # fmt: skip
    return table


def _what_it_did(row: Mapping[str, Any]) -> str:
    """Return its error, its reason and its counts."""
    stats = row["stats"]
    counts = [f"{name} {value}" for name, value in stats.items() if type(value) is int and value]
    return "; ".join([*(str(text) for text in (row.get("error"), stats.get("reason")) if text), ", ".join(counts)])
