"""The types of events: what each means, its level, its payload, and which events count as the same thing.

The table in docs/events.md is generated from this module (`tools/reference.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["EVENT_TYPES", "FAILED_OUTCOMES", "LEVELS", "EventSpec", "EventType", "Level", "level_of", "subject_of"]


class Level(StrEnum):
    """The level of an event: `info` is normal, `warning` is worth a look, `error` needs action."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LEVELS = tuple(Level)
"""In ascending order."""


class EventType(StrEnum):
    """The name of an event type; `EVENT_TYPES` describes each."""

    RUN_STARTED = "run_started"
    RUN_FINISHED = "run_finished"
    CHURN = "churn"
    QUOTA_SPENT = "quota_spent"
    KEY_SUSPENDED = "key_suspended"
    SEARCH_GAP = "search_gap"
    VIDEOS_RETIRED = "videos_retired"
    BREAKOUT = "breakout"
    COUNTS_FROZEN = "counts_frozen"
    COUNTS_MOVING = "counts_moving"
    ARCHIVE_FAILED = "archive_failed"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class EventSpec:
    """The properties of an event type.

    For events with equal values of the `subject` keys, people are notified once in NOTIFY_INTERVAL_MINUTES.
    """

    level: Level  # see `level_of` for the one exception
    when: str
    payload: tuple[str, ...]  # its keys: numbers, ids, words and times, nothing secret
    subject: tuple[str, ...] = ()


EVENT_TYPES: Mapping[EventType, EventSpec] = {
    EventType.RUN_STARTED: EventSpec(Level.INFO, "a run started", ("agent", "shard"), ("agent",)),
    EventType.RUN_FINISHED: EventSpec(
        Level.INFO,
        "a run ended",
        ("agent", "shard", "outcome", "exit_code", "error"),
        ("agent", "outcome"),
    ),
    EventType.CHURN: EventSpec(
        Level.INFO, "a rate limit ended a run; emitted before its `run_finished`", ("agent", "reason"), ("agent",)
    ),
    EventType.QUOTA_SPENT: EventSpec(
        Level.WARNING,
        "a bucket of a key is spent for the day",
        ("fingerprint", "bucket", "project", "limit", "until"),
        ("fingerprint", "bucket"),
    ),
    EventType.KEY_SUSPENDED: EventSpec(
        Level.ERROR, "a key is wrong or blocked", ("fingerprint", "reason", "until"), ("fingerprint",)
    ),
    EventType.SEARCH_GAP: EventSpec(
        Level.INFO,
        "a part of a search window was not read in its round",
        ("topic", "query_term", "published_after", "published_before", "pages_read", "reason"),
    ),
    EventType.VIDEOS_RETIRED: EventSpec(Level.INFO, "videos are gone from YouTube", ("ids",)),
    EventType.BREAKOUT: EventSpec(
        Level.WARNING,
        "a video grows far beyond what is usual for it: see [breakouts](breakouts.md)",
        ("video_id", "score", "views", "views_per_hour", "usual_per_hour"),
        ("video_id",),
    ),
    EventType.COUNTS_FROZEN: EventSpec(
        Level.WARNING,
        "YouTube froze the counts of all videos; `videos` counts the snapshots without a change",
        ("since", "videos", "channels"),
    ),
    EventType.COUNTS_MOVING: EventSpec(Level.INFO, "the counts change again", ("since", "until")),
    EventType.ARCHIVE_FAILED: EventSpec(
        Level.WARNING, "records could not be archived (`failed` counts them); a later run retries", ("failed", "error")
    ),
    EventType.DIGEST: EventSpec(
        Level.INFO, "the daily digest was sent, whatever NOTIFY_LEVEL is; only with `NOTIFY_DIGEST_AT`", ("since",)
    ),
}

FAILED_OUTCOMES = frozenset({"failure", "unavailable", "config"})
"""The outcomes of a run that need action: their `run_finished` is an error."""


def level_of(event: EventType, payload: Mapping[str, Any]) -> Level:
    """Return the level of this event."""
    if event is EventType.RUN_FINISHED and payload.get("outcome") in FAILED_OUTCOMES:
        return Level.ERROR
    return EVENT_TYPES[event].level


def subject_of(event: EventType, payload: Mapping[str, Any]) -> str:
    """Return the values of the subject keys, joined; empty if the type has none."""
    return " ".join(str(payload.get(key)) for key in EVENT_TYPES[event].subject)
