"""Gather what a run has left behind, as the plain data that the checks read (``harness.chaos.record``)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any

import asyncpg

from atlas.vault.archive import Archive, Damage
from atlas.vault.providers.local import LocalProvider
from harness.chaos.environment import LEASE_SECONDS
from harness.chaos.record import Call, Change, Fault, Process, Record, ResultFile, Who
from harness.driver import json_lines

_APPLICATION = re.compile(r"maia (\w+ \d+/\d+)(?: #(\d+))?")
_AGENT = re.compile(r"maia/[^ #]*(?:#(\d+))? \((\w+ \d+/\d+)\)")
_TROUBLE = re.compile(
    r"Traceback \(most recent call last\)|exception was never retrieved|was never awaited|Fatal Python"
)
_TIMES = frozenset(
    {
        "last_searched_at", "due_at", "published_after", "published_before", "round_before", "round_ended_at",
        "oldest_read", "leased_until", "last_updated_at", "enriched_at", "archived_at", "retired_at", "last_absent_at",
        "observed_at",
    }
)  # fmt: skip


async def gather(folder: Path, dsn: str) -> Record:
    """Read all of a run; the DSN is of its database."""
    archived, damaged = await asyncio.to_thread(_archive, folder / "vault")
    logs = {path.name: _lines(path) for path in sorted((folder / "logs").glob("*.log"))}
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            calls, processes, faults = (
                json_lines.entries(folder / f"{name}.jsonl") for name in ("calls", "processes", "faults")
            )
            return Record(
                calls=[_call(entry, number) for number, entry in enumerate(calls, 1)],
                processes=[Process(**_with_times(entry, "started", "ended")) for entry in processes],
                faults=[_fault(entry) for entry in faults],
                changes=await _changes(connection),
                gathered=await connection.fetchval("SELECT now()"),
                lease_seconds=LEASE_SECONDS,
                topics={str(row["id"]): dict(row) for row in await connection.fetch("SELECT * FROM search_queue")},
                videos={row["id"]: dict(row) for row in await connection.fetch("SELECT * FROM videos")},
                archived=archived,
                damaged=damaged,
                results=[_result(path) for path in sorted((folder / "results").glob("*.json"))],
                logs={name: len(lines) for name, lines in logs.items()},
                leftover=[
                    f"{name}, line {number}: {line.strip()[:200]}"
                    for name, lines in logs.items()
                    for number, line in enumerate(lines, 1)
                    if _TROUBLE.search(line)
                ],
            )
    finally:
        await connection.close()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _call(entry: Mapping[str, Any], number: int) -> Call:
    agent = _AGENT.search(entry["agent"])
    return Call(
        number=number,
        at=datetime.fromisoformat(entry["at"]),
        schedule=datetime.fromisoformat(entry["schedule"]),
        endpoint=entry["endpoint"],
        bucket=entry["bucket"],
        who=Who(agent[2], int(agent[1] or 0)) if agent else Who(""),
        params=entry["params"],
        key=entry["key"] or "",
        status=entry["status"],
        reason=entry["reason"],
        fault=entry["fault"],
        ids=tuple(entry["ids"]),
    )


def _with_times(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**entry, **{name: datetime.fromisoformat(entry[name]) for name in names}}


def _fault(entry: dict[str, Any]) -> Fault:
    del entry["detail"]
    return Fault(**_with_times(entry, "at", "until"))


async def _changes(connection: asyncpg.Connection) -> list[Change]:
    """Read the history. There may be half a million changes: a row's old state is the new one of the change before."""
    found: list[Change] = []
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    async for row in connection.cursor("SELECT * FROM watch.changes ORDER BY id", prefetch=1_000):
        change = _change(row)
        before = last.get((change.relation, change.key))
        found.append(replace(change, old=before) if before is not None and before == change.old else change)
        last[change.relation, change.key] = change.new
    return found


def _change(row: Any) -> Change:
    found = _APPLICATION.match(row["application"])
    return Change(
        number=row["id"],
        at=row["at"],
        tx=row["tx"],
        began=row["began"],
        who=Who(found[1], int(found[2] or 0)) if found else Who(""),
        relation=intern(row["relation"]),
        key=intern(row["key"]),
        op=intern(row["op"]),
        old=_columns(row["old"]),
        new=_columns(row["new"]),
    )


def _columns(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    return {intern(name): _value(name, value) for name, value in json.loads(text).items()}


@lru_cache(maxsize=100_000)
def _value(name: str, value: str | int | None) -> Any:
    return datetime.fromisoformat(value) if name in _TIMES and isinstance(value, str) else value


def _result(path: Path) -> ResultFile:
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        value = None
    return ResultFile(path.name, value if isinstance(value, dict) else None)


def _archive(folder: Path) -> tuple[frozenset[str], list[str]]:
    """Return the ids of the videos that have a whole record, and a line for each that is damaged."""
    archive = Archive(LocalProvider(folder))
    whole: set[str] = set()
    damaged: list[str] = []
    for day in archive.days():
        for stored in archive.records(day):
            if isinstance(stored, Damage):
                damaged.append(str(stored))
            else:
                whole.add(stored.record.video_id)
    return frozenset(whole), damaged
