"""Connections, memory and CPU of a run, seen from outside the shards."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from harness.driver.proc import cpu_of, memory_of, private_memory, tree_seconds

_BACKENDS_READ = 16
_CONNECTIONS = """
SELECT application_name AS name, count(*) AS number FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'maia %' GROUP BY 1
"""
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'maia %'"
_LEDGER = """
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal, (SELECT sum(wal_fpi) FROM pg_stat_wal) AS pages,
    (SELECT sum(writes) FROM pg_stat_io) AS writes, (SELECT sum(fsyncs) FROM pg_stat_io) AS fsyncs,
    xact_commit AS commits, deadlocks, pg_database_size(current_database()) AS size
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Ledger:
    """What the server has counted since it started.

    Attributes:
        wal, size: bytes.
        pages: whole pages in the WAL.
        writes, fsyncs: of files; like pages None before PostgreSQL 18, or without the right to see them.
    """

    wal: int
    pages: int | None
    writes: int | None
    fsyncs: int | None
    commits: int
    deadlocks: int
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
        per_shard, most: the most connections of each shard, and of all together.
        memory: process → (seconds since the beginning, bytes) of each look.
        backend: private bytes of a server process, of each look at one.
        cpu: CPU seconds of the shards, the sandbox and PostgreSQL until now.
    """

    connection: asyncpg.Connection
    began: float = field(default_factory=time.monotonic)
    per_shard: Counter[str] = field(default_factory=Counter)
    most: int = 0
    memory: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    backend: list[int] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    _last: dict[str, dict[int, float]] = field(default_factory=lambda: {"shards": {}, "sandbox": {}})

    async def look_at_database(self) -> None:
        rows = await self.connection.fetch(_CONNECTIONS)
        for row in rows:
            self.per_shard[row["name"]] = max(self.per_shard[row["name"]], row["number"])
        self.most = max(self.most, sum(row["number"] for row in rows))

    async def look_at_backends(self) -> None:
        """Look at the memory of some server processes of this machine."""
        for row in (await self.connection.fetch(_BACKENDS))[:_BACKENDS_READ]:
            with contextlib.suppress(OSError, KeyError):
                self.backend.append(private_memory(row["pid"]))

    def look_at_processes(self, shards: Iterable[int], sandbox: int | None, server: int | None) -> None:
        """Look at the memory of the shards, and at the CPU of all."""
        passed = time.monotonic() - self.began
        for name, pids in (("shards", list(shards)), ("sandbox", [sandbox] if sandbox else [])):
            for pid in pids:
                with contextlib.suppress(OSError, KeyError, IndexError):
                    self._last[name][pid] = cpu_of(pid)  # remembered: an ended process has none
                    if name == "shards":
                        self.memory[pid].append((passed, memory_of(pid)[0]))
            self.cpu[name] = sum(self._last[name].values())
        if server:
            self.cpu["PostgreSQL"] = tree_seconds(server)
