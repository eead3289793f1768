"""What Linux says of this machine and of processes: parents, CPU seconds and memory."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int | str) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on: the second, the name, may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def parent_of(pid: int) -> int:
    """Return such as the server, of a PostgreSQL connection's process."""
    return int(_stat(pid)[1])


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a living process."""
    return sum(map(int, _stat(pid)[11:13])) / _TICKS


def tree_seconds(*roots: int) -> float:
    """Return the CPU seconds of these processes and all below them, including those that have ended since."""
    spent: dict[int, int] = {}
    below: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = _stat(entry.name)
        except OSError:  # it has just ended
            continue
        below[int(fields[1])].append(int(entry.name))
        spent[int(entry.name)] = sum(map(int, fields[11:15]))
    ticks, left = 0, list(roots)
    while left:
        pid = left.pop()
        ticks += spent.get(pid, 0)
        left += below[pid]
    return ticks / _TICKS


def machine_seconds() -> float:
    """Return the CPU seconds that all cores have worked since the machine started."""
    user, nice, system, _idle, _waits, *more = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + sum(more[:3])) / _TICKS


def _kibibytes(pid: int | str, file: str, *names: str) -> list[int]:
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines())
    found = {name: int(value.split()[0]) for name, _, value in lines if name in names}
    return [found[name] * 1024 for name in names]


def memory_of(pid: int | str) -> tuple[int, int]:
    """Return the bytes of a process in memory, and the most that it ever had.

    Raises:
        KeyError: it has ended, and is not waited for yet.
    """
    resident, highest = _kibibytes(pid, "status", "VmRSS", "VmHWM")
    return resident, highest


def private_memory(pid: int) -> int:
    """Return the bytes that a process shares with no other."""
    return sum(_kibibytes(pid, "smaps_rollup", "Private_Clean", "Private_Dirty"))


def machine() -> str:
    """Return the machine in a line."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def about_machine() -> dict[str, object]:
    """Return the machine, for the JSON: cores, memory in MiB, system, Python, and how busy it was."""
    return {
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }
