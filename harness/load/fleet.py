"""The shards of a load run: agents, or claimers if they are simulated."""

from __future__ import annotations

from collections.abc import Mapping

from harness.driver.fleet import Fleet, Place
from harness.driver.processes import Children
from harness.load.options import Options

__all__ = ["fleet_of"]

_SIMULATED_TOGETHER = 32  # claimers of one process
_HUNTER_BATCH = 2  # many small claims, as of a large fleet, from a few processes


def fleet_of(options: Options, children: Children, environment: Mapping[str, str]) -> Fleet:
    """Return the fleet. A process that ended early had nothing to do, or was refused: its place rests for 5 s."""
    places = []
    for agent, number, batch in (
        ("hunter", options.hunters, _HUNTER_BATCH),
        ("tracker", options.trackers, options.batch),
    ):
        step = _SIMULATED_TOGETHER if options.simulated else 1
        for first in range(0, number, step):
            measures = str(options.folder / "measures" / f"{agent}-{first}.jsonl")
            if options.simulated:
                until = min(first + step, number)
                name = f"{agent} {first}-{until}/{number}"
                numbers = (first, until, number, batch, options.latency)
                command = ["harness.load.claimers", measures, agent, *map(str, numbers)]
            else:
                name = f"{agent} {first}/{number}"
                words = ["--shard", f"{first}/{number}", "--batch-size", str(batch), "--max-minutes"]
                command = ["harness.load.shard", measures, agent, *words]
            places.append(Place(name, command))
    return Fleet(options.folder, children, environment, places, wave=float("inf"), patience=120.0, rest=5.0)
