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

__all__ = ["Agent", "plan"]

logger = logging.getLogger(__name__)


class AgentName(StrEnum):
    """The agents that shards run."""

    HUNTER = "hunter"
    TRACKER = "tracker"


Agent = Annotated[AgentName, typer.Argument(help="Whose shards.", show_default=False)]
MaxShards = Annotated[int, typer.Option(min=1, max=MOST_SHARDS, help="No more shards than this.")]
Wave = Annotated[
    int | None,
    typer.Option(min=1, max=32_767, help="Which wave, from 1; default: MAIA_WAVE, or 1.", show_default=False),
]
QueriesFile = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="Before the Hunter's first wave, add the queries in this file (- is standard input), one a line; "
        "# begins a comment. None is removed; a line that is no query is a warning.",
    ),
]
ResumeKeys = Annotated[
    bool,
    typer.Option(
        "--resume-keys",
        help="Before the first wave, lift every suspension of the ring's keys, as `maia keys resume FINGERPRINT` does "
        "for one key.",
    ),
]
Migrate = Annotated[
    bool,
    typer.Option(
        "--migrate/--no-migrate",
        help="Before the first wave, bring an older schema up to date where that only adds and this user may.",
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
    """Say how many shards are worth starting: none if nothing is due, or nothing is left to spend.

    A shard is worth starting when it has an item to work on and a call to spend on it, for one cycle of its batch size.
    From wave 2 on, also no more than met a rate limit in the wave before, by the rows of MAIA_RUN_ID; a wave that
    would start waits first, for MAIA_WAVE_PAUSE_SECONDS (60) and up to half as long again. The number and the reason
    are in the log and in the result file.

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
