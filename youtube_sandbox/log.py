"""The log of every call: in memory, counted, and as JSON lines in a file when one is wanted."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_IN_MEMORY: Final = 200_000  # entries; totals go on counting, and a file has them all


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call. `at` is real time, `schedule` the schedule's (ISO 8601); `params` are without the key."""

    seq: int  # 1 for the first call since the start or the last `clear`
    at: str
    schedule: str
    endpoint: str
    bucket: str
    params: dict[str, str]
    key: str | None  # its fingerprint
    project: str | None  # its number; None without a known key
    status: int  # 0 when the connection was closed before any answer
    reason: str | None  # of a refusal
    fault: str | None  # the kind that struck
    agent: str
    ids: list[str] = field(default_factory=list)  # of channels or videos; empty where the caller cannot read them
    cost: int = 0
    counted: bool = False  # not where it was refused because of its key, a rate or a spent bucket

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON has it."""
        return asdict(self)


class CallLog:
    """All calls, oldest first. Iterating gives the entries; `len` is how many are in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: deque[LoggedCall] = deque(maxlen=_IN_MEMORY)
        self._seq = 0
        self._totals: Counter[tuple[str, int]] = Counter()
        self._added = asyncio.Event()
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")

    def next_seq(self) -> int:
        """Return the number of the entry that comes next."""
        return self._seq + 1

    def add(self, entry: LoggedCall) -> None:
        """Take an entry whose `seq` is `next_seq()`."""
        self._seq = entry.seq
        self._entries.append(entry)
        self._totals[entry.endpoint, entry.status] += 1
        if self._file is not None:
            self._file.write(orjson.dumps(entry.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()
        self._added.set()
        self._added = asyncio.Event()

    def calls(self, endpoint: str | None = None, *, agent: str = "", **fields: object) -> list[LoggedCall]:
        """Return the entries with these `fields` (`key` is a fingerprint); `agent`: a text in the User-Agent."""
        wanted = {"endpoint": endpoint, **fields} if endpoint else fields
        return [
            entry
            for entry in self._entries
            if agent in entry.agent and all(getattr(entry, name) == value for name, value in wanted.items())
        ]

    def totals(self) -> dict[str, dict[str, int]]:
        """Return endpoint → status → calls, since the start or the last `clear`."""
        table: dict[str, dict[str, int]] = {}
        for (endpoint, status), amount in sorted(self._totals.items()):
            table.setdefault(endpoint, {})[str(status)] = amount
        return table

    async def wait_for(self, predicate: Callable[[Self], bool], *, timeout: float = 30) -> None:  # noqa: ASYNC109
        """Wait until `predicate(log)` is true, checked after every call; raise TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not predicate(self):
                await self._added.wait()

    def clear(self) -> None:
        """Remove all entries and totals (not those in the file)."""
        self._entries.clear()
        self._totals.clear()
        self._seq = 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[LoggedCall]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
