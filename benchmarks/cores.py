"""CPU seconds, as the kernel counts them: of this measurement's processes, and of the whole machine."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

__all__ = ["machine_seconds", "tree_seconds"]

_HZ = os.sysconf("SC_CLK_TCK")


def tree_seconds(*roots: int) -> float:
    """CPU seconds of these processes and all below them, those included that have ended since."""
    own: dict[int, int] = {}
    ended: dict[int, int] = {}
    below: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:  # it has just ended
                continue
            words = text.rpartition(")")[2].split()  # the name before may hold anything
            pid = int(entry.name)
            below[int(words[1])].append(pid)
            own[pid], ended[pid] = int(words[11]) + int(words[12]), int(words[13]) + int(words[14])
    ticks, left = 0, list(roots)
    while left:
        pid = left.pop()
        ticks += own.get(pid, 0) + ended.get(pid, 0)
        left += below[pid]
    return ticks / _HZ


def machine_seconds() -> float:
    """CPU seconds that all cores have worked since the machine started."""
    user, nice, system, _idle, _waits, *more = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + sum(more[:3])) / _HZ
