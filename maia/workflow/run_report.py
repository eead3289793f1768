"""`maia verdict`: what became of the shards of a workflow run, as their rows in ``runs`` tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from atlas.adapters.plans import PlanDAO, RunRow
from atlas.config import settings
from atlas.database import database
from atlas.errors import ConfigError
from maia.agents.session import Shard
from maia.runtime.run_context import merge_stats
from maia.workflow.achievement import Gate, achieved, why_not_more

__all__ = ["read_run", "told"]

# Two waves of 255 shards are 510 rows, and some may have been run again. An id that is used for ever must not fill the
# memory, nor the result file beyond what the action reads (action/result.py: LARGEST): of more, the latest count.
_MOST_ROWS = 1_000


_NO_GATE: Final[Gate] = {}


async def read_run(agent: str) -> tuple[list[RunRow], Gate]:
    """Return the processes of the run MAIA_RUN_ID that ran this agent, by wave and shard, and its last further plan.

    Raises:
        ConfigError: MAIA_RUN_ID is not set.
        DatabaseUnavailable.
    """
    run_id = settings.maia_run_id
    if run_id is None:
        raise ConfigError("MAIA_RUN_ID required: set it to the id that the plan and the shards of the run had.")
    database.application_name = f"maia verdict {agent}"
    async with database.session():
        rows = await PlanDAO().runs(run_id, agent, _MOST_ROWS)
        plans = await PlanDAO().runs(run_id, "plan", _MOST_ROWS)
    return sorted(rows, key=_order), _gate(agent, plans)


def _gate(agent: str, plans: list[RunRow]) -> Gate:
    """Return what the latest plan of a further wave says; `plans`: the latest first."""
    for row in plans:
        stats = row["stats"] or {}
        if (row["wave"] or 1) > 1 and stats.get("agent") == agent:
            return {name: stats.get(name) for name in ("wave", "shards", "outcome", "reason")}
    return _NO_GATE


def told(agent: str, rows: list[RunRow], gate: Gate = _NO_GATE) -> dict[str, Any]:
    """The stats of the result file: a mapping for each row, the sums of their numbers, and what they mean in words.

    `gate`: what the plan of the further wave said, where there was one.

    A process that was killed has neither outcome nor exit code.
    """
    totals: dict[str, Any] = {}
    for row in rows:
        merge_stats(totals, _numbers(row["stats"] or {}))
    shown = [_row(row) for row in rows]
    words = {"achieved": achieved(agent, totals), "why": why_not_more(shown, gate)} if rows else {}
    further = {"gate": dict(gate)} if gate else {}
    return {"agent": agent, "rows": shown, "totals": totals, **further, **words}


def _order(row: RunRow) -> tuple[Any, ...]:
    try:
        shard = Shard.parse(row["shard"] or "")
    except ValueError:
        shard = Shard()
    return row["wave"] or 0, shard.index, shard.total, row["started_at"]


def _row(row: RunRow) -> dict[str, Any]:
    seconds = None
    if row["finished_at"] is not None:
        seconds = round((row["finished_at"] - row["started_at"]).total_seconds(), 1)
    error = {"error": row["error"]} if row["error"] else {}
    return {
        "wave": row["wave"],
        "shard": row["shard"],
        "outcome": row["outcome"],
        "exit_code": row["exit_code"],
        "seconds": seconds,
        "stats": row["stats"] or {},
        **error,
    }


def _numbers(stats: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers alone, at any depth."""
    found: dict[str, Any] = {}
    for name, value in stats.items():
        if isinstance(value, Mapping):
            found[name] = _numbers(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return found
