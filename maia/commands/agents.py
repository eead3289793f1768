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

__all__ = ["EPILOG", "MOST_MINUTES", "MOST_ROWS", "hunter", "parse_shard", "tracker"]

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
        help="Which of N parallel processes this is, I from 0. Names it in leases and logs and picks its first key; "
        "any shard may take any row.",
    ),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, max=MOST_ROWS, help="Rows of one cycle; default: the setting.")
]
Cycles = Annotated[int, typer.Option(min=1, help="How many cycles at most; ends sooner when nothing is due.")]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=MOST_MINUTES,
        help="Repeat for this long instead, or until nothing is due; 0: as without this option.",
    ),
]
ResultFile = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write how it went as JSON; default: MAIA_RESULT_FILE.")
]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Log one JSON object a line.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log the details too: which query found what, which videos a call read.")
]


def _start(
    name: str, shard: str, batch_size: int | None, cycles: int, max_minutes: float | None, result_file: Path | None
) -> None:
    if max_minutes and cycles != 1:
        raise typer.BadParameter("give --cycles or --max-minutes, not both")
    run(name, AgentOptions(parse_shard(shard), batch_size, cycles, max_minutes or None, result_file))


def hunter(
    batch_size: BatchSize = None,
    cycles: Cycles = 1,
    max_minutes: MaxMinutes = None,
    shard: ShardOption = "0/1",
    result_file: ResultFile = None,
    *,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Discover videos: search the queries that are due, store what they find, queue its tags.

    A cycle claims HUNTER_BATCH_SIZE (10) queries; each search costs 1 of the 100 calls that YouTube grants a project a
    day. Fill the queue first: maia queue add "your query".

    \b
      maia hunter
      maia hunter --shard 0/4 --max-minutes 20 --result-file result.json
    """
    set_up_logging(json=json_logs, verbose=verbose)
    _start("hunter", shard, batch_size, cycles, max_minutes, result_file)


def tracker(
    batch_size: BatchSize = None,
    cycles: Cycles = 1,
    max_minutes: MaxMinutes = None,
    shard: ShardOption = "0/1",
    result_file: ResultFile = None,
    *,
    json_logs: JsonLogs = False,
    verbose: Verbose = False,
) -> None:
    """Track views: read the counts of the videos that are due, and schedule their next reading.

    Videos under 24 h old are read hourly, up to 7 days every 6 h, older ones daily. A cycle claims TRACKER_BATCH_SIZE
    (50) videos; a larger batch is split into calls of 50 that run at once.

    \b
      maia tracker --batch-size 1000
      maia tracker --shard 1/4 --max-minutes 20
    """
    set_up_logging(json=json_logs, verbose=verbose)
    _start("tracker", shard, batch_size, cycles, max_minutes, result_file)
