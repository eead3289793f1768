"""The command line of the harness."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from harness.driver.options import ROOT, count, parser_of

_DESCRIPTION = """\
Kills agents, PostgreSQL and connections while agents work, and checks that nothing was lost, written twice or shown to
others. The same seed plans the same faults.
"""
_EPILOG = "exit codes: 0 nothing found, 1 a violation (or a mutant that nothing found), 2 usage, 3 too few faults"
_LARGEST_SEED = 10**6


@dataclass(frozen=True)
class ChaosOptions:
    """The harness's options.

    Attributes:
        folder: absolute; what is in it is removed.
        seed: of all faults, and of the API's world.
        kills, faults: agents killed, and times of each other fault, at least.
        minutes: of real time, after which a run that did not get so far fails.
        mutant: a deliberate fault of Maia; the run passes when a check finds it.
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


def parse(arguments: list[str] | None = None) -> ChaosOptions:
    """Return the options. Raises SystemExit(2) for wrong usage."""
    parser = parser_of("python -m harness.chaos", _DESCRIPTION, _EPILOG)
    parser.add_argument("--seed", type=int, help="what a run prints, to see it again (default: a new one)")
    parser.add_argument("--kills", type=int, default=500, help="agents killed at least (default: %(default)s)")
    parser.add_argument("--faults", type=int, default=50, help="each other fault at least (default: %(default)s)")
    parser.add_argument("--hunters", type=count, default=4, help="at once (default: %(default)s)")
    parser.add_argument("--trackers", type=count, default=5, help="at once (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=20, help="at most (default: %(default)s)")
    parser.add_argument("--calm", action="store_true", help="no fault: calls must be counted to the last one")
    parser.add_argument("--mutant", metavar="NAME", help="a deliberate fault of Maia that has to be found ('list')")
    parser.add_argument("--folder", type=Path, default=ROOT / ".chaos", help="where the run is kept (default: .chaos)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="the report as JSON")
    given = vars(parser.parse_args(arguments))
    if given["seed"] is None:
        given["seed"] = random.SystemRandom().randrange(_LARGEST_SEED)
    if given["calm"]:
        given["kills"] = given["faults"] = 0
    given["folder"] = Path(os.path.abspath(given["folder"]))  # noqa: PTH100  as the shards will write it
    return ChaosOptions(**given)
