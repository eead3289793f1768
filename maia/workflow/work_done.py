"""What the rows of `runs` did, in figures: new videos, snapshots, calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from atlas.figures import counted

__all__ = ["WorkDone"]


@dataclass(frozen=True)
class WorkDone:
    """The figures of some processes. Rows of other releases may lack them, and count as nothing."""

    new_videos: int = 0
    snapshots: int = 0
    """Readings of the Tracker, and first snapshots of the Hunter."""
    calls: int = 0
    """Calls that cost quota, of all buckets."""

    @classmethod
    def of(cls, stats: Iterable[Mapping[str, Any] | None]) -> WorkDone:
        """Return the sum over the stats of processes."""
        new = snapshots = calls = 0
        for each in stats:
            if not isinstance(each, Mapping):
                continue
            new += _number(each.get("videos_new"))
            snapshots += _number(each.get("updated")) + _number(each.get("videos_enriched"))
            by_bucket = each.get("calls")
            if isinstance(by_bucket, Mapping):
                calls += sum(map(_number, by_bucket.values()))
        return cls(new, snapshots, calls)

    def __str__(self) -> str:
        found = {"new video": self.new_videos, "snapshot": self.snapshots, "call": self.calls}
        return ", ".join(counted(number, noun) for noun, number in found.items() if number)


def _number(value: object) -> int:
    return value if type(value) is int else 0
