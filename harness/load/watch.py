"""Looking on: connections, memory and CPU, from outside the shards."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

__all__ = ["Ledger", "Watch"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")

_CONNECTIONS = """
SELECT application_name AS name, count(*) AS number FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'maia %' GROUP BY 1
"""
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'maia %'"
_LEDGER = """
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal, (SELECT sum(wal_fpi) FROM pg_stat_wal) AS pages,
    (SELECT sum(writes) FROM pg_stat_io) AS writes, (SELECT sum(fsyncs) FROM pg_stat_io) AS fsyncs,
    xact_commit AS commits, deadlocks, blks_read AS read, blks_hit AS hit,
    pg_database_size(current_database()) AS size
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Ledger:
    """What the server has counted since it began: bytes of WAL, whole pages in it, writes and fsyncs of files (None
    before PostgreSQL 18, or without the right to see them), transactions, deadlocks, blocks, bytes."""

    wal: int
    pages: int | None
    writes: int | None
    fsyncs: int | None
    commits: int
    deadlocks: int
    read: int
    hit: int
    size: int

    @classmethod
    async def read_from(cls, connection: asyncpg.Connection) -> Ledger:
        row = await connection.fetchrow(_LEDGER)
        numbers: dict[str, Any] = {name: None if value is None else int(value) for name, value in row.items()}
        return cls(**numbers)


@dataclass
class Watch:
    """What was seen.

    Attributes:
        per_shard: the most connections that each shard was seen to have.
        most: the most that all had together.
        memory: process → (seconds since the beginning, bytes of it) of each look.
        backend: bytes that a server process has for itself alone, of each look at one.
        cpu: who → CPU seconds up to now.
    """

    connection: asyncpg.Connection
    began: float = field(default_factory=time.monotonic)
    per_shard: Counter[str] = field(default_factory=Counter)
    most: int = 0
    memory: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    backend: list[int] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    _last: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    async def look_at_database(self) -> None:
        rows = await self.connection.fetch(_CONNECTIONS)
        for row in rows:
            self.per_shard[row["name"]] = max(self.per_shard[row["name"]], row["number"])
        self.most = max(self.most, sum(row["number"] for row in rows))

    async def look_at_backends(self, number: int = 16) -> None:
        """What server processes have for themselves: of a server on this machine only."""
        for row in (await self.connection.fetch(_BACKENDS))[:number]:
            with contextlib.suppress(OSError):
                self.backend.append(_own_memory(row["pid"]))

    def look_at_processes(self, shards: Iterable[int], sandbox: int | None, server: int | None) -> None:
        """Memory of the shards, and the CPU of all."""
        passed = time.monotonic() - self.began
        pids = list(shards)
        for pid in pids:
            with contextlib.suppress(OSError, IndexError, ValueError):
                pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
                self.memory[pid].append((passed, pages * _PAGE))
        groups = {"shards": pids, "sandbox": [sandbox] if sandbox else []}
        if server:
            groups["PostgreSQL"] = [server, *_children(server)]
        for name, members in groups.items():
            self._last[name].update((pid, spent) for pid in members if (spent := _cpu(pid, ended=pid == server)))
            alive = self._last[name] if name != "PostgreSQL" else {pid: self._last[name].get(pid, 0) for pid in members}
            self.cpu[name] = sum(alive.values())  # a server's ended processes are in the account of their parent


def _own_memory(pid: int) -> int:
    """Bytes that a process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int, *, ended: bool) -> float:
    """CPU seconds of a process; with ``ended`` those of its ended children too."""
    fields = _stat(pid)
    return sum(map(int, fields[11 : 15 if ended else 13])) / _TICK


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(folder.name)
        if fields and int(fields[1]) == parent:
            found.append(int(folder.name))
    return found
