"""`maia plan`: how many shards a workflow run starts, before each wave."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import maia.workflow.plan
from maia.commands.agents import BatchSize, JsonLogs, ResultFile, Verbose
from maia.commands.query_input import read_queries
from maia.runtime.logs import set_up_logging
from maia.workflow.plan import MOST_SHARDS, PlanOptions

logger = logging.getLogger(__name__)


class AgentName(StrEnum):
    """The agents that shards run."""

    HUNTER = "hunter"
    TRACKER = "tracker"


Agent = Annotated[AgentName, typer.Argument(help="Agent of the shards: hunter or tracker.", show_default=False)]
MaxShards = Annotated[int, typer.Option(min=1, max=MOST_SHARDS, help="Maximum shards to start.")]
Wave = Annotated[
    int | None,
    typer.Option(min=1, max=32_767, help="Number of the wave, from 1; default: MAIA_WAVE, or 1.", show_default=False),
]
QueriesFile = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="Before the Hunter's first wave, add the queries in this file (- is standard input), one a line.",
    ),
]
ResumeKeys = Annotated[
    bool,
    typer.Option(
        "--resume-keys",
        help="Before the first wave, lift all suspensions of the ring.",
    ),
]
Migrate = Annotated[
    bool,
    typer.Option(
        "--migrate/--no-migrate",
        help="Before the first wave, migrate an older schema if that only adds and this user may (off: --no-migrate).",
    ),
]


def plan(
    agent: Agent,
    max_shards: MaxShards = 4,
    batch_size: BatchSize = None,
    wave: Wave = None,
    queries: QueriesFile = None,
    result_file: ResultFile = None,
    *,
    resume_keys: ResumeKeys = False,
    migrate: Migrate = True,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Decide how many shards to start: none if nothing is due, or no quota is left.

    Each shard needs a due item, and quota for one cycle of its batch size. From wave 2 on, no more shards start than
    met a rate limit in the wave before (rows of MAIA_RUN_ID), after MAIA_WAVE_PAUSE_SECONDS (60) and up to half as
    long again. The number and the reason are in the log and in the result file.

    \b
      maia plan hunter --max-shards 4 --queries queries.txt --result-file plan.json
      MAIA_RUN_ID=20-1 maia plan tracker --wave 2
    """
    if queries is not None and agent is not AgentName.HUNTER:
        raise typer.BadParameter("queries are the Hunter's", param_hint="--queries")
    try:
        found = read_queries(None, queries)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--queries") from None
    set_up_logging(json=json_logs, verbose=verbose)
    for problem in found.problems():
        logger.warning("a query is not added: %s", problem)
    options = PlanOptions(max_shards, batch_size, wave, found.wanted, resume_keys, migrate, result_file)
    maia.workflow.plan.run(agent.value, options)
