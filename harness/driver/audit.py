"""Did two shards work on one row? Told from the calls that the sandbox saw, not from what the shards say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atlas import policy
from atlas.config import settings
from harness.driver.calls import Call

__all__ = ["Audit", "audit", "read_twice"]


@dataclass(frozen=True)
class Audit:
    """What came of it.

    Attributes:
        searches, readings: how many answered searches, and readings of a video's counts, were looked at.
        searched_twice: a line for each topic that was searched twice: the same page, or windows that overlap.
        read_twice: a line for each video that was read again before its zone's interval had passed.
        both_found: videos that two searches found in the same moment, and that were therefore asked for twice. No row
            was claimed for it, and one of both stored it: a unit of quota for up to 50, nothing else.
    """

    searches: int
    readings: int
    searched_twice: Sequence[str] = ()
    read_twice: Sequence[str] = ()
    both_found: int = 0


@dataclass
class _Slice:
    begin: datetime
    end: datetime
    shard: str
    pages: dict[str, str] = field(default_factory=dict)  # page token → shard


def audit(calls: Sequence[Call], births: Mapping[str, datetime]) -> Audit:
    """Looks through the calls of a run.

    Args:
        calls: in the order in which they came.
        births: from when each video's age counts; videos that are not in it are left out.
    """
    answered = [call for call in calls if call.status == 200]
    searches = [call for call in answered if call.endpoint == "search"]
    readings = [call for call in answered if call.endpoint == "batchGetStats"]
    enriched = defaultdict(set)
    for number, call in enumerate(answered):
        if call.endpoint == "videos" and call.shard.startswith("hunter"):
            for id_ in call.ids:
                enriched[id_].add(number)
    return Audit(
        searches=len(searches),
        readings=sum(len(call.ids) for call in readings),
        searched_twice=searched_twice(searches),
        read_twice=read_twice(readings, births),
        both_found=sum(len(numbers) > 1 for numbers in enriched.values()),
    )


def searched_twice(searches: Sequence[Call]) -> list[str]:
    """Topics of which a page was asked for twice, or of which two rounds looked at the same time.

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


def read_twice(readings: Sequence[Call], births: Mapping[str, datetime]) -> list[str]:
    """Videos that videos.batchGetStats was asked for again before their zone's interval had passed.

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
            if gap < _interval(births[id_], earlier.at):
                found.append(f"{id_}: {call.shard} {gap.total_seconds() / 60:.0f} min after {earlier.shard}")
    return found


def _interval(born: datetime, at: datetime) -> timedelta:
    return policy.schedule(born, at)[1] - at
