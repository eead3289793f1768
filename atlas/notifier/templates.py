"""Events as people read them in a message: one line, and what there is to say below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from atlas.event_types import EventType
from atlas.notifier.messages import Message
from atlas.times import iso

__all__ = ["message", "worded"]

_IDS = 10  # videos that a message names
_LINES = 20  # events that a message names


def worded(event: EventType, payload: Mapping[str, Any]) -> tuple[str, str]:
    """One line, and the details: lines that may be empty."""
    return _WORDS[event](payload)


def message(event: EventType, told: Sequence[tuple[str, str, int]], *, who: str = "", unnamed: int = 0) -> Message:
    """Return one message about events of one type.

    Args:
        event: the type.
        told: of each thing its line, its details, and how many events of it were held back since the last message.
        who: the process that sends it.
        unnamed: how many more there are, of which nothing is known but their number.
    """
    if len(told) == 1:
        title, details, held_back = told[0]
        items, ending = [details], [_more(held_back)]
    else:
        title, ending = f"{len(told) + unnamed:,} events: {event.replace('_', ' ')}", []
        items = [
            " ".join(filter(None, (": ".join(filter(None, (line, " ".join(details.split())))), _more(held_back))))
            for line, details, held_back in told[:_LINES]
        ]
    if who and who not in title:
        ending.append(f"Told by {who}.")
    unlisted = unnamed + max(0, len(told) - _LINES)
    return Message(title, tuple(filter(None, items)), unlisted, tuple(filter(None, ending)))


def _more(held_back: int) -> str:
    return f"(and {held_back:,} more of the same since the last message)" if held_back > 0 else ""


def _run_started(run: Mapping[str, Any]) -> tuple[str, str]:
    return f"{_process(run)} has begun", ""


def _run_finished(run: Mapping[str, Any]) -> tuple[str, str]:
    return f"{_process(run)}: {run['outcome']} ({run['exit_code']})", run["error"] or ""


def _churn(churn: Mapping[str, Any]) -> tuple[str, str]:
    return f"maia {churn['agent']} met a rate limit", churn["reason"] or ""


def _quota_spent(spent: Mapping[str, Any]) -> tuple[str, str]:
    limit = f" YouTube names a limit of {spent['limit']:,}." if spent["limit"] is not None else ""
    return (
        f"key {spent['fingerprint']}: the day's '{spent['bucket']}' quota is spent",
        f"It is open again at {_time(spent['until'])}.{limit}",
    )


def _key_suspended(key: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"key {key['fingerprint']} is suspended: {key['reason']}",
        f"Until {_time(key['until'])}, or until the key pool changes. Check the key in the Google Cloud console; "
        f"`maia keys resume {key['fingerprint']}` lifts the suspension, as does the workflow's form.",
    )


def _search_gap(gap: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"a gap in the search for '{gap['query_term']}': {gap['reason']}",
        f"Videos published from {_time(gap['published_after'])} to {_time(gap['published_before'])} were not read "
        f"in this round, which read {gap['pages_read']} page(s).",
    )


def _videos_retired(gone: Mapping[str, Any]) -> tuple[str, str]:
    ids: Sequence[str] = gone["ids"]
    more = f" and {len(ids) - _IDS} more" if len(ids) > _IDS else ""
    return f"{len(ids)} video(s) are gone from YouTube", " ".join(ids[:_IDS]) + more


def _breakout(video: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"video {video['video_id']} gains {video['views_per_hour']:,.0f} views an hour",
        f"{video['views']:,} views: https://www.youtube.com/watch?v={video['video_id']}",
    )


def _counts_frozen(frozen: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"YouTube's counts stand still since {_time(frozen['since'])}",
        f"{frozen['videos']:,} readings of growing videos, of {frozen['channels']:,} channels or more, show the same "
        "views as before. Snapshots are marked, and no breakout is seen, until the counts move again.",
    )


def _counts_moving(moving: Mapping[str, Any]) -> tuple[str, str]:
    hours = (moving["until"] - moving["since"]).total_seconds() / 3600
    return f"YouTube's counts move again after {hours:.1f} h", f"They stood still since {_time(moving['since'])}."


def _archive_failed(archive: Mapping[str, Any]) -> tuple[str, str]:
    return f"{archive['failed']} record(s) are not archived yet", archive["error"] or ""


def _process(run: Mapping[str, Any]) -> str:
    return " ".join(["maia", run["agent"], *([run["shard"]] if run["shard"] else [])])


def _time(moment: datetime | None) -> str:
    return iso(moment) if moment else "an unknown time"


_WORDS: Mapping[EventType, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    EventType.RUN_STARTED: _run_started,
    EventType.RUN_FINISHED: _run_finished,
    EventType.CHURN: _churn,
    EventType.QUOTA_SPENT: _quota_spent,
    EventType.KEY_SUSPENDED: _key_suspended,
    EventType.SEARCH_GAP: _search_gap,
    EventType.VIDEOS_RETIRED: _videos_retired,
    EventType.BREAKOUT: _breakout,
    EventType.COUNTS_FROZEN: _counts_frozen,
    EventType.COUNTS_MOVING: _counts_moving,
    EventType.ARCHIVE_FAILED: _archive_failed,
}
