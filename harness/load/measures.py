"""What the shards noted, made into figures."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Distribution", "Measures", "growth"]

# one claim in ten of the server's log: the comments that the statements begin with
_SAMPLED = re.compile(
    r"duration: ([\d.]+) ms  execute \S+ (-- One probe per zone|-- \$1 how many, \$2 lease in seconds)"
)


@dataclass(frozen=True)
class Distribution:
    """Of some numbers: how many, the middle, the 99th percentile, the largest."""

    number: int
    p50: float
    p99: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution | None:
        """None where there are none."""
        if not values:
            return None
        ordered = sorted(values)
        return cls(
            len(ordered), statistics.median(ordered), ordered[max(0, -(-len(ordered) * 99 // 100) - 1)], ordered[-1]
        )

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass
class Measures:
    """What was noted while it was measured.

    Attributes:
        times: what was done → milliseconds of each.
        rows: what was done → rows.
        late: zone → seconds by which each reading was late.
        in_server: milliseconds of claims as the server's log has them, a sample.
    """

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rows: Counter[str] = field(default_factory=Counter)
    late: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    in_server: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, files: Iterable[Path], since: float, until: float) -> Measures:
        """Of all shards, between two real times (seconds since 1970)."""
        this = cls()
        for path in files:
            for line in path.read_bytes().splitlines():
                entry: dict[str, Any] = json.loads(line)
                if not since <= entry["at"] <= until:
                    continue
                this.times[entry["kind"]].append(entry["ms"])
                this.rows[entry["kind"]] += entry["rows"]
                for zone, values in entry.get("late", {}).items():
                    this.late[int(zone)] += values
        return this

    def read_server_log(self, path: Path) -> None:
        """Adds what a server with ``log_statement_sample_rate`` wrote."""
        with path.open(encoding="utf-8", errors="replace") as lines:
            self.in_server += [float(found[1]) for line in lines if (found := _SAMPLED.search(line))]


def growth(memory: Mapping[int, Sequence[tuple[float, int]]], warm: float, ends: float) -> list[tuple[int, int]]:
    """(bytes in the first fifth, bytes in the last fifth) of each process that was there in both; medians of them.

    Args:
        memory: see ``Watch``.
        warm, ends: seconds between which it is measured.
    """
    fifth = (ends - warm) / 5
    found = []
    for looks in memory.values():
        first = [size for at, size in looks if warm <= at < warm + fifth]
        last = [size for at, size in looks if ends - fifth <= at < ends]
        if first and last:
            found.append((round(statistics.median(first)), round(statistics.median(last))))
    return found
