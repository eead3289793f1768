"""What a run has left behind: the API's log, the driver's notes, the history, the tables.

Plain data from ``harness.chaos.gathering``; the checks read nothing else. Real times are those of this machine, which
the database and the API share; schedule times are those of the schedule clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

_DATABASE_FAULTS = frozenset({"restart", "cut", "delay", "freeze", "silence"})


@dataclass(frozen=True, order=True)
class Who:
    """A process, as the database and the API knew it.

    Attributes:
        place: such as ``hunter 0/3``; empty: another program.
        pid: 0 where it is not known.
    """

    place: str
    pid: int = 0

    @property
    def agent(self) -> str:
        return self.place.partition(" ")[0]

    def __str__(self) -> str:
        return f"{self.place or 'no process'} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the API saw it.

    Attributes:
        number: its place in the log.
        at, schedule: when it was answered.
        key: the key's fingerprint.
        status: 0: the connection was closed before any answer.
        reason: why it was refused, or how it was damaged; None: a good answer.
        ids: of the videos in the answer.
    """

    number: int
    at: datetime
    schedule: datetime
    endpoint: str
    bucket: str
    who: Who
    params: Mapping[str, str]
    key: str = ""
    status: int = 200
    reason: str | None = None
    fault: str | None = None
    ids: Sequence[str] = ()

    @property
    def good(self) -> bool:
        """Whether a whole answer was sent, perhaps an empty one."""
        return self.status == 200 and self.reason is None

    def __str__(self) -> str:
        return f"call {self.number} ({self.endpoint}) of {self.who}"


@dataclass(frozen=True)
class Process:
    """One process, as the driver saw it.

    Attributes:
        run: its number in its place.
        code: negative: the signal that ended it.
        killed: the signal that the driver sent it, such as SIGKILL, or None.
        at: the step at which.
        concurrency: calls that it may have had in flight.
    """

    place: str
    agent: str
    run: int
    pid: int
    started: datetime
    ended: datetime
    code: int
    killed: str | None = None
    at: str | None = None
    concurrency: int = 1

    @property
    def who(self) -> Who:
        return Who(self.place, self.pid)

    def __str__(self) -> str:
        return f"{self.place}, run {self.run} (process {self.pid})"


@dataclass(frozen=True)
class Fault:
    """A fault that the driver caused.

    Attributes:
        kind: kill, term, freeze, restart, cut, delay, silence.
        place: None: all.
        step: at which a process was struck, or ``at random``.
    """

    at: datetime
    kind: str
    place: str | None = None
    step: str | None = None
    until: datetime | None = None

    @property
    def cuts(self) -> bool:
        """Whether connections are lost by it: at a step, also the one of the step's own message."""
        at_a_step = self.kind in ("freeze", "term") and self.step not in (None, "at random")
        return at_a_step or self.kind in ("restart", "cut")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a row that counts.

    Attributes:
        number: goes up in the order in which a row changed.
        at: when it was written; began: the transaction's now().
        key: the topic's or video's id; of api_calls the fingerprint and the bucket.
        op: insert, update, delete.
        old, new: the columns that count; empty if there is no such row.
    """

    number: int
    at: datetime
    tx: int
    began: datetime
    who: Who
    relation: str
    key: str
    op: str
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)

    def changes(self, *columns: str) -> list[str]:
        """Return those of the columns that it changes."""
        return [column for column in columns if self.old.get(column) != self.new.get(column)]

    @property
    def claims(self) -> bool:
        """Whether it takes a lease."""
        token = self.new.get("lease_token")
        return token is not None and token != self.old.get("lease_token")

    @property
    def ends_lease(self) -> bool:
        return self.op == "update" and self.old.get("lease_token") is not None and self.new.get("lease_token") is None

    def __str__(self) -> str:
        return f"change {self.number} of {self.relation} {self.key} by {self.who}"


@dataclass(frozen=True)
class ResultFile:
    """A result file; ``value`` is None if it is no JSON object."""

    name: str
    value: Mapping[str, Any] | None


@dataclass(frozen=True)
class Checked:
    """The result of a check: its name, how many things it looked at, and a line for each violation."""

    name: str
    looked_at: int
    violations: Sequence[str] = ()


@dataclass(frozen=True)
class Record:
    """All of a run.

    Attributes:
        changes: in the order of their numbers.
        gathered: when the tables were read (the database's clock).
        topics, videos: the tables at the end, by id.
        archived: ids of the videos of which the archive holds a whole record.
        damaged: a line for each part of the archive that cannot be read.
        leftover: a line for each line of a log that no process should have written.
    """

    calls: Sequence[Call] = ()
    processes: Sequence[Process] = ()
    faults: Sequence[Fault] = ()
    changes: Sequence[Change] = ()
    gathered: datetime | None = None
    lease_seconds: float = 0.0
    topics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    videos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    archived: frozenset[str] = frozenset()
    damaged: Sequence[str] = ()
    results: Sequence[ResultFile] = ()
    logs: Mapping[str, int] = field(default_factory=dict)
    leftover: Sequence[str] = ()

    def of(self, relation: str) -> Iterator[Change]:
        """Yield the changes of one table."""
        return (change for change in self.changes if change.relation == relation)

    @cached_property
    def rows(self) -> Mapping[tuple[str, str], Sequence[Change]]:
        """(relation, key) → the changes of that row, in their order."""
        found: dict[tuple[str, str], list[Change]] = {}
        for change in self.changes:
            found.setdefault((change.relation, change.key), []).append(change)
        return found

    @cached_property
    def claims(self) -> Mapping[str, Who]:
        """Lease token → who claimed with it."""
        return {str(change.new["lease_token"]): change.who for change in self.changes if change.claims}

    @cached_property
    def calls_of(self) -> Mapping[Who, Sequence[Call]]:
        """Who → what it asked, in its order."""
        found: dict[Who, list[Call]] = {}
        for call in self.calls:
            found.setdefault(call.who, []).append(call)
        return found

    @cached_property
    def process_of(self) -> Mapping[Who, Process]:
        """Who → the process as the driver saw it."""
        return {process.who: process for process in self.processes}

    def struck(self, process: Process, *kinds: str) -> list[Fault]:
        """Return the faults of these kinds that may have struck a process.

        Without kinds: those that keep it from its database (an outage, a cut, a delay, a freeze). A fault that was over
        before the process began, or came after its end, is left out. What began before may last a little beyond its
        note: a connection that a process made while the server went away fails after that.
        """
        wanted = frozenset(kinds) or _DATABASE_FAULTS
        return [
            fault
            for fault in self.faults
            if fault.kind in wanted
            and fault.place in (None, process.place)
            and fault.at <= process.ended
            and (fault.until or fault.at) >= process.started - timedelta(seconds=1)
        ]
