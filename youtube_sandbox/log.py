"""The log of every call: in memory, counted, and as JSON lines in a file when one is wanted."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedWriter
    from pathlib import Path

__all__ = ["CallLog", "Entry"]

_KEPT: Final = 200_000  # entries in memory; totals go on counting, and a file has them all


@dataclass(frozen=True, slots=True)
class Entry:
    """One call.

    Attributes:
        seq: 1 for the first call since the start or the last `clear`.
        at: real time, ISO 8601.
        schedule: schedule time, ISO 8601.
        endpoint: search, videos, batchGetStats, channels or playlistItems.
        bucket: the quota bucket that pays for it.
        params: the query's parameters without the key.
        key: the key's fingerprint; None without a key.
        project: the number of the key's project; None without a known key.
        status: the HTTP status; 0 when the connection was closed before any answer.
        reason: why it was refused; None for 200.
        fault: the kind of fault that was played, if one was.
        agent: the User-Agent.
        ids: ids of the items that were answered (video ids; channel ids for channels). Empty where the caller could not
            read them, as in a cut or broken answer.
        cost: what it took from the bucket.
        counted: whether it counts against the day's allowance (it was granted): every call does that was not refused
            because of its key, a rate or a spent bucket; an invalid one and one that met a fault on the server too.
    """

    seq: int
    at: str
    schedule: str
    endpoint: str
    bucket: str
    params: dict[str, str]
    key: str | None
    project: str | None
    status: int
    reason: str | None
    fault: str | None
    agent: str
    ids: list[str] = field(default_factory=list)
    cost: int = 0
    counted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        return asdict(self)


class CallLog:
    """All calls, oldest first. Iterating gives the entries; `len` is how many are in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._seq = 0
        self._totals: Counter[tuple[str, int]] = Counter()
        self._waiting: list[tuple[Callable[[CallLog], bool], asyncio.Future[None]]] = []
        self._file: BufferedWriter | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")

    def next_seq(self) -> int:
        """The number of the entry that comes next."""
        return self._seq + 1

    def add(self, entry: Entry) -> None:
        """Takes an entry whose `seq` is `next_seq()`."""
        self._seq = entry.seq
        self._entries.append(entry)
        self._totals[entry.endpoint, entry.status] += 1
        if self._file is not None:
            self._file.write(orjson.dumps(entry.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()
        for waiter in list(self._waiting):
            predicate, future = waiter
            if not future.done() and predicate(self):
                future.set_result(None)

    def calls(
        self,
        endpoint: str | None = None,
        *,
        key: str | None = None,
        status: int | None = None,
        agent: str | None = None,
        counted: bool | None = None,
        since: int = 0,
    ) -> list[Entry]:
        """The entries that fit: an endpoint, a key's fingerprint, a status, a text in the User-Agent, counted or not, a
        `seq` above `since`."""
        return [
            entry
            for entry in self._entries
            if (endpoint is None or entry.endpoint == endpoint)
            and (key is None or entry.key == key)
            and (status is None or entry.status == status)
            and (agent is None or agent in entry.agent)
            and (counted is None or entry.counted is counted)
            and entry.seq > since
        ]

    def totals(self) -> dict[str, dict[str, int]]:
        """endpoint → status → calls, since the start or the last `clear`."""
        table: dict[str, dict[str, int]] = {}
        for (endpoint, status), amount in sorted(self._totals.items()):
            table.setdefault(endpoint, {})[str(status)] = amount
        return table

    async def wait_for(self, predicate: Callable[[Self], bool], *, timeout: float = 30) -> None:  # noqa: ASYNC109
        """Returns once `predicate(log)` holds, looked at after every call; TimeoutError after `timeout` seconds."""
        if predicate(self):
            return
        waiter: tuple[Any, asyncio.Future[None]] = (predicate, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            await asyncio.wait_for(waiter[1], timeout)
        finally:
            self._waiting.remove(waiter)

    def clear(self) -> None:
        """Forgets all entries and totals (not those in the file)."""
        self._entries.clear()
        self._totals.clear()
        self._seq = 0

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
