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
    """How grave an event is: `info` is the usual course, `warning` is worth a look, `error` needs somebody."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LEVELS = tuple(Level)
"""In ascending order."""


class EventType(StrEnum):
    """The name of an event type. `EVENT_TYPES` says what each means."""

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


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What holds for every event of a type.

    Attributes:
        level: how grave; see `level_of` for the one exception.
        when: when it is emitted.
        payload: the keys of its payload: numbers, ids, words and times, nothing secret.
        subject: the keys that identify what it is about. Events that agree in them are the same thing, and people are
            notified of it once in NOTIFY_INTERVAL_MINUTES.
    """

    level: Level
    when: str
    payload: tuple[str, ...]
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
        "a video grew by `BREAKOUT_VIEWS_PER_HOUR` or more; only if that is set",
        ("video_id", "views_per_hour", "views"),
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
}

FAILED_OUTCOMES = frozenset({"failure", "unavailable", "config"})
"""The outcomes of a run that need somebody: such a `run_finished` is an error."""


def level_of(event: EventType, payload: Mapping[str, Any]) -> Level:
    """Return how grave this event is."""
    if event is EventType.RUN_FINISHED and payload.get("outcome") in FAILED_OUTCOMES:
        return Level.ERROR
    return EVENT_TYPES[event].level


def subject_of(event: EventType, payload: Mapping[str, Any]) -> str:
    """Return what the event is about, in a few words; empty if its type says all."""
    return " ".join(str(payload.get(key)) for key in EVENT_TYPES[event].subject)
