"""What the demo is asked to do."""

from __future__ import annotations

import argparse
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from atlas.errors import ConfigError

__all__ = ["ROOT", "Options", "parse"]

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""


@dataclass(frozen=True)
class Options:
    """The demo's options.

    Attributes:
        folder: where all of it lives; absolute.
        dataset: a CSV of daily view counts to replay; None: the sandbox's own world.
        seconds: how long the shards work, in real seconds.
        hours: schedule hours that pass in that time; None: two for each second, or all of the data set's days.
        hunters, trackers: how many of each work at once.
        wave: a process ends, and the next takes its place, after so many real seconds, as a cron job's would.
        seed: of the sandbox's world.
    """

    folder: Path
    dataset: Path | None = None
    seconds: float = 25.0
    hours: float | None = None
    hunters: int = 2
    trackers: int = 2
    wave: float = 7.0
    seed: int = 1


def parse(arguments: list[str] | None = None) -> Options:
    """Reads the command line. Raises ConfigError for a data set that is not there; SystemExit(2) for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="demo", description="Hunter and Tracker shards at work on a local YouTube and PostgreSQL, without a key."
    )
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where all of it lives (default: .demo)")
    parser.add_argument("--dataset", help="replay this CSV of daily view counts instead of the sandbox's own world")
    parser.add_argument("--called-from", type=Path, action="append", default=[], help="where relative paths begin")
    parser.add_argument("--seconds", type=_positive, default=Options.seconds, help="how long the shards work")
    parser.add_argument("--hours", type=_positive, help="schedule hours that pass meanwhile")
    parser.add_argument("--hunters", type=_count, default=Options.hunters, help="how many at once")
    parser.add_argument("--trackers", type=_count, default=Options.trackers, help="how many at once")
    parser.add_argument("--wave", type=_positive, default=Options.wave, help="seconds after which a process ends")
    parser.add_argument("--seed", type=int, default=Options.seed, help="of the sandbox's world")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    dataset = find_dataset(given.dataset, [*given.called_from, Path.cwd()]) if given.dataset else None
    return Options(
        folder=folder / folder_name(dataset) if dataset else folder,
        dataset=dataset,
        seconds=given.seconds,
        hours=given.hours,
        hunters=given.hunters,
        trackers=given.trackers,
        wave=given.wave,
        seed=given.seed,
    )


def find_dataset(name: str, places: list[Path]) -> Path:
    """The data set of this name; a relative one is looked for where the demo was called. Raises ConfigError."""
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
    """The folder for a data set: its name and the beginning of its contents' hash, so that no two share one."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", dataset.stem).strip("-")[:40] or "dataset"
    try:
        digest = hashlib.sha256(dataset.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"DATASET: {dataset} cannot be read: {error.strerror}.") from None
    return f"{stem}-{digest[:8]}"


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1_000_000:
        raise argparse.ArgumentTypeError("it must be above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 32:
        raise argparse.ArgumentTypeError("it must be 1 to 32")
    return value
