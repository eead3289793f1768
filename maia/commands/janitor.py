"""`maia janitor`."""

from __future__ import annotations

from typing import Annotated

import typer

from maia.commands.agents import (
    MOST_MINUTES,
    MOST_ROWS,
    JsonLogs,
    ResultFile,
    Verbose,
    parse_shard,
)
from maia.logs import set_up_logging

__all__ = ["janitor"]

BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size", min=1, max=MOST_ROWS, help="Rows that one transaction deletes; default: JANITOR_BATCH_SIZE."
    ),
]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=MOST_MINUTES,
        help="Begin nothing new after so long; the next run goes on.",
    ),
]
ShardOption = Annotated[
    str,
    typer.Option(metavar="I/N", help="Which of N processes this is, I from 0: names it in logs and results."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Delete nothing, and say what would go.")]


def janitor(
    batch_size: BatchSize = None,
    max_minutes: MaxMinutes = None,
    shard: ShardOption = "0/1",
    result_file: ResultFile = None,
    *,
    dry_run: DryRun = False,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Keep the data as long as it may be kept: delete what is older, from the database and the archive.

    Once a day, beside the agents; it needs the database and the archive, and no key. What is kept for how long are the
    RETENTION settings; the page below says more.

    \b
      maia janitor --dry-run
      maia janitor --max-minutes 20 --result-file result.json
    """
    from maia.janitor import JanitorOptions, run  # noqa: PLC0415  the agents do not pay for its imports

    set_up_logging(json=json_logs, verbose=verbose)
    run(JanitorOptions(parse_shard(shard), batch_size, max_minutes, result_file, dry_run))
