"""The sandbox's log of calls, read while it grows."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["Call", "CallFile", "spent"]

_SHARD = re.compile(r"\((\w+ \d+/\d+)\)")


@dataclass(frozen=True)
class Call:
    """One call as the sandbox saw it.

    Attributes:
        at: schedule time.
        endpoint: search, videos, batchGetStats …
        bucket: the quota bucket that pays for it.
        status: of the answer; 200 is a good one.
        shard: who called, such as ``hunter 0/2``; empty: another program.
        params: the query's parameters.
    """

    at: datetime
    endpoint: str
    bucket: str
    status: int
    shard: str
    params: dict[str, str]

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> Call:
        """Reads an entry of the log."""
        shard = _SHARD.search(entry["agent"])
        return cls(
            at=datetime.fromisoformat(entry["schedule"]),
            endpoint=entry["endpoint"],
            bucket=entry["bucket"],
            status=entry["status"],
            shard=shard[1] if shard else "",
            params=entry["params"],
        )

    @property
    def ids(self) -> list[str]:
        """The videos that were asked for."""
        return [piece for piece in self.params.get("id", "").split(",") if piece]


class CallFile:
    """Follows the file. A line that is only half written yet is left for the next time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0
        self.calls: list[Call] = []

    def read(self) -> list[Call]:
        """All calls up to now."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                text = file.read()
        except FileNotFoundError:
            return self.calls
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        self.calls += [Call.parse(json.loads(line)) for line in whole.splitlines()]
        return self.calls


def spent(calls: list[Call], shard: str | None = None) -> Counter[str]:
    """Bucket → calls, of one shard or of all. Refused ones count: they were made."""
    return Counter(call.bucket for call in calls if shard is None or call.shard == shard)
