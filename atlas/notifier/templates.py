"""Message templates: one line and details for each type of event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from atlas.event_types import EventType
from atlas.notifier.messages import Message
from atlas.times import iso

__all__ = ["event_message", "render"]

_MOST_IDS = 10  # videos that a message names
_MOST_LINES = 20  # events that a message names

# title, details; the fields are those of the payload and of _fields()
_TEMPLATES: Mapping[EventType, tuple[str, str]] = {
    EventType.RUN_STARTED: ("{run} started", ""),
    EventType.RUN_FINISHED: ("{run}: {outcome} ({exit_code})", "{error}"),
    EventType.CHURN: ("maia {agent} met a rate limit", "{reason}"),
    EventType.QUOTA_SPENT: (
        "key {fingerprint}: the day's '{bucket}' quota is spent",
        "It resets at {until}.{limit_named}",
    ),
    EventType.KEY_SUSPENDED: (
        "key {fingerprint} is suspended: {reason}",
        "Until {until}, or until the key pool changes. Check the key in the Google Cloud console; "
        "`maia keys resume {fingerprint}` lifts the suspension, as does the workflow's form.",
    ),
    EventType.SEARCH_GAP: (
        "a gap in the search for '{query_term}': {reason}",
        "Videos published from {published_after} to {published_before} were not read in this round, which read "
        "{pages_read} page(s).",
    ),
    EventType.VIDEOS_RETIRED: ("{number_of_ids} video(s) are gone from YouTube", "{first_ids}"),
    EventType.BREAKOUT: (
        "video {video_id} gains {views_per_hour:,.0f} views an hour",
        "{views:,} views: https://www.youtube.com/watch?v={video_id}",
    ),
    EventType.COUNTS_FROZEN: (
        "YouTube's counts are frozen since {since}",
        "{videos:,} snapshots of growing videos, of {channels:,} channels or more, show the same views as before. "
        "Snapshots are marked, and no breakout is detected, until the counts change again.",
    ),
    EventType.COUNTS_MOVING: ("YouTube's counts change again after {hours:.1f} h", "They were frozen since {since}."),
    EventType.DIGEST: ("the daily digest was sent", ""),
    EventType.ARCHIVE_FAILED: ("{failed} record(s) are not archived yet", "{error}"),
}
_TIMES = ("until", "since", "published_after", "published_before")


def render(event: EventType, payload: Mapping[str, Any]) -> tuple[str, str]:
    """Return one line about an event, and its details: lines that may be empty."""
    title, details = _TEMPLATES[event]
    fields = _fields(payload)
    return title.format_map(fields), details.format_map(fields)


def _fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: "" if value is None else value for key, value in payload.items()}
    for key in _TIMES:
        if key in payload:
            moment = _moment(payload[key])
            fields[key] = iso(moment) if moment else "an unknown time"
    if "agent" in payload:
        fields["run"] = " ".join(["maia", payload["agent"], *filter(None, [payload.get("shard")])])
    if "limit" in payload:
        limit = payload["limit"]
        fields["limit_named"] = "" if limit is None else f" YouTube names a limit of {limit:,}."
    if "ids" in payload:
        ids: Sequence[str] = payload["ids"]
        fields["number_of_ids"] = len(ids)
        more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
        fields["first_ids"] = " ".join(ids[:_MOST_IDS]) + more
    since, until = _moment(payload.get("since")), _moment(payload.get("until"))
    if since and until:
        fields["hours"] = (until - since).total_seconds() / 3600
    return fields


def _moment(value: datetime | str | None) -> datetime | None:
    """Return a time of a payload, also of one that was read from the database."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def event_message(
    event: EventType,
    rendered: Sequence[tuple[str, str, int]],
    *,
    sender: str = "",
    unlisted: int = 0,
    note: str = "",
) -> Message:
    """Return one message about events of one type.

    `rendered`: line, details, and number of events suppressed since the last message, by subject.
    `unlisted`: number of further events; `note`: a last line.
    """
    if len(rendered) == 1:
        title, details, suppressed = rendered[0]
        items, ending = [details], [_more(suppressed)]
    else:
        title, ending = f"{len(rendered) + unlisted:,} events: {event.replace('_', ' ')}", []
        items = []
        for line, details, suppressed in rendered[:_MOST_LINES]:
            text = f"{line}: {' '.join(details.split())}" if details else line
            items.append(" ".join(filter(None, (text, _more(suppressed)))))
    if sender and sender not in title:
        ending.append(f"Sent by {sender}.")
    ending.append(note)
    unlisted += max(0, len(rendered) - _MOST_LINES)
    return Message(title, tuple(filter(None, items)), unlisted, tuple(filter(None, ending)))


def _more(suppressed: int) -> str:
    return f"(and {suppressed:,} more of the same since the last message)" if suppressed > 0 else ""
