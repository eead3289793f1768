"""The command line of the load run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from atlas.policy import ZONES
from harness.driver.options import count, parser_of, positive

_DESCRIPTION = """\
Many shards at once against one database, for some minutes, without a key: what does it take, and does it hold?

It starts a PostgreSQL of its own (the binaries of the extra `embedded`), fills it as after two weeks of work, starts
the local YouTube Data API (maia sandbox) and the shards: real processes, a quarter of them Hunters, the rest Trackers.
There is more to read than they can, so that none of them is ever idle: zone 1 has to be on time all the same.
"""
_EPILOG = """\
examples:
  python -m harness.load --shards 8 --minutes 1                     a first look
  python -m harness.load --shards 64 --minutes 10 --json load.json  the run that docs/scaling.md shows
  python -m harness.load --simulate 256 --minutes 5                 256 claimers, as connections of a few processes
  python -m harness.load --shards 64 --max-connections 40           fewer connections than shards want: who is refused?
  python -m harness.load --database-url postgresql://USER@HOST:5432/EMPTY_DATABASE

It ends with 0 if every check holds, 1 if not, 130 after Ctrl-C; nothing that it started is left then. Everything shares
this machine's cores: figures of one run can only be compared with each other. A database that is named has to be empty,
or hold Atlas's empty tables; it is filled, and not emptied afterwards.
"""


@dataclass(frozen=True)
class LoadOptions:
    """The options.

    Attributes:
        hunters, trackers: processes of each, or claimers of each in a simulation.
        minutes: of the measurement, after all have started.
        database_url: of an empty database; None: a PostgreSQL of its own.
        pool_size: DATABASE_POOL_SIZE of each shard.
        vault: VAULT_PROVIDER of the shards.
        videos: published in a week of schedule time; two weeks' are read.
        speed: schedule seconds a second.
        latency: seconds that the API takes for an answer.
        batch: videos that a Tracker claims at once.
        keep: the folder was named, and stays.
    """

    hunters: int
    trackers: int
    simulated: bool
    minutes: float
    database_url: str | None
    max_connections: int
    pool_size: int
    vault: str
    videos: int
    speed: float
    latency: float
    batch: int
    seed: int
    json: Path | None
    folder: Path
    keep: bool

    @property
    def shards(self) -> int:
        return self.hunters + self.trackers

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def warm_up(self) -> float:
        """Seconds until all have started, which are not measured."""
        return 5.0 + (0.05 if self.simulated else 0.6) * self.shards


def parse(arguments: list[str] | None = None) -> LoadOptions:
    """Return the options. Raises SystemExit(2) for wrong usage."""
    parser = parser_of("python -m harness.load", _DESCRIPTION, _EPILOG)
    parser.add_argument("--shards", type=count, default=64, help="processes at once (64)")
    parser.add_argument("--hunters", type=int, help="how many of them are Hunters (a quarter)")
    parser.add_argument("--simulate", type=count, metavar="N", help="N claimers in a few processes, instead of shards")
    parser.add_argument("--minutes", type=positive, default=10.0, help="for how long it is measured (10)")
    parser.add_argument("--database-url", help="an empty database, instead of a PostgreSQL of its own")
    parser.add_argument(
        "--max-connections", type=count, help="of its own PostgreSQL (what the shards may want, and 20 more)"
    )
    parser.add_argument("--pool-size", type=count, help="DATABASE_POOL_SIZE of a shard (4; 1 of a simulated one)")
    parser.add_argument("--vault", choices=("off", "local"), default="off", help="VAULT_PROVIDER of the shards (off)")
    parser.add_argument(
        "--videos", type=count, help="videos published in a week, of which two weeks are read (more than they can)"
    )
    parser.add_argument("--speed", type=positive, default=120.0, help="schedule seconds a second (120)")
    parser.add_argument("--latency", type=positive, default=1.0, help="seconds that the API takes for an answer (1)")
    parser.add_argument("--batch", type=count, default=50, help="videos that a Tracker claims at once (50)")
    parser.add_argument("--seed", type=int, default=1, help="of the sandbox's world (1)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here as well")
    parser.add_argument("--folder", type=Path, help="keep everything here (a temporary folder, gone afterwards)")
    given = vars(parser.parse_args(arguments))
    shards, simulated = given.pop("shards"), given.pop("simulate")
    shards = simulated or shards
    hunters = shards // 4 if given["hunters"] is None else given["hunters"]
    if not 0 <= hunters <= shards:
        parser.error("--hunters: it must be 0 to the number of shards")
    given |= {"hunters": hunters, "trackers": shards - hunters, "simulated": simulated is not None}
    given["pool_size"] = given["pool_size"] or (1 if simulated else 4)
    given["max_connections"] = given["max_connections"] or shards * given["pool_size"] + 20
    given["videos"] = given["videos"] or _too_many(given)
    given["json"] = given["json"] and given["json"].resolve()
    given["keep"] = given["folder"] is not None
    given["folder"] = (given["folder"] or Path(tempfile.mkdtemp(prefix="maia-load-"))).resolve()
    return LoadOptions(**given)


def _too_many(given: Mapping[str, Any]) -> int:
    """Return more videos a week than Trackers that do nothing but wait for the API could read."""
    a_second: float = given["trackers"] * given["batch"] / given["latency"]
    # a seventh of a week's is in zone 1, the rest in zone 2; another week's, in zone 3, is all due at the beginning
    below = timedelta(days=7)
    share = (ZONES[0].below or below) / below
    demand: float = share / ZONES[0].interval.total_seconds() + (1 - share) / ZONES[1].interval.total_seconds()
    demand += 1 / ZONES[2].interval.total_seconds()
    demand = demand * given["speed"] + 1 / (given["minutes"] * 60)
    return max(1_000, round(a_second / demand))
