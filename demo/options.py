"""The command line of the demo."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from atlas.errors import ConfigError
from harness.driver.options import ROOT, count, parser_of, positive

_MOST = 32


@dataclass(frozen=True)
class DemoOptions:
    """The options of the demo.

    Attributes:
        dataset: a CSV of daily view counts to replay; None: the sandbox's own world.
        seconds: how long the shards work, in real seconds.
        hours: schedule hours that pass in that time; None: two for each second, or all of the data set's days.
        wave: real seconds after which a process ends and the next takes its place, as a cron job's would.
    """

    folder: Path
    dataset: Path | None = None
    seconds: float = 25.0
    hours: float | None = None
    hunters: int = 2
    trackers: int = 2
    wave: float = 7.0
    seed: int = 1


def parse(arguments: list[str] | None = None) -> DemoOptions:
    """Return the options. Raises ConfigError for a data set that is not there; SystemExit(2) for wrong usage."""
    parser = parser_of("demo", "Hunter and Tracker shards at work on a local YouTube and PostgreSQL, without a key.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where all of it lives (default: .demo)")
    parser.add_argument("--dataset", help="replay this CSV of daily view counts instead of the sandbox's own world")
    parser.add_argument("--called-from", type=Path, action="append", default=[], help="where relative paths begin")
    parser.add_argument("--seconds", type=positive, default=DemoOptions.seconds, help="how long the shards work")
    parser.add_argument("--hours", type=positive, help="schedule hours that pass meanwhile")
    parser.add_argument("--hunters", type=count, default=DemoOptions.hunters, help="how many at once")
    parser.add_argument("--trackers", type=count, default=DemoOptions.trackers, help="how many at once")
    parser.add_argument("--wave", type=positive, default=DemoOptions.wave, help="seconds after which a process ends")
    parser.add_argument("--seed", type=int, default=DemoOptions.seed, help="of the sandbox's world")
    given = vars(parser.parse_args(arguments))
    for name in ("hunters", "trackers"):
        if given[name] > _MOST:
            parser.error(f"--{name}: it must be {_MOST} or fewer")
    called_from = given.pop("called_from")
    given["folder"] = given["folder"].resolve()
    if given["dataset"]:
        given["dataset"] = find_dataset(given["dataset"], [*called_from, Path.cwd()])
        given["folder"] /= folder_name(given["dataset"])
    return DemoOptions(**given)


def find_dataset(name: str, places: list[Path]) -> Path:
    """Return the data set's path; a relative one begins where the demo was called. Raises ConfigError."""
    tried = [(place / Path(name).expanduser()).resolve() for place in places]
    for path in tried:
        if path.is_file():
            return path
    if any(path.is_dir() for path in tried):
        raise ConfigError(f"DATASET: {name} is a folder; name a CSV file of daily view counts.")
    raise ConfigError(
        f"DATASET: there is no file {tried[0]}. Name a CSV file of daily view counts; a relative path begins where "
        "make was called."
    )


def folder_name(dataset: Path) -> str:
    """Return the data set's name and the beginning of its contents' hash, so that no two share a folder."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", dataset.stem).strip("-")[:40] or "dataset"
    try:
        digest = hashlib.sha256(dataset.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"DATASET: {dataset} cannot be read: {error.strerror}.") from None
    return f"{stem}-{digest[:8]}"
