"""What the load run ends with: a table, the checks, and the same as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from atlas import policy
from harness.driver.audit import Audit
from harness.driver.screen import Screen, table
from harness.load.measures import Distribution, Measures
from harness.load.options import LoadOptions
from harness.load.watch import Ledger, Watch

_MIB = 1 << 20
_NAMED = 5  # problems that are shown of each kind
_FLAT = 0.05  # how much more memory the median shard may have at the end


@dataclass(frozen=True)
class Ending:
    """The result of a run.

    Attributes:
        server: PostgreSQL's version.
        videos: in the database at the beginning.
        seconds: of the measurement.
        audit, early: work that was done twice, by the API's log and by the snapshots.
        waiting: zone → seconds by which the most overdue video is late at the end.
        memory: (bytes at first, at last) of each process.
        cores: name → CPU seconds a second.
        codes: exit code → processes.
        held: shard → rows that it still holds, though all have ended.
        miscounted: a line for each bucket whose calls the database counts differently than the API.
    """

    options: LoadOptions
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
        """The median growth of a shard's memory; None: no shard was there long enough."""
        return statistics.median(last / first - 1 for first, last in self.memory) if self.memory else None

    @property
    def done_twice(self) -> list[str]:
        return [*self.audit.searched_twice, *self.audit.read_twice, *self.early]

    @property
    def of_a_shard(self) -> int:
        """The most connections of a shard."""
        return max(self.watch.per_shard.values(), default=0)

    def late(self, zone: int) -> Distribution | None:
        return Distribution.of(self.measures.late.get(zone, []))

    def counted(self, name: str) -> int | None:
        """What a counter of the ledger grew by during the measurement."""
        before, after = getattr(self.before, name), getattr(self.after, name)
        return None if before is None or after is None else after - before


def problems(ending: Ending) -> list[str]:
    """Return what the checks found."""
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
    found += [
        f"{name} has {number} connections, DATABASE_POOL_SIZE is {options.pool_size}"
        for name, number in ending.watch.per_shard.items()
        if number > options.pool_size
    ]
    if ending.growth is not None and ending.growth > _FLAT:
        found.append(f"memory is not flat: {ending.growth:+.1%} in the median shard")
    # where there are fewer connections than the shards want, some end with 69
    expected = {0, 69} if options.max_connections < options.shards * options.pool_size else {0}
    found += [f"{number} processes ended with {code}" for code, number in ending.codes.items() if code not in expected]
    return found


def print_report(screen: Screen, ending: Ending) -> None:
    """Print the table and the checks."""
    options = ending.options
    kind = "claimers in a few processes" if options.simulated else "processes"
    title = f"{options.shards} {kind}: {options.hunters} Hunters, {options.trackers} Trackers; {ending.seconds:.0f} s"
    screen.say("")
    screen.show(table("what", "figure", rows=_rows(ending), title=title))
    wrong = problems(ending)
    for line in wrong:
        screen.say(f"✗ {line}", "bold red")
    if not wrong:
        screen.say("✓ every check passes", "green")


def _rows(ending: Ending) -> Iterator[tuple[str, str] | None]:
    options, measures = ending.options, ending.measures
    yield "machine", ending.machine
    yield "database", f"{ending.server}; {ending.videos:,} videos at the beginning"
    yield "schedule clock", f"{options.speed:g} times as fast; the API answers after {options.latency:g} s"
    yield None
    of = f"{ending.audit.searches:,} searches and {ending.audit.readings:,} readings"
    yield "work done twice", f"{len(ending.done_twice)}, of {of}"
    yield "videos read and stored", f"{measures.rows['videos written'] / ending.seconds:,.0f} a second"
    for zone, interval in ending.intervals.items():
        late = ending.late(zone)
        text = f"p50 {late.p50:.1f} s, p99 {late.p99:.1f} s, most {late.largest:.1f} s" if late else "nothing was read"
        waiting = ending.waiting.get(zone, 0.0)
        left = f"; at the end the last one waits {waiting:.1f} s" if waiting > 0 else ""
        yield f"zone {zone} read late by", f"{text} (interval {interval:,.0f} s){left}"
    yield None
    for kind in ("videos claimed", "topics claimed", "videos written"):
        if times := Distribution.of(measures.times.get(kind, [])):
            yield f"{kind}, as the shard sees it", _milliseconds(times)
    if in_server := Distribution.of(measures.in_server):
        yield "a claim, in the server (1 of 10)", _milliseconds(in_server)
    allowed = f" (max_connections {options.max_connections})" if options.database_url is None else ""
    of_a_shard = f"at most {ending.of_a_shard} of a shard (DATABASE_POOL_SIZE {options.pool_size})"
    yield "connections", f"{of_a_shard}, {ending.watch.most} in all{allowed}"
    yield None
    yield from _costs(ending)
    yield "processes ended", ", ".join(f"{number} with {code}" for code, number in ending.codes.items())


