"""CPU seconds, as the kernel counts them: of this measurement's processes, and of the whole machine."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

__all__ = ["cpu_of", "machine_seconds", "parent_of", "tree_seconds"]

_HZ = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second, the name, may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def parent_of(pid: int) -> int:
    """Such as the server, of a PostgreSQL connection's process."""
    return int(_stat(pid)[1])


def cpu_of(pid: int) -> float:
    """CPU seconds of a living process."""
    return sum(map(int, _stat(pid)[11:13])) / _HZ


def tree_seconds(*roots: int) -> float:
    """CPU seconds of these processes and all below them, those included that have ended since."""
    own: dict[int, int] = {}
    ended: dict[int, int] = {}
    below: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = _stat(pid := int(entry.name))
            except OSError:  # it has just ended
                continue
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
