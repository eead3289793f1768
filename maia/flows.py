"""The agents as Prefect flows, for `serve()`, `prefect deploy` and work pools. See docs/prefect.md.

Only this module imports Prefect without a server having answered. `maia hunter` does not need it; it reports to the
server of `PREFECT_API_URL` by itself.

A flow returns its last state. A worker returns no exit code: a churn is a run in the state Crashed, whose message says
so.
"""

# Prefect reads the annotations as objects, and `serve()` pickles these functions by value: they name modules only.
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import prefect
from pydantic import Field

from maia import deployments
from maia.commands.agents import MOST_MINUTES, MOST_ROWS

BatchSize = Annotated[int, Field(ge=1, le=MOST_ROWS)] | None
Cycles = Annotated[int, Field(ge=1)]
Minutes = Annotated[float, Field(ge=0.01, le=MOST_MINUTES)] | None
ShardName = Annotated[str, Field(pattern=r"^\d{1,6}/\d{1,6}$")]


F = TypeVar("F", bound=Callable[..., Any])


def _flow(description: str) -> Callable[[F], F]:
    """Decorate an agent; without the description, Prefect would show the docstring with its parameters."""
    return prefect.flow(  # type: ignore[return-value]  # for `serve()` it is a flow, for us a function
        description=description, flow_run_name=deployments.run_name, retries=0, persist_result=False
    )


@_flow("Discover videos: search the queries that are due, store the videos, add their tags to the queue.")
async def hunter(
    batch_size: BatchSize = None, cycles: Cycles = 1, max_minutes: Minutes = None, shard: ShardName = "0/1"
) -> "prefect.State[Any]":
    """Discover videos: search the queries that are due, store the videos, add their tags to the queue.

    Args:
        batch_size: Queries of one cycle. Empty: the setting HUNTER_BATCH_SIZE (10).
        cycles: How many cycles at most; the run ends sooner when nothing is due.
        max_minutes: Repeat cycles for this many minutes instead, or until nothing is due. Leave cycles at 1.
        shard: Which of N parallel runs this is, as I/N with I from 0 to N-1. It names the run in leases, logs and the
            table runs, and picks its first key. Any shard may take any row.
    """
    return await deployments.run_agent("hunter", batch_size, cycles, max_minutes, shard)


@_flow("Track views: read the counts of the videos that are due, and schedule their next reading.")
async def tracker(
    batch_size: BatchSize = None, cycles: Cycles = 1, max_minutes: Minutes = None, shard: ShardName = "0/1"
) -> "prefect.State[Any]":
    """Track views: read the counts of the videos that are due, and schedule their next reading.

    Args:
        batch_size: Videos of one cycle. Empty: the setting TRACKER_BATCH_SIZE (50).
        cycles: How many cycles at most; the run ends sooner when nothing is due.
        max_minutes: Repeat cycles for this many minutes instead, or until nothing is due. Leave cycles at 1.
        shard: Which of N parallel runs this is, as I/N with I from 0 to N-1. It names the run in leases, logs and the
            table runs, and picks its first key. Any shard may take any row.
    """
    return await deployments.run_agent("tracker", batch_size, cycles, max_minutes, shard)


@_flow("Delete what is older than it may be kept, from the database and the archive.")
async def janitor(
    batch_size: BatchSize = None, max_minutes: Minutes = None, dry_run: bool = False, yes: bool = False
) -> "prefect.State[Any]":
    """Delete what is older than it may be kept, from the database and the archive.

    Args:
        batch_size: Rows that one transaction deletes. Empty: the setting JANITOR_BATCH_SIZE.
        max_minutes: Start nothing new after this many minutes; the next run continues. Empty: no limit.
        dry_run: Delete nothing, and report what would be deleted.
        yes: Delete even more than JANITOR_MAX_SHARE of a table allows. Look with dry_run first.
    """
    return await deployments.run_janitor(batch_size, max_minutes, dry_run=dry_run, yes=yes)
