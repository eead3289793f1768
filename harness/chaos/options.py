"""What the harness is asked to do."""

from __future__ import annotations

import argparse
import os
import random
from dataclasses import dataclass
from pathlib import Path

from harness.driver.options import ROOT

__all__ = ["Options", "parse"]

_LARGEST_SEED = 10**6


@dataclass(frozen=True)
class Options:
    """The harness's options.

    Attributes:
        folder: where all of the run is kept; absolute. What is in it goes.
        seed: of all faults, and of the API's world.
        hunters, trackers: how many of each work at once, beside one Janitor.
        kills: how many agents are killed at least.
        faults: how often each other fault happens at least.
        minutes: real minutes after which a run that did not get so far fails.
        calm: no fault at all: the counts must then be equal to the call.
        mutant: a deliberate fault of Maia; the run passes when a check finds it.
        json: where the report goes as JSON.
    """

    folder: Path
    seed: int
    hunters: int = 4
    trackers: int = 5
    kills: int = 500
    faults: int = 50
    minutes: float = 20
    calm: bool = False
    mutant: str | None = None
    json: Path | None = None


def parse(arguments: list[str] | None = None) -> Options:
    """Reads the command line; wrong arguments end the process with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.chaos",
        description="Kills agents, PostgreSQL and connections while agents work, and checks that nothing was lost, "
        "written twice or shown to others. The same seed plans the same faults.",
        epilog="exit codes: 0 nothing found, 1 a violation (or a mutant that nothing found), 2 usage, 3 too few faults",
    )
    parser.add_argument("--seed", type=int, help="what a run prints, to see it again (default: a new one)")
    parser.add_argument("--kills", type=int, default=500, help="agents killed at least (default: %(default)s)")
    parser.add_argument("--faults", type=int, default=50, help="each other fault at least (default: %(default)s)")
    parser.add_argument("--hunters", type=int, default=4, help="at once (default: %(default)s)")
    parser.add_argument("--trackers", type=int, default=5, help="at once (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=20, help="at most (default: %(default)s)")
    parser.add_argument("--calm", action="store_true", help="no fault: calls must be counted to the last one")
    parser.add_argument("--mutant", metavar="NAME", help="a deliberate fault of Maia that has to be found ('list')")
    parser.add_argument("--folder", type=Path, default=ROOT / ".chaos", help="where the run is kept (default: .chaos)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="the report as JSON")
    given = vars(parser.parse_args(arguments))
    for name in ("hunters", "trackers"):
        if given[name] < 1:
            parser.error(f"--{name}: at least one")
    if given["seed"] is None:
        given["seed"] = random.SystemRandom().randrange(_LARGEST_SEED)
    if given["calm"]:
        given["kills"] = given["faults"] = 0
    given["folder"] = Path(os.path.abspath(given["folder"]))  # noqa: PTH100  as the shards will write it
    return Options(**given)
