"""Did two shards work on one row? The calls that the sandbox saw say it, not the shards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from atlas import policy
from atlas.config import settings
from harness.driver import json_lines

_SHARD = re.compile(r"\((\w+ \d+/\d+)\)")


@dataclass(frozen=True)
class Call:
    """One call as the sandbox saw it.

    Attributes:
        at: schedule time.
        shard: such as ``hunter 0/2``; empty: another program.
    """

    at: datetime
    endpoint: str
    bucket: str
    status: int
    shard: str
    params: Mapping[str, str]

    @property
    def ids(self) -> list[str]:
        """The videos that were asked for."""
        return [piece for piece in self.params.get("id", "").split(",") if piece]


def read_calls(path: Path) -> list[Call]:
    """Read the sandbox's log."""
    return [
        Call(
            datetime.fromisoformat(entry["schedule"]), entry["endpoint"], entry["bucket"], entry["status"],
            shard[1] if (shard := _SHARD.search(entry["agent"])) else "", entry["params"],
        )
        for entry in json_lines.entries(path)
    ]  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """The result.

    Attributes:
        searches, readings: answered searches and readings of a video's counts.
        searched_twice: a line for each topic that was searched twice: the same page, or windows that overlap.
        read_twice: a line for each video that was read again before its zone's interval had passed.
    """

    searches: int
    readings: int
    searched_twice: Sequence[str] = ()
    read_twice: Sequence[str] = ()


@dataclass
class _Slice:
    begin: datetime
    end: datetime
    shard: str
    pages: dict[str, str] = field(default_factory=dict)  # page token → shard


def audit(calls: Sequence[Call], births: Mapping[str, datetime]) -> Audit:
    """Audit the calls of a run.

    Args:
        calls: in the order in which they came.
        births: from when each video's age counts; videos that are not in it are left out.
    """
    answered = [call for call in calls if call.status == 200]
    searches = [call for call in answered if call.endpoint == "search"]
    readings = [call for call in answered if call.endpoint == "batchGetStats"]
    number = sum(len(call.ids) for call in readings)
    return Audit(len(searches), number, _searched_twice(searches), _read_twice(readings, births))


def _searched_twice(searches: Sequence[Call]) -> list[str]:
    """Return topics of which a page was asked for twice, or of which two rounds looked at the same time.

    A round is a window of publication times. It begins with a search without a page token, and its later slices begin
    where it does and end earlier. A topic's next round begins where the last one ended, less the index lag. So windows
    of one topic overlap by no more unless two shards had it at once.
    """
    found: list[str] = []
    slices: dict[str, list[_Slice]] = defaultdict(list)
    lag = timedelta(minutes=settings.hunter_index_lag_minutes)
    for call in searches:
        query, token = call.params.get("q", ""), call.params.get("pageToken", "")
        begin, end = (datetime.fromisoformat(call.params[name]) for name in ("publishedAfter", "publishedBefore"))
        same = next((s for s in slices[query] if (s.begin, s.end) == (begin, end)), None)
        if same is None:
            for other in slices[query]:
                later_slice = begin == other.begin and end < other.end
                if not later_slice and begin < other.end - lag and other.begin < end - lag:
                    found.append(f"'{query}': {call.shard} and {other.shard} in windows that overlap")
            same = _Slice(begin, end, call.shard)
            slices[query].append(same)
        if token in same.pages:
            found.append(f"'{query}': {call.shard} asked for a page that {same.pages[token]} had asked for")
        same.pages[token] = call.shard
    return found


def _read_twice(readings: Sequence[Call], births: Mapping[str, datetime]) -> list[str]:
    """Return videos that videos.batchGetStats was asked for again before their zone's interval had passed.

    A reading is written after it was asked for, the next is due one interval after that, and is asked for when it is
    due: between two questions there is never less than the interval. No tolerance is needed. videos.list is left out:
    a Tracker asks it a second time on purpose, for what videos.batchGetStats left out, and along with control ids.
    """
    found: list[str] = []
    before: dict[str, Call] = {}
    for call in readings:
        for id_ in call.ids:
            earlier = before.get(id_)
            before[id_] = call
            if earlier is None or id_ not in births:
                continue
            gap = call.at - earlier.at
            if gap < policy.schedule(births[id_], earlier.at)[1] - earlier.at:
                found.append(f"{id_}: {call.shard} {gap.total_seconds() / 60:.0f} min after {earlier.shard}")
    return found