def _costs(ending: Ending) -> Iterator[tuple[str, str]]:
    if ending.growth is not None:
        first, last = (statistics.median(pair[n] for pair in ending.memory) / _MIB for n in (0, 1))
        most = max(last / first - 1 for first, last in ending.memory)
        text = f"{first:.1f} MiB at first, {last:.1f} MiB at last ({ending.growth:+.1%}; most {most:+.1%})"
        yield "memory of a process", f"{text}, {len(ending.memory)} looked at"
    if ending.watch.backend:
        yield "memory of a server process", f"{statistics.median(ending.watch.backend) / _MIB:.1f} MiB of its own"
    yield "CPU", ", ".join(f"{name} {number:.2f} cores" for name, number in ending.cores.items())
    wal, pages = ending.counted("wal") or 0, ending.counted("pages")
    a_video = f"{wal / max(1, ending.measures.rows['videos written']):,.0f} bytes a video written"
    whole = "" if pages is None else f", of these {pages:,} whole pages"
    yield "WAL", f"{wal / ending.seconds / 1e6:.2f} MB a second, {a_video}{whole}"
    writes, fsyncs = ending.counted("writes"), ending.counted("fsyncs")
    if writes is not None and fsyncs is not None:
        yield "files", f"{writes / ending.seconds:,.0f} writes and {fsyncs / ending.seconds:,.0f} fsyncs a second"
    yield "transactions", f"{(ending.counted('commits') or 0) / ending.seconds:,.0f} a second"
    yield "size of the database", f"{ending.before.size / 1e6:,.0f} MB, then {ending.after.size / 1e6:,.0f} MB"
    yield "deadlocks", str(ending.counted("deadlocks"))


def _milliseconds(times: Distribution) -> str:
    return f"p50 {times.p50:,.1f} ms, p99 {times.p99:,.1f} ms, most {times.largest:,.1f} ms ({times.number:,})"


def as_json(ending: Ending) -> dict[str, Any]:
    """Return the figures of the table."""
    options, watch, measures = ending.options, ending.watch, ending.measures

    def figures(values: Sequence[float]) -> dict[str, float] | None:
        found = Distribution.of(values)
        return asdict(found) if found else None

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
        "done_twice": ending.done_twice,
        "videos_written": measures.rows["videos written"],
        "late_seconds": {zone: figures(measures.late[zone]) for zone in ending.intervals if measures.late.get(zone)},
        "waiting_seconds": dict(ending.waiting),
        "interval_seconds": ending.intervals,
        "milliseconds": {kind: figures(values) for kind, values in sorted(measures.times.items())},
        "claim_in_server_milliseconds": figures(measures.in_server),
        "connections": {
            "of_a_shard": ending.of_a_shard,
            "in_all": watch.most,
            "pool_size": options.pool_size,
            "max_connections": options.max_connections if options.database_url is None else None,
        },
        "memory_bytes": [list(pair) for pair in ending.memory],
        "memory_growth": ending.growth,
        "server_process_bytes": statistics.median(watch.backend) if watch.backend else None,
        "cores": dict(ending.cores),
        "wal_bytes": ending.counted("wal"),
        "commits": ending.counted("commits"),
        "deadlocks": ending.counted("deadlocks"),
        "exit_codes": {str(code): number for code, number in ending.codes.items()},
        "problems": problems(ending),
    }
