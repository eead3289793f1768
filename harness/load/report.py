"""What the load run ends with: a table, the checks, and the same as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from atlas import policy
from harness.driver.audit import Audit
from harness.driver.screen import Screen
from harness.load.measures import Distribution, Measures
from harness.load.options import Options
from harness.load.watch import Ledger, Watch

__all__ = ["Ending", "as_json", "print_report", "problems"]

_MIB = 1 << 20
_NAMED = 5  # problems that are shown of each kind
_FLAT = 0.05  # by how much more a shard may hold at the end, in the middle of all


@dataclass(frozen=True)
class Ending:
    """What a run came to.

    Attributes:
        machine: in a line.
        server: PostgreSQL's version.
        videos: that the database held at the beginning.
        seconds: that were measured.
        audit, early: work that was done twice, by the API's log and by the snapshots.
        waiting: zone → seconds by which the most overdue video is late at the end.
        before, after: the server's accounts around what was measured.
        memory: (bytes at first, at last) of each process.
        cores: who → CPU seconds a second.
        codes: exit code → processes.
        held: rows that a shard still holds, though all have ended.
        miscounted: a line for each bucket whose calls the database counts otherwise than the API.
    """

    options: Options
    machine: str
    server: str
    videos: int
    seconds: float
    measures: Measures
    watch: Watch
    audit: Audit
    early: Sequence[str]
    waiting: Mapping[int, float]
    before: Ledger
    after: Ledger
    memory: Sequence[tuple[int, int]]
    cores: Mapping[str, float]
    codes: Mapping[int | None, int]
    held: Mapping[str, int]
    miscounted: Sequence[str]

    @property
    def intervals(self) -> dict[int, float]:
        """Zone → its interval in real seconds."""
        return {zone.number: zone.interval.total_seconds() / self.options.speed for zone in policy.ZONES}

    @property
    def growth(self) -> float | None:
        """By which part a shard grew, in the middle of all; None: none was there long enough."""
        return statistics.median(last / first - 1 for first, last in self.memory) if self.memory else None

    def late(self, zone: int) -> Distribution | None:
        return Distribution.of(self.measures.late.get(zone, []))

    def time(self, kind: str) -> Distribution | None:
        return Distribution.of(self.measures.times.get(kind, []))


def problems(ending: Ending) -> list[str]:
    """What a check found wrong; empty: all is well."""
    options = ending.options
    found = [f"searched by two: {line}" for line in ending.audit.searched_twice[:_NAMED]]
    found += [f"read by two: {line}" for line in ending.audit.read_twice[:_NAMED]]
    found += [f"snapshot too soon: {line}" for line in ending.early[:_NAMED]]
    found += [f"{shard or 'a shard'} still holds {number} rows" for shard, number in ending.held.items()]
    found += ending.miscounted
    first = ending.late(1)
    if options.trackers and first is None:
        found.append("no video of zone 1 was read")
    latest = max(first.largest if first else 0, ending.waiting.get(1, 0))
    if latest > ending.intervals[1]:
        found.append(f"zone 1 starves: {latest:.1f} s late, its interval is {ending.intervals[1]:.0f} s")
    greedy = {name: number for name, number in ending.watch.per_shard.items() if number > options.pool_size}
    found += [
        f"{name} has {number} connections, DATABASE_POOL_SIZE is {options.pool_size}" for name, number in greedy.items()
    ]
    if ending.growth is not None and ending.growth > _FLAT:
        found.append(f"memory is not flat: {ending.growth:+.1%} in the middle of all shards")
    # where there are fewer connections than shards want, some are told so
    expected = {0, 69} if options.max_connections < options.shards * options.pool_size else {0}
    found += [f"{number} processes ended with {code}" for code, number in ending.codes.items() if code not in expected]
    return found


def print_report(screen: Screen, ending: Ending) -> bool:
    """Shows all of it. Returns whether every check holds."""
    screen.say("")
    screen.show(_table(ending))
    wrong = problems(ending)
    for line in wrong:
        screen.say(f"✗ {line}", "bold red")
    if not wrong:
        screen.say("✓ every check holds", "green")
    return not wrong


def _table(ending: Ending) -> Table:
    options, measures, watch = ending.options, ending.measures, ending.watch
    who = "claimers in a few processes" if options.simulated else "processes"
    table = Table(
        "what", "figure",
        title=f"{options.shards} {who}: {options.hunters} Hunters, {options.trackers} Trackers; {ending.seconds:.0f} s",
        title_justify="left",
    )  # fmt: skip
    table.add_row("machine", ending.machine)
    table.add_row("database", f"{ending.server}; {ending.videos:,} videos at the beginning")
    table.add_row("schedule clock", f"{options.speed:g} times as fast; the API answers after {options.latency:g} s")
    table.add_section()
    doubles = len(ending.audit.searched_twice) + len(ending.audit.read_twice) + len(ending.early)
    table.add_row(
        "work done twice", f"{doubles}, of {ending.audit.searches:,} searches and {ending.audit.readings:,} readings"
    )
    table.add_row("videos read and stored", f"{measures.rows['videos written'] / ending.seconds:,.0f} a second")
    for zone, interval in ending.intervals.items():
        late = ending.late(zone)
        text = (
            "nothing was read"
            if late is None
            else f"p50 {late.p50:.1f} s, p99 {late.p99:.1f} s, most {late.largest:.1f} s"
        )
        waiting = ending.waiting.get(zone, 0.0)
        left = f"; at the end the last one waits {waiting:.1f} s" if waiting > 0 else ""
        table.add_row(f"zone {zone} read late by", f"{text} (interval {interval:,.0f} s){left}")
    table.add_section()
    for kind in ("videos claimed", "topics claimed", "videos written"):
        times = ending.time(kind)
        if times:
            table.add_row(f"{kind}, as the shard sees it", _milliseconds(times))
    in_server = Distribution.of(measures.in_server)
    if in_server:
        table.add_row("a claim, in the server (1 of 10)", _milliseconds(in_server))
    table.add_row(
        "connections",
        f"at most {max(watch.per_shard.values(), default=0)} of a shard (DATABASE_POOL_SIZE {options.pool_size}), "
        f"{watch.most} in all"
        + (f" (max_connections {options.max_connections})" if options.database_url is None else ""),
    )
    table.add_section()
    for name, text in _costs(ending):
        table.add_row(name, text)
    table.add_row("processes ended", ", ".join(f"{number} with {code}" for code, number in ending.codes.items()))
    return table


def _costs(ending: Ending) -> list[tuple[str, str]]:
    before, after = ending.before, ending.after
    written = max(1, ending.measures.rows["videos written"])
    rows = []
    if ending.growth is not None:
        first, last = (statistics.median(pair[n] for pair in ending.memory) / _MIB for n in (0, 1))
        most = max(last / first - 1 for first, last in ending.memory)
        rows.append(
            (
                "memory of a process",
                f"{first:.1f} MiB at first, {last:.1f} MiB at last ({ending.growth:+.1%}; most {most:+.1%}), "
                f"{len(ending.memory)} looked at",
            )
        )
    if ending.watch.backend:
        own = statistics.median(ending.watch.backend) / _MIB
        rows.append(("memory of a server process", f"{own:.1f} MiB of its own"))
    rows.append(("CPU", ", ".join(f"{name} {number:.2f} cores" for name, number in ending.cores.items())))
    wal = after.wal - before.wal
    pages = (
        f", of these {after.pages - before.pages:,} whole pages"
        if after.pages is not None and before.pages is not None
        else ""
    )
    rows.append(
        ("WAL", f"{wal / ending.seconds / 1e6:.2f} MB a second, {wal / written:,.0f} bytes a video written{pages}")
    )
    if (
        after.writes is not None
        and before.writes is not None
        and after.fsyncs is not None
        and before.fsyncs is not None
    ):
        rows.append(
            (
                "files",
                f"{(after.writes - before.writes) / ending.seconds:,.0f} writes and "
                f"{(after.fsyncs - before.fsyncs) / ending.seconds:,.0f} fsyncs a second",
            )
        )
    rows.append(("transactions", f"{(after.commits - before.commits) / ending.seconds:,.0f} a second"))
    rows.append(("size of the database", f"{before.size / 1e6:,.0f} MB, then {after.size / 1e6:,.0f} MB"))
    rows.append(("deadlocks", str(after.deadlocks - before.deadlocks)))
    return rows


def _milliseconds(times: Distribution) -> str:
    return f"p50 {times.p50:,.1f} ms, p99 {times.p99:,.1f} ms, most {times.largest:,.1f} ms ({times.number:,})"


def as_json(ending: Ending) -> dict[str, Any]:
    """The figures of the table."""
    options, watch = ending.options, ending.watch
    return {
        "machine": ending.machine,
        "server": ending.server,
        "hunters": options.hunters,
        "trackers": options.trackers,
        "simulated": options.simulated,
        "seconds": ending.seconds,
        "speed": options.speed,
        "latency_seconds": options.latency,
        "videos_at_the_beginning": ending.videos,
        "searches": ending.audit.searches,
        "readings": ending.audit.readings,
        "done_twice": [*ending.audit.searched_twice, *ending.audit.read_twice, *ending.early],
        "videos_written": ending.measures.rows["videos written"],
        "late_seconds": {zone: late.as_dict() for zone in ending.intervals if (late := ending.late(zone))},
        "waiting_seconds": dict(ending.waiting),
        "interval_seconds": ending.intervals,
        "milliseconds": {kind: of.as_dict() for kind in sorted(ending.measures.times) if (of := ending.time(kind))},
        "claim_in_server_milliseconds": of.as_dict() if (of := Distribution.of(ending.measures.in_server)) else None,
        "connections": {
            "of_a_shard": max(watch.per_shard.values(), default=0),
            "in_all": watch.most,
            "pool_size": options.pool_size,
            "max_connections": options.max_connections if options.database_url is None else None,
        },
        "memory_bytes": [list(pair) for pair in ending.memory],
        "memory_growth": ending.growth,
        "server_process_bytes": statistics.median(watch.backend) if watch.backend else None,
        "cores": dict(ending.cores),
        "wal_bytes": ending.after.wal - ending.before.wal,
        "commits": ending.after.commits - ending.before.commits,
        "deadlocks": ending.after.deadlocks - ending.before.deadlocks,
        "exit_codes": {str(code): number for code, number in ending.codes.items()},
        "problems": problems(ending),
    }
