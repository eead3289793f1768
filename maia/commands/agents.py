"""`maia hunter` and `maia tracker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas.help import verbatim
from maia.agents.session import Shard
from maia.cycles import AgentOptions, run
from maia.runtime.exitcodes import EXIT_CODES
from maia.runtime.logs import set_up_logging

EPILOG = verbatim("Exit codes:\n" + "\n".join(f"  {row.code.value:>3}  {row.name}: {row.when}" for row in EXIT_CODES))
"""The last part of the agents' help."""


def parse_shard(text: str) -> Shard:
    """Return the shard of --shard. Raises BadParameter."""
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from None


MOST_MINUTES = 525_600.0  # a year
MOST_ROWS = 2**31 - 1  # PostgreSQL's integer


ShardOption = Annotated[
    str,
    typer.Option(
        metavar="I/N",
        help="Name of one of N parallel processes, I from 0; it also picks the first key. Any shard may take any row.",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size", min=1, max=MOST_ROWS, help="Rows per cycle; default: HUNTER_BATCH_SIZE or TRACKER_BATCH_SIZE."
    ),
]
Cycles = Annotated[int, typer.Option(min=1, help="Maximum cycles; ends earlier when nothing is due.")]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=MOST_MINUTES,
        help="Repeat cycles for this many minutes, or until nothing is due; 0: run --cycles instead.",
    ),
]
ResultFile = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write the result as JSON; default: MAIA_RESULT_FILE.")
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65_535,
        help="Serve metrics for Prometheus on this port of METRICS_ADDRESS while it runs; 0: a free port.",
    ),
]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Log one JSON object a line.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log details too.")]


def _start(
    name: str, shard: str, batch_size: int | None, cycles: int, max_minutes: float | None, result_file: Path | None,
    metrics_port: int | None,
) -> None:  # fmt: skip
    if max_minutes and cycles != 1:
        raise typer.BadParameter("give --cycles or --max-minutes, not both")
    run(name, AgentOptions(parse_shard(shard), batch_size, cycles, max_minutes or None, result_file, metrics_port))


def hunter(
    batch_size: BatchSize = None,
    cycles: Cycles = 1,
    max_minutes: MaxMinutes = None,
    shard: ShardOption = "0/1",
    result_file: ResultFile = None,
    metrics_port: MetricsPort = None,
    *,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Discover videos: search the queries that are due, store the videos, add their tags to the queue.

    A cycle claims HUNTER_BATCH_SIZE (10) queries; each search costs 1 of the 100 calls that YouTube grants a project a
    day. Fill the queue first: maia queue add "your query".

    \b
      maia hunter
      maia hunter --shard 0/4 --max-minutes 20 --result-file result.json
    """
    set_up_logging(json=json_logs, verbose=verbose)
    _start("hunter", shard, batch_size, cycles, max_minutes, result_file, metrics_port)


def tracker(
    batch_size: BatchSize = None,
    cycles: Cycles = 1,
    max_minutes: MaxMinutes = None,
    shard: ShardOption = "0/1",
    result_file: ResultFile = None,
    metrics_port: MetricsPort = None,
    *,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Track views: read the counts of the videos that are due, and schedule their next reading.

    Videos under 24 h old are read hourly, up to 7 days every 6 h, older ones daily. A cycle claims TRACKER_BATCH_SIZE
    (50) videos; a larger batch is split into calls of 50 that run in parallel.

    \b
      maia tracker --batch-size 1000
      maia tracker --shard 1/4 --max-minutes 20
    """
    set_up_logging(json=json_logs, verbose=verbose)
    _start("tracker", shard, batch_size, cycles, max_minutes, result_file, metrics_port)
