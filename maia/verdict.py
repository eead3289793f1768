"""`maia verdict`: what became of the shards of a workflow run, as their rows in ``runs`` tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atlas.adapters.plans import PlanDAO, RunRow
from atlas.config import settings
from atlas.database import database
from atlas.errors import ConfigError
from maia.achievement import achieved, why_not_more
from maia.session import Shard
from maia.stop import merge_stats

__all__ = ["read_run", "told"]

# Two waves of 255 shards are 510 rows, and some may have been run again. An id that is used for ever must not fill the
# memory, nor the result file beyond what the action reads (action/result.py: LARGEST): of more, the latest count.
_MOST_ROWS = 1_000


async def read_run(agent: str) -> list[RunRow]:
    """The processes of the run MAIA_RUN_ID that ran this agent, by wave and shard.

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
    return sorted(rows, key=_order)


def told(agent: str, rows: list[RunRow]) -> dict[str, Any]:
    """The stats of the result file: a mapping for each row, the sums of their numbers, and what they mean in words.

    A process that was killed has neither outcome nor exit code.
    """
    totals: dict[str, Any] = {}
    for row in rows:
        merge_stats(totals, _numbers(row["stats"] or {}))
    shown = [_row(row) for row in rows]
    words = {"achieved": achieved(agent, totals), "why": why_not_more(shown)} if rows else {}
    return {"agent": agent, "rows": shown, "totals": totals, **words}


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
