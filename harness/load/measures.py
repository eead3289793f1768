"""What the shards noted, as figures."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.driver import json_lines

# one claim in ten of the server's log: the comments that the statements begin with
_SAMPLED = re.compile(
    r"duration: ([\d.]+) ms  execute \S+ (-- One probe per zone|-- \$1 how many, \$2 lease in seconds)"
)


@dataclass(frozen=True)
class Distribution:
    number: int
    p50: float
    p99: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution | None:
        if not values:
            return None
        ordered, number = sorted(values), len(values)
        return cls(number, statistics.median(ordered), ordered[max(0, -(-number * 99 // 100) - 1)], ordered[-1])


@dataclass
class Measures:
    """What was noted during the measurement.

    Attributes:
        times, rows: by kind: milliseconds of each, and the number of rows.
        late: zone → seconds by which each reading was late.
        in_server: milliseconds of a sample of the claims, from the server's log.
    """

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rows: Counter[str] = field(default_factory=Counter)
    late: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    in_server: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, files: Iterable[Path], since: float, until: float) -> Measures:
        """Read those of all shards between two real times (seconds since 1970)."""
        this = cls()
        for path in files:
            for entry in json_lines.entries(path):
                if not since <= entry["at"] <= until:
                    continue
                this.times[entry["kind"]].append(entry["ms"])
                this.rows[entry["kind"]] += entry["rows"]
                for zone, values in entry.get("late", {}).items():
                    this.late[int(zone)] += values
        return this

    def read_server_log(self, path: Path) -> None:
        """Add what a server with ``log_statement_sample_rate`` wrote."""
        with path.open(encoding="utf-8", errors="replace") as lines:
            self.in_server += [float(found[1]) for line in lines if (found := _SAMPLED.search(line))]


def growth(memory: Mapping[int, Sequence[tuple[float, int]]], warm: float, ends: float) -> list[tuple[int, int]]:
    """Return the median bytes in the first and the last fifth of the time, of each process that was there in both."""
    fifth = (ends - warm) / 5
    found = []
    for looks in memory.values():
        first = [size for at, size in looks if warm <= at < warm + fifth]
        last = [size for at, size in looks if ends - fifth <= at < ends]
        if first and last:
            found.append((round(statistics.median(first)), round(statistics.median(last))))
    return found
